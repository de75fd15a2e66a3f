"""Damage below a format's own checks: parts are changed, and lengths and checksums are made to fit again.

What only flips bits meets a checksum and goes no further. Each function takes (generator, a seed, all seeds).
"""

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import math
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.fuzz.mutations import NASTY_NUMBERS, NASTY_TEXTS, of_bytes, of_lines, of_table, of_tree, value

PNG = b"\x89PNG\r\n\x1a\n"
EXTREME_SIZES = (0, 1, 2, 255, 4096, 8192, 8193, 65535, 2**24, 2**31 - 1, 2**32 - 1)


def png(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Chunks of a PNG file changed, moved, doubled or taken out, with checksums that fit."""
    if not data.startswith(PNG):
        return of_bytes(rng, data, others)
    chunks, place = [], len(PNG)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    for _ in range(rng.choice((1, 1, 2))):
        at, damage = rng.randrange(len(chunks)), rng.randrange(7)
        kind, content = chunks[at]
        if damage == 0 and chunks[0][0] == b"IHDR" and len(chunks[0][1]) == 13:
            header = bytearray(chunks[0][1])
            if rng.random() < 0.5:
                header[8 + rng.randrange(5)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            else:
                struct.pack_into(">I", header, rng.choice((0, 4)), rng.choice(EXTREME_SIZES))
            chunks[0] = (b"IHDR", bytes(header))
        elif damage == 1:
            del chunks[at]
        elif damage == 2:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks[at])
        elif damage == 3 and kind == b"IDAT":
            try:
                plain = zlib.decompress(content)
            except zlib.error:
                plain = content
            chunks[at] = (kind, zlib.compress(of_bytes(rng, plain, [plain]), rng.randrange(10)))
        elif damage == 4:
            name = rng.choice(
                (b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"acTL", b"fcTL", b"gAMA")
            )
            inside = rng.choice((b"", rng.randbytes(30), b"a\0\0" + zlib.compress(bytes(rng.choice((10, 2_000_000))))))
            chunks.insert(rng.randrange(len(chunks) + 1), (name, inside))
        else:
            chunks[at] = (kind, of_bytes(rng, content, [content or b"\0"]))
        chunks = chunks or [(b"IEND", b"")]
    written = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return PNG + b"".join(written)


def boxes(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A number in the header of an MP4, AVI or Matroska file set to an extreme: there lie sizes, counts and times."""
    at = data.find(b"moov") if data[4:8] == b"ftyp" else 0
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        size = rng.choice((1, 2, 4, 4, 4, 8))
        start = max(0, at) + rng.randrange(max(1, min(1200, len(data) - max(0, at) - size)))
        number = rng.choice((*EXTREME_SIZES, 2**63 - 1, 2**64 - 1, rng.getrandbits(31))) % (1 << 8 * size)
        changed[start : start + size] = number.to_bytes(size, "little" if data[:4] == b"RIFF" else "big")
    return bytes(changed)


def safetensors(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """The header's tree changed, with a length that fits; the tensors stay, or are cut or stretched."""
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.random() < 0.6 and "architecture" in header.get("__metadata__", {}):
        metadata = {key: json.loads(each) for key, each in header["__metadata__"].items()}
        changed = of_tree(rng, metadata, [metadata])
        known = isinstance(changed, dict)
        header["__metadata__"] = {key: _json(each) for key, each in changed.items()} if known else changed
    else:
        header = of_tree(rng, header, [header])
    text = _json(header).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    if rng.random() < 0.2:
        rest = rng.choice((rest[: len(rest) // 2], rest + bytes(64), b""))
    return len(text).to_bytes(8, "little") + text + rest


def pth(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """One file of torch.save's archive changed, most often the pickle, and the archive written anew."""
    if not data.startswith(b"PK"):
        return _pickle(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    names = list(members)
    pickles = [name for name in names if name.endswith("data.pkl")]
    name = rng.choice(pickles) if rng.random() < 0.7 else rng.choice(names)
    if rng.random() < 0.1:
        del members[name]
    else:
        content = members[name]
        members[name] = _pickle(rng, content) if name in pickles else of_bytes(rng, content, [content or b"\0"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


CALLS = (
    b"cos\nsystem\n(X\x07\x00\x00\x00touch xtR.",
    b"cbuiltins\neval\n(X\x01\x00\x00\x000tR.",
    b"c__builtin__\nexec\n(U\x04passtR.",
    b"csubprocess\nPopen\n(X\x02\x00\x00\x00lstR.",
    b"ctorch.serialization\nload\n(X\x01\x00\x00\x00xtR.",
    b"ccollections\nOrderedDict\n)R.",
)


def _pickle(rng: random.Random, content: bytes) -> bytes:
    pick = rng.random()
    if pick < 0.1:
        return b"\x80\x02" + rng.choice(CALLS)
    if pick < 0.5:  # numbers: sizes, strides, offsets
        places = [at for at, byte in enumerate(content[:-5]) if byte in b"KMJ"]
        if places:
            at = rng.choice(places)
            size = {75: 1, 77: 2, 74: 4}[content[at]]
            number = rng.choice((0, 1, 255, 65535, 2**31 - 1, 2**32 - 1)) % (1 << 8 * size)
            return content[: at + 1] + number.to_bytes(size, "little") + content[at + 1 + size :]
    if pick < 0.7:  # names
        old, new = rng.choice(((b"float32", b"complex"), (b"FloatStorage", b"HalfStorage\n"), (b"cpu", b"xpu")))
        return content.replace(old, new[: len(old)].ljust(len(old)), rng.choice((1, -1)))
    return of_bytes(rng, content, [content])


def archive(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """What is inside a .tar.gz, .bz2 or .xz changed and packed again; of a tar, a header with a checksum that fits."""
    for start, unpacked, packed in (
        (b"\x1f\x8b", gzip.decompress, lambda plain: gzip.compress(plain, 1, mtime=0)),
        (b"BZh", bz2.decompress, lambda plain: bz2.compress(plain, 1)),
        (b"\xfd7zXZ", lzma.decompress, lambda plain: lzma.compress(plain, preset=0)),
    ):
        if data.startswith(start):
            return packed(_tar(rng, unpacked(data)))
    return _zip(rng, data) if data.startswith(b"PK") else _tar(rng, data)


TAR_FIELDS = ((0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))


NAMES = (
    *(
        "",
        ".",
        "/",
        "a/",
        "./a",
        "a//b",
        "../a",
        "/a",
        "a/../b",
        "C:\\a",
        "a\\b",
        "a:b",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        "é",
    ),
    *(
        "\udcff",
        "CON",
        "a " * 200,
        "d/" * 3000,
        "x" * 300,
        "-rf",
        "set/a.txt",
        "set/a.txt/b",
        "set",
        "set/b",
        ".a",
        "~",
    ),
    *(".made-by-rrlib", "set/.made-by-rrlib", "set/..", "set/../../a", "​", "\u202egnp.exe"),
)
PAX = (
    "path",
    "linkpath",
    "size",
    "mtime",
    "uid",
    "hdrcharset",
    "GNU.sparse.map",
    "GNU.sparse.major",
    "GNU.sparse.size",
)
KINDS = (b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"L", b"S", b"x", b"g", b"Z")


def archive_anew(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A sound archive of entries that should not be: names, kinds, sizes and extras that lead somewhere else."""
    names = [
        rng.choice(NAMES) if rng.random() < 0.5 else f"set/{number}.txt" for number in range(rng.choice((1, 2, 4)))
    ]
    out = io.BytesIO()
    if rng.random() < 0.5:
        with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as file:
            warnings.simplefilter("ignore")  # of two entries of one name
            for name in names:
                info = zipfile.ZipInfo("x")
                info.filename = name
                info.external_attr = rng.choice(
                    (0, 0o120777 << 16, 0o040755 << 16, 0o100644 << 16, 0o20666 << 16, 0x10)
                )
                info.extra = rng.choice(
                    (b"", b"", b"\x01\0\x08\0" + rng.randbytes(8), b"up\x09\0\x01" + rng.randbytes(8))
                )
                info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                with contextlib.suppress(UnicodeEncodeError, struct.error):
                    file.writestr(info, rng.choice((b"", b"text", bytes(70_000))))
        return out.getvalue()
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = rng.choice((tarfile.REGTYPE, *KINDS)), rng.choice(NAMES)
            info.size = rng.choice((0, 4, 4, 512, 2**33, 2**40))
            keys = rng.sample(PAX, rng.choice((0, 0, 1, 2)))
            info.pax_headers = {
                key: rng.choice((*NAMES, "-1", "1e999", "nan", "0,99999999999", "9" * 30)) for key in keys
            }
            with contextlib.suppress(UnicodeEncodeError, ValueError):
                file.addfile(info, io.BytesIO(b"text" * 128) if info.size <= 512 else None)
    return out.getvalue()


def archive_either(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """One of the two."""
    return (archive if rng.random() < 0.5 else archive_anew)(rng, data, others)


def parquet(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A sound file of a table with other columns, types, values or sayings."""
    table = pq.read_table(io.BytesIO(data))
    for _ in range(rng.choice((1, 1, 2))):
        names = table.column_names
        at, damage = rng.randrange(len(names)), rng.randrange(7)
        column = table.column(at)
        if damage == 0:
            table = table.remove_column(at) if len(names) > 1 else table
        elif damage == 1:
            table = table.rename_columns(
                [rng.choice(NASTY_TEXTS[4:]) if n == at else each for n, each in enumerate(names)]
            )
        elif damage == 2:
            values = column.to_pylist()
            values[rng.randrange(len(values))] = rng.choice(
                (None, "x", 1e308, float("nan"), float("inf"), -1, 2**62, True)
            )
            table = _with_column(table, at, values, column.type)
        elif damage == 3:
            wanted = rng.choice(TYPES)
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = table.set_column(at, names[at], column.cast(wanted))
        elif damage == 4:
            table = table.slice(0, rng.choice((0, 1, 5)))
            table = table if len(table) else table.slice(0, 0)
            if not len(table):
                break
        elif damage == 5:
            table = table.append_column(rng.choice((names[at], "more")), column)
        else:
            said = rng.choice((_json(of_tree(rng, {"0.0": "a" * 40, "0.1": "b" * 40}, [{}])), *NASTY_TEXTS))
            said = said.encode("utf-8", "backslashreplace")
            table = table.replace_schema_metadata({rng.choice((b"keys", b"attacked", b"\xff")): said})
    out = io.BytesIO()
    pq.write_table(table, out, compression=rng.choice(("zstd", "snappy", "none")))
    return out.getvalue()


TYPES = (
    *(pa.string(), pa.large_string(), pa.binary(), pa.int64(), pa.uint8(), pa.float16(), pa.float32(), pa.bool_()),
    *(pa.decimal128(20, 3), pa.dictionary(pa.int32(), pa.string()), pa.timestamp("ns"), pa.null(), pa.date32()),
)


def _with_column(table: pa.Table, at: int, values: list[Any], kind: pa.DataType) -> pa.Table:
    for wanted in (kind, pa.string(), pa.float64()):
        try:
            texts = [each if each is None else str(each) for each in values] if wanted == pa.string() else values
            return table.set_column(at, table.column_names[at], pa.array(texts, wanted))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            continue
    return table


def h5(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A sound HDF5 file with other lists of names, links, kinds of numbers and shapes."""
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        whole = file.get("model_weights", file)
        for _ in range(rng.choice((1, 1, 2))):
            layer = rng.choice([name for name in whole if name != "dropout_1"] or ["conv2d_1"])
            group, damage = whole.get(layer), rng.randrange(6)
            if not isinstance(group, h5py.Group):
                continue
            if damage == 0:
                whole.attrs["layer_names"] = rng.choice(LISTS)
            elif damage == 1:
                group.attrs["weight_names"] = rng.choice(LISTS)
            elif damage == 2:
                name = rng.choice((layer, "more"))
                if name in whole:
                    del whole[name]
                links = (h5py.SoftLink("/"), h5py.SoftLink(f"/{layer}"), h5py.ExternalLink("/etc/passwd", "/"))
                whole[name] = rng.choice((*links, np.zeros(3), np.dtype("f4")))
            else:
                _other_array(rng, group, layer)
    return out.getvalue()


LISTS = (
    *(
        np.array([], "S"),
        np.array(["conv2d_1", "conv2d_1"], "S"),
        np.array(["../x", "/", ".", ""], "S"),
        3,
        1.5,
        "text",
    ),
    *(np.array([b"\xff\xfe"], "S"), np.arange(4), np.zeros((2, 2)), np.array(["conv2d_1/kernel:0"] * 3000, "S"), b""),
    *(
        np.array(["conv2d_x", "conv2d_99999999999999999999", "a" * 5000], "S"),
        h5py.Empty("f"),
        np.array(["a", "é"], "O"),
    ),
)


def _other_array(rng: random.Random, group: h5py.Group, layer: str) -> None:
    name = f"{layer}/{rng.choice(('kernel', 'bias', 'gamma', 'moving_mean', 'more'))}:0"
    shape = tuple(rng.choice((0, 1, 3, 16, 10**6, 2**40)) for _ in range(rng.choice((0, 1, 2, 4, 6))))
    kind = rng.choice(("f2", "f4", "f8", "<f4", ">f8", "i8", "u1", "c8", "S5", h5py.string_dtype(), [("a", "f4")], "?"))
    if name in group:
        del group[name]
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if math.prod(shape) > 10**6:  # claimed, not written
            group.create_dataset(name, shape, kind, chunks=tuple(min(each, 16) or 1 for each in shape))
        else:
            group.create_dataset(
                name, shape, kind, **rng.choice(({}, {"fillvalue": 1} if kind in ("f4", "f8") else {}))
            )


def _tar(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    at = 512 * rng.randrange(max(1, len(data) // 512))
    start, size = rng.choice(TAR_FIELDS)
    choices = (
        rng.randbytes(size),
        bytes(size),
        b"7" * size,
        b"\xff" * size,
        b"\x80" + bytes(size - 1),
        rng.choice((b"../x", b"/x", b"a/../../x", b"\xff\xfe", b"x\ny", b"a" * size)),
        rng.choice((b"0", b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"V", b"\x80")),
    )
    changed[at + start : at + start + size] = rng.choice(choices)[:size].ljust(size, b"\0")
    header = changed[at : at + 512]
    header[148:156] = b" " * 8
    changed[at + 148 : at + 156] = f"{sum(header):06o}\0 ".encode()
    return bytes(changed)


def _zip(rng: random.Random, data: bytes) -> bytes:
    """A field in a record of a zip changed; its records begin with PK."""
    places = [at for at in range(len(data) - 4) if data[at : at + 2] == b"PK" and data[at + 2] < 8]
    if not places:
        return data
    at, changed = rng.choice(places) + 4 + 2 * rng.randrange(21), bytearray(data)
    number = rng.choice((0, 1, 8, 9, 12, 14, 93, 99, 0x0800, 0x7FFF, 0xFFFF, rng.getrandbits(16)))
    width = rng.choice((2, 2, 4))
    changed[at : at + width] = (number * (0x10001 if width == 4 else 1)).to_bytes(4, "little")[:width]
    return bytes(changed[: len(data)])


def json_tree(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """JSON with another tree, or lines changed as a hand would."""
    if rng.random() < 0.25:
        return of_lines(rng, data.decode(), [other.decode() for other in others]).encode("utf-8", "surrogatepass")
    return _json(of_tree(rng, json.loads(data), [json.loads(rng.choice(others))])).encode("utf-8", "surrogatepass")


def yaml_tree(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """YAML with another tree, written as JSON, which YAML includes, or lines changed as a hand would."""
    if rng.random() < 0.5:
        return of_lines(rng, data.decode(), [other.decode() for other in others]).encode("utf-8", "surrogatepass")
    tree = of_tree(rng, _loaded(data), [_loaded(rng.choice(others))])
    if rng.random() < 0.2:
        tree = _several(rng, tree)
    return _json(tree).encode("utf-8", "surrogatepass")


_READ: dict[bytes, Any] = {}


def _loaded(data: bytes) -> Any:
    if data not in _READ:
        _READ[data] = yaml.safe_load(data)
    return _READ[data]


def _several(rng: random.Random, tree: Any) -> Any:
    """A value that matters set to an extreme, wherever it stands."""
    if isinstance(tree, dict):
        keys = list(tree)
        for key in rng.sample(keys, min(2, len(keys))):
            if isinstance(tree[key], dict | list):
                _several(rng, tree[key])
            else:
                tree[key] = rng.choice((*NASTY_NUMBERS, *NASTY_TEXTS))
    elif isinstance(tree, list) and tree:
        tree[rng.randrange(len(tree))] = value(rng)
    return tree


def _json(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)


def csv_table(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A CSV file with other cells, rows and columns, or lines changed as a hand would."""
    if rng.random() < 0.25:
        return of_lines(rng, data.decode(), [other.decode() for other in others]).encode("utf-8", "surrogatepass")
    out = io.StringIO()
    style = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE))
    table = of_table(rng, list(csv.reader(io.StringIO(data.decode()))))
    csv.writer(out, quoting=style, escapechar="\\", lineterminator=rng.choice(("\n", "\n", "\r\n"))).writerows(table)
    return out.getvalue().encode("utf-8", "surrogatepass")


def tarred(members: dict[str, bytes], packing: str = "") -> bytes:
    """A tar of these files, whose bytes depend on nothing else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    plain = out.getvalue()
    packed = {"gz": lambda: gzip.compress(plain, 1, mtime=0), "bz2": lambda: bz2.compress(plain, 1)}
    return packed[packing]() if packing in packed else lzma.compress(plain, preset=0) if packing == "xz" else plain
