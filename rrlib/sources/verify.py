"""Whether a file is what its catalogue says: size, hash, and content that fits its name."""

import hashlib
from pathlib import Path

import pooch

from rrlib.errors import InputError
from rrlib.sources.catalogue import File

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
PAGE = (b"<!doctype html", b"<html", b"<?xml")


def matches(path: Path, file: File) -> bool:
    """Whether `path` is a file with the hash that is known; False where none is known."""
    if not path.is_file() or not (file.sha256 or file.git):
        return False
    if file.size is not None and path.stat().st_size != file.size:
        return False
    return file.sha256 in (None, pooch.file_hash(path)) and file.git in (None, git_name(path))


def verify(path: Path, file: File, where: str, trust: bool = False) -> str:
    """The SHA-256 of a file that is whole. What cannot be right is deleted and InputError raised.

    Without a known hash the file is kept, but refused with the line that pins it, unless `trust`.
    """
    found = pooch.file_hash(path)
    if complaint := _wrong(path, file, where, found):
        path.unlink()
        raise InputError(complaint)
    if not (file.sha256 or file.git or trust):
        raise InputError(
            f"{where} has no sha256 for {file.name}, which came with {path.stat().st_size} bytes from {file.url}; if "
            f"you trust it write `sha256: {found}` there, or run again with --trust-first-use"
        )
    return found


def git_name(path: Path) -> str:
    """The name that git gives to a file of this content: SHA-1 of `blob`, the size and the bytes."""
    header = b"blob %d\0" % path.stat().st_size
    return hashlib.sha1(header + path.read_bytes(), usedforsecurity=False).hexdigest()


def disguise(path: Path) -> str:
    """What a file is if not what its suffix says: `a web page`, `a pickle` …, or empty where nothing speaks against it.

    Only the first bytes are read; nothing is loaded.
    """
    with path.open("rb") as file:
        start = file.read(64)
    suffix = path.name.removesuffix(".part").rpartition(".")[2].lower()
    if suffix not in ("html", "htm", "xml") and start.lstrip().lower().startswith(PAGE):
        return "a web page"
    sound = {
        "safetensors": start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size - 8,
        "h5": start.startswith(HDF5),
        "hdf5": start.startswith(HDF5),
        "zip": start.startswith(ZIP),
    }
    if sound.get(suffix, True):
        return ""
    # torch.save writes a zip archive, older versions a bare pickle: its protocol mark is 0x80 and 2 to 5
    pickled = start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return "a pickle" if pickled or start.startswith(ZIP) else "something else"


def _wrong(path: Path, file: File, where: str, found: str) -> str:
    size, name = path.stat().st_size, file.name
    kind = disguise(path)
    if kind == "a web page":
        return f"{file.url} sends a web page, not the file; correct its url or log in there"
    if file.size is not None and size != file.size:
        return f"{file.url} gave {size} bytes, but {where} says {file.size} for {name}; fetch again or correct the size"
    if file.sha256 and found != file.sha256:
        return (
            f"{name} from {file.url} has the SHA-256 {found}, but {where} says {file.sha256}; "
            "fetch again, or write that hash if the file is the one you mean"
        )
    if file.git and git_name(path) != file.git:
        return f"{name} from {file.url} is not what that revision holds; fetch again"
    if kind:
        danger = ", and pickles can run code" if kind == "a pickle" else ""
        suffix = name.rpartition(".")[2]
        return f"{name} from {file.url} is {kind}, not the .{suffix} that its name says{danger}; it was not kept"
    return ""
