"""Facts about archives: what they hold lands whole in one folder, and nothing can leave it or fill the disk."""

import gzip
import io
import lzma
import os
import random
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from rrlib.errors import InputError
from rrlib.files import MARK, mark
from rrlib.sources import unpack as module
from rrlib.sources.unpack import unpack

IMAGE = random.Random(1).randbytes(5000)


def zipped(path: Path, members: dict[str, bytes], **options: object) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, *members: tuple[str, bytes | None, bytes], mode: str = "w") -> Path:
    """members: (name, type, content)."""
    with tarfile.open(path, mode) as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            archive.addfile(info, io.BytesIO(content))
    return path


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(MARK, None)
    return found


def test_a_zip_becomes_a_folder(tmp_path):
    unpack(zipped(tmp_path / "faces.zip", {"00/a.jpg": IMAGE, "01/b.jpg": b"b", "02/": b""}), tmp_path / "faces")
    assert files(tmp_path / "faces") == {"00/a.jpg": IMAGE, "01/b.jpg": b"b"}
    assert (tmp_path / "faces/02").is_dir()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_becomes_a_folder(tmp_path, mode):
    archive = tarred(
        tmp_path / "faces.tar", ("./00", tarfile.DIRTYPE, b""), ("./00/a", tarfile.REGTYPE, IMAGE), mode=mode
    )
    unpack(archive, tmp_path / "faces")
    assert files(tmp_path / "faces") == {"00/a": IMAGE}


def test_a_folder_of_the_archives_own_name_is_not_doubled(tmp_path):
    unpack(zipped(tmp_path / "wiki.zip", {"wiki/00/a.jpg": IMAGE}), tmp_path / "wiki")
    assert files(tmp_path / "wiki") == {"00/a.jpg": IMAGE}


def test_what_stood_there_before_is_replaced(tmp_path):
    unpack(zipped(tmp_path / "one.zip", {"old": b"old"}), tmp_path / "it")
    unpack(zipped(tmp_path / "two.zip", {"new": b"new"}), tmp_path / "it")
    assert files(tmp_path / "it") == {"new": b"new"}


def test_a_tar_that_holds_a_zip_is_a_tar(tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"a": b"a"}).read_bytes()
    unpack(tarred(tmp_path / "it.tar", ("inner.zip", tarfile.REGTYPE, inner)), tmp_path / "it")
    assert list(files(tmp_path / "it")) == ["inner.zip"]


def linked_zip(path: Path) -> Path:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("first", b"first")
        archive.writestr(info, "/etc/passwd")
    return path


def doubled_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    return path


def encrypted_zip(path: Path) -> Path:
    content = bytearray(zipped(path, {"a": b"a"}).read_bytes())
    content[6] |= 1  # the flag in the local header, and in the central directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def nameless_zip(path: Path) -> Path:
    info = zipfile.ZipInfo("x")
    info.filename = ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"a")
    return path


OUTSIDE = "which may lead outside; nothing was unpacked"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: zipped(path, {"ok": b"", "../evil": b""}), f"has the path '../evil', {OUTSIDE}"),
        (lambda path: zipped(path, {"/evil": b""}), f"has the path '/evil', {OUTSIDE}"),
        (lambda path: zipped(path, {"a\\..\\evil": b""}), rf"has the path 'a\\..\\evil', {OUTSIDE}"),
        (lambda path: zipped(path, {"C:evil": b""}), f"has the path 'C:evil', {OUTSIDE}"),
        (lambda path: tarred(path, ("a/../../evil", tarfile.REGTYPE, b"")), f"has the path 'a/../../evil', {OUTSIDE}"),
        (lambda path: tarred(path, ("/evil", tarfile.REGTYPE, b"")), f"has the path '/evil', {OUTSIDE}"),
        (linked_zip, "has link, a link or device; nothing was unpacked"),
        (lambda path: tarred(path, ("s", tarfile.SYMTYPE, b"")), "has s, a link or device; nothing was unpacked"),
        (lambda path: tarred(path, ("h", tarfile.LNKTYPE, b"")), "has h, a link or device; nothing was unpacked"),
        (lambda path: tarred(path, ("f", tarfile.FIFOTYPE, b"")), "has f, a link or device; nothing was unpacked"),
        (lambda path: tarred(path, ("c", tarfile.CHRTYPE, b"")), "has c, a link or device; nothing was unpacked"),
        (doubled_zip, "has a twice; ask who made it for a sound one"),
        (
            lambda path: tarred(path, ("a", tarfile.REGTYPE, b""), ("a/b", tarfile.REGTYPE, b"")),
            "has a/b twice; ask who made it for a sound one",
        ),
        (nameless_zip, "has a file without a name; nothing was unpacked"),
        (encrypted_zip, "has a, which is encrypted; nothing was unpacked"),
    ],
)
def test_an_archive_with_anything_else_leaves_nothing_behind(tmp_path, make, message):
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = make(folder / "it.archive")
    with pytest.raises(InputError) as caught:
        unpack(archive, folder / "it")
    assert str(caught.value) == f"{archive} {message}"
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "it.archive"]


