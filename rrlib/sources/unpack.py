"""Archives, unpacked so that nothing can leave the target: plain files and folders only, and not too much of them."""

import bz2
import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from rrlib import files
from rrlib.errors import InputError, parsing
from rrlib.sources.careful import Careful, Readable, Xz
from rrlib.sources.verify import ZIP

# Images and videos hardly shrink in an archive, so one that grows twentyfold is no data set.
GROWTH, ALLOWANCE, MOST = 20, 100_000_000, 2_000_000
PIECE = 1 << 18  # bytes that are copied at once
HEADER = 1 << 20  # the longest header of a tar: names of a megabyte are nobody's
DIRECTORY = 100_000_000  # the longest list of what a zip holds, which zipfile reads whole: a million names fit
LONGEST = 4096  # characters of a path; no system takes a longer one
LINK = "a link or device"
AGAIN = "fetch it again"


@dataclass(frozen=True)
class Member:
    """One entry of an archive: its name in it, what it is (`file`, `folder` or a phrase), its bytes, how to read it."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar archive as the folder `target`, whole or not at all.

    What an earlier call left at `target` is replaced; what somebody else put there is not. If all lies in one folder
    named like `target`, that folder becomes `target`.

    Raises InputError, and leaves `target` as it was, for an archive that is damaged, has a path outside, a link or
    device, encrypted files, two entries of one name, headers of more than a megabyte, more than 20 times its own size
    and 100 MB, or more than 2,000,000 entries; and where `target` holds files that are not ours.
    """
    files.check_ours(target)  # before what may take an hour
    unfinished = target.with_name(f".{target.name}.part")
    files.remove(unfinished)
    try:
        files.mark(unfinished)
        _write_all(archive, unfinished)
        only = [path for path in unfinished.iterdir() if path.name != files.MARK]
        inner = unfinished / target.name
        whole = inner if only == [inner] and inner.is_dir() else unfinished
        files.mark(whole)
        files.remove(target)
        os.replace(whole, target)
    except OSError as error:
        raise InputError(
            f"{archive} cannot be unpacked into {target} ({error.strerror or error}); free some space or give --to, "
            "and run again"
        ) from None
    finally:
        files.remove(unfinished)


def _write_all(archive: Path, folder: Path) -> None:
    limit, total = _limit(archive), 0
    members = tqdm(_members(archive), desc=f"unpack {archive.name}", unit=" files", disable=None, leave=False)
    for number, member in enumerate(members):
        path = folder.joinpath(*_parts(archive, member))
        total += member.size
        if total > limit or number >= MOST:
            raise _bomb(archive)
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            out = path.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise InputError(f"{archive} has {member.name} twice; ask who made it for a sound one") from None
        with out:
            for piece in _pieces(archive, member):
                out.write(piece)


def _limit(archive: Path) -> int:
    return GROWTH * archive.stat().st_size + ALLOWANCE


def _bomb(archive: Path) -> InputError:
    return InputError(
        f"{archive} would unpack to more than {_limit(archive)} bytes or {MOST} files, which looks like a bomb; "
        "unpack it by hand if you trust it"
    )


def _whole(archive: Path) -> AbstractContextManager[None]:
    return parsing(archive, "a whole archive", AGAIN)


def _pieces(archive: Path, member: Member) -> Iterator[bytes]:
    """The content of a file, in which only reading is the archive's fault: where writing fails, the disk says why."""
    with _whole(archive):
        content = member.open()
        if content is None:  # so tarfile says that there is nothing to read
            return
    with closing(content):
        while True:
            with _whole(archive):
                piece = content.read(PIECE)
            if not piece:
                return
            yield piece


def _parts(archive: Path, member: Member) -> tuple[str, ...]:
    if len(member.name) > LONGEST:
        raise InputError(f"{archive} has a path of {len(member.name)} characters; nothing was unpacked")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or any(mark in member.name for mark in ("\\", ":", "\0")):
        raise InputError(f"{archive} has the path {member.name!r}, which may lead outside; nothing was unpacked")
    if member.kind == "file" and not path.parts:
        raise InputError(f"{archive} has a file without a name; nothing was unpacked")
    if member.kind not in ("file", "folder"):
        raise InputError(f"{archive} has {member.name}, {member.kind}; nothing was unpacked")
    return path.parts


def _members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start.startswith(ZIP):
            yield from _of_zip(archive, file)
        elif start.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as plain:
                yield from _of_tar(archive, plain)
        elif start.startswith(b"BZh"):
            with bz2.BZ2File(file) as plain:
                yield from _of_tar(archive, plain)
        elif start == b"\xfd7zXZ\0":
            yield from _of_tar(archive, Xz(file, archive))
        else:
            yield from _of_tar(archive, file)


def _of_zip(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    careful = Careful(file, archive, at_once=DIRECTORY)
    with _whole(archive):
        opened = zipfile.ZipFile(careful)
    with opened:
        for info in opened.infolist():
            yield Member(info.filename, _zip_kind(info), info.file_size, partial(opened.open, info))


def _of_tar(archive: Path, file: Readable) -> Iterator[Member]:
    careful = Careful(file, archive, at_once=HEADER, in_all=_limit(archive), beyond=lambda: _bomb(archive))
    with parsing(archive, "a zip or tar archive", f"{AGAIN} or correct its unpack"):
        opened = tarfile.TarFile(fileobj=careful)  # type: ignore[arg-type]  # typeshed wants a file to write to as well
    with opened:
        while True:
            with _whole(archive):
                info = opened.next()
            if info is None:
                return
            kind = "folder" if info.isdir() else "file" if info.isreg() else LINK
            yield Member(info.name, kind, info.size, partial(opened.extractfile, info))
            # tarfile remembers every entry, for a use that this is not
            opened.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.filename.endswith("/"):  # zipfile's own `is_dir` fails where there is no name
        return "folder"
    if info.flag_bits & 1:
        return "which is encrypted"
    return "file" if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG) else LINK
