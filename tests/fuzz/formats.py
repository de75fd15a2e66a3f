"""Damage below a format's own checks: parts are changed, and lengths and checksums are made to fit again.

What only flips bits meets a checksum and goes no further. Each function takes (generator, a seed, all seeds).
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from typing import Any

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