def test_a_zip_bomb_is_refused_before_it_is_written(tmp_path):
    """128 MB of zeros in 128 kB; the limit is 20 times the archive and 100 MB."""
    path = tmp_path / "it.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as out:
        for _ in range(16):
            out.write(bytes(1 << 23))
    limit = 20 * path.stat().st_size + 100_000_000
    with pytest.raises(InputError) as caught:
        unpack(path, tmp_path / "it")
    assert str(caught.value) == (
        f"{path} would unpack to more than {limit} bytes or 2000000 files, which looks like a bomb; "
        "unpack it by hand if you trust it"
    )
    assert os.listdir(tmp_path) == ["it.zip"]


def test_a_zip_that_lies_about_its_size_yields_no_more_than_it_says(tmp_path):
    path = zipped(tmp_path / "it.zip", {"zeros": bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[22:26] = (10).to_bytes(4, "little")
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a whole archive"):
        unpack(path, tmp_path / "it")
    assert os.listdir(tmp_path) == ["it.zip"]


def test_too_many_files_are_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    with pytest.raises(InputError, match="or 3 files, which looks like a bomb"):
        unpack(zipped(tmp_path / "it.zip", {str(number): b"" for number in range(4)}), tmp_path / "it")


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz"])
def test_an_archive_cut_short_leaves_what_was_there(tmp_path, mode):
    path = tmp_path / "it.archive"
    whole = zipped(path, {"a": IMAGE}) if mode == "zip" else tarred(path, ("a", tarfile.REGTYPE, IMAGE), mode=mode)
    whole.write_bytes(whole.read_bytes()[:3000])
    mark(tmp_path / "it")  # as an earlier fetch left it
    (tmp_path / "it/before").touch()
    with pytest.raises(
        InputError, match=rf"{re.escape(str(path))} is not a (whole|zip or tar) archive \(.*\); fetch it "
    ):
        unpack(path, tmp_path / "it")
    assert files(tmp_path / "it") == {"before": b""}


def test_a_folder_that_somebody_else_filled_is_not_touched(tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it/theirs").touch()
    path = zipped(tmp_path / "it.zip", {"a": b"a"})
    with pytest.raises(InputError) as caught:
        unpack(path, tmp_path / "it")
    assert str(caught.value) == (
        f"{tmp_path / 'it'} holds files that this project did not make; name another place, or empty it by hand"
    )
    assert list(files(tmp_path / "it")) == ["theirs"]


def greedy_xz(path: Path) -> Path:
    """An .xz whose header asks for 2 GiB of memory: the size of its dictionary is one byte, under a checksum."""
    content = bytearray(lzma.compress(tarred(path, ("a", tarfile.REGTYPE, IMAGE)).read_bytes()))
    assert (content[14], content[15]) == (0x21, 1)  # LZMA2, with one byte of options
    content[16] = 38  # 2 GiB
    end = 12 + (content[12] + 1) * 4
    content[end - 4 : end] = struct.pack("<I", zlib.crc32(content[12 : end - 4]))
    path.write_bytes(content)
    return path


def long_header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("name")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def chained_headers(path: Path) -> Path:
    path.write_bytes((long_header(tarfile.GNUTYPE_LONGNAME, 1) + bytes(512)) * 3000)
    return path


def big_directory(path: Path) -> Path:
    """A zip whose list of files claims to be 3 GiB long, and lies in a file with a hole of that size."""
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(3 << 30)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, (3 << 30) - 4, 4, 0))
    return path


BOMB = (
    "would unpack to more than {limit} bytes or 2000000 files, which looks like a bomb; "
    "unpack it by hand if you trust it"
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            greedy_xz,
            "needs more than 256 MiB of memory to unpack, which looks like a bomb; unpack it by hand if you trust it",
        ),
        (
            lambda path: path.write_bytes(long_header(tarfile.GNUTYPE_LONGNAME, 2 << 30)),
            "has a header that claims 2147483648 bytes, where 1048576 are the most; ask who made it for a sound one",
        ),
        (
            lambda path: path.write_bytes(long_header(tarfile.XHDTYPE, 2 << 30)),
            "has a header that claims 2147483648 bytes, where 1048576 are the most; ask who made it for a sound one",
        ),
        (
            big_directory,
            "has a header that claims 3221225468 bytes, where 100000000 are the most; ask who made it for a sound one",
        ),
        (
            chained_headers,
            "is not a zip or tar archive (it is nested too deeply); fetch it again or correct its unpack",
        ),
        (
            lambda path: path.write_bytes(long_header(tarfile.REGTYPE, 1 << 40)),
            BOMB,
        ),
        (
            lambda path: path.write_bytes(b""),
            "is not a zip or tar archive (empty file); fetch it again or correct its unpack",
        ),
    ],
    ids=["xz dictionary", "long name", "pax header", "zip directory", "chained headers", "large member", "empty"],
)
def test_no_header_is_believed_that_asks_for_too_much(tmp_path, make, message):
    path = tmp_path / "it.archive"
    make(path)
    with pytest.raises(InputError) as caught:
        unpack(path, tmp_path / "it")
    limit = 20 * path.stat().st_size + 100_000_000
    assert str(caught.value) == f"{path} {message.format(limit=limit)}"
    assert os.listdir(tmp_path) == ["it.archive"]


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress])
def test_what_hides_in_headers_counts_too(tmp_path, compress, monkeypatch):
    """Forty empty files, each with a comment of half a megabyte: no member says so, but all of it has to be read."""
    monkeypatch.setattr(module, "ALLOWANCE", 10_000_000)
    comment = b"524288 comment=" + b"a" * (524288 - 16) + b"\n"
    members = (
        long_header(tarfile.XHDTYPE, len(comment)) + comment + tarfile.TarInfo(f"{number}").tobuf()
        for number in range(40)
    )
    path = tmp_path / "it.tar"
    path.write_bytes(compress(b"".join(members)))
    limit = 20 * path.stat().st_size + 10_000_000
    with pytest.raises(InputError) as caught:
        unpack(path, tmp_path / "it")
    assert str(caught.value) == f"{path} {BOMB.format(limit=limit)}"


