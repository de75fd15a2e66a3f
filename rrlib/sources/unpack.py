"""Archives, unpacked so that nothing can leave the target: plain files and folders only, and not too much of them."""

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from rrlib.errors import InputError
from rrlib.sources.verify import ZIP

# Images and videos hardly shrink in an archive, so one that grows twentyfold is no data set.
GROWTH, ALLOWANCE, MOST = 20, 100_000_000, 2_000_000
LINK = "a link or device"
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    """One entry of an archive: its name in it, what it is (`file`, `folder` or a phrase), its bytes, how to read it."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar archive as the folder `target`, whole or not at all; what stood there before is replaced.

    If all lies in one folder named like `target`, that folder becomes `target`.

    Raises InputError, and leaves `target` as it was, for an archive that is damaged, has a path outside, a link or
    device, encrypted files, two entries of one name, or more than 20 times its own size and 100 MB.
    """
    unfinished = target.with_name(f".{target.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _write_all(archive, unfinished)
        only = list(unfinished.iterdir())
        inner = unfinished / target.name
        whole = inner if only == [inner] and inner.is_dir() else unfinished
        shutil.rmtree(target, ignore_errors=True)
        os.replace(whole, target)
    except DAMAGE as error:
        raise InputError(f"{archive} is not a whole archive ({' '.join(str(error).split())}); fetch it again") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{archive} cannot be unpacked into {target} ({reason}); free some space or give --to, and run again"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_all(archive: Path, folder: Path) -> None:
    limit, total = GROWTH * archive.stat().st_size + ALLOWANCE, 0
    members = tqdm(_members(archive), desc=f"unpack {archive.name}", unit=" files", disable=None, leave=False)
    for number, member in enumerate(members):
        path = folder.joinpath(*_parts(archive, member))
        total += member.size
        if total > limit or number >= MOST:
            raise InputError(
                f"{archive} would unpack to more than {min(total, limit)} bytes or {MOST} files, which looks like a "
                "bomb; unpack it by hand if you trust it"
            )
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            out = path.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise InputError(f"{archive} has {member.name} twice; ask who made it for a sound one") from None
        with out, member.open() as content:
            shutil.copyfileobj(content, out, 1 << 20)


def _parts(archive: Path, member: Member) -> tuple[str, ...]:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or any(mark in member.name for mark in ("\\", ":", "\0")):
        raise InputError(f"{archive} has the path {member.name!r}, which may lead outside; nothing was unpacked")
    if member.kind not in ("file", "folder"):
        raise InputError(f"{archive} has {member.name}, {member.kind}; nothing was unpacked")
    return path.parts


def _members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as file:
        zipped = file.read(4).startswith(ZIP)
    if zipped:
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                yield Member(info.filename, _zip_kind(info), info.file_size, lambda info=info: file.open(info))
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            for info in file:
                kind = "folder" if info.isdir() else "file" if info.isreg() else LINK
                yield Member(info.name, kind, info.size, lambda info=info: file.extractfile(info))
    else:
        raise InputError(f"{archive} is neither a zip nor a tar archive; fetch it again or correct its unpack")


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.is_dir():
        return "folder"
    if info.flag_bits & 1:
        return "which is encrypted"
    return "file" if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG) else LINK