def test_a_path_that_no_system_takes_is_refused(tmp_path):
    path = tarred(tmp_path / "it.tar", ("a/" * 3000, tarfile.REGTYPE, b""))
    with pytest.raises(InputError, match=r"it\.tar has a path of 5999 characters; nothing was unpacked$"):
        unpack(path, tmp_path / "it")


def test_an_xz_of_several_streams_and_padding_is_read_whole(tmp_path):
    content = tarred(tmp_path / "it.tar", ("a", tarfile.REGTYPE, IMAGE)).read_bytes()
    path = tmp_path / "it.tar.xz"
    path.write_bytes(lzma.compress(content[:1000]) + lzma.compress(content[1000:]) + bytes(8))
    unpack(path, tmp_path / "it")
    assert files(tmp_path / "it") == {"a": IMAGE}


@pytest.mark.parametrize("mode", ["w:xz", "w:bz2", "w:gz", "zip"])
def test_damage_anywhere_is_one_sentence(tmp_path, mode):
    """Each byte of a small archive overwritten in turn: it is refused in a sentence, or what it holds comes out."""
    path = tmp_path / "it.archive"
    small = IMAGE[:40]
    if mode == "zip":
        zipped(path, {"a": small}, compression=zipfile.ZIP_DEFLATED)
    else:
        tarred(path, ("a", tarfile.REGTYPE, small), mode=mode)
    sound, said = path.read_bytes(), []
    for at in range(0, len(sound), 3):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        try:
            unpack(path, tmp_path / "it")
        except InputError as error:
            said.append(str(error))
    assert len(said) > len(sound) / 3 / 4
    assert all(sentence.startswith(f"{path} ") and "\n" not in sentence for sentence in said)
