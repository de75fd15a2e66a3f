"""Files that appear whole or not at all, and folders that say they are ours before they may be removed."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rrlib.errors import InputError

MOST_TEXT = 2**24  # bytes of a JSON file or list of others; what is made of them takes some eighty times as much
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MARK = ".made-by-rrlib"  # lies in a folder that this project made, and that it may therefore remove


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Where the disk refuses, raise InputError, which names `path`: where a disk is full the system itself names none.

    >>> with writing(Path("table.csv")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    rrlib.errors.InputError: table.csv cannot be written (No space left on device); make room there and run again
    """
    try:
        yield
    except OSError as error:
        advice = "make room there" if error.errno in FULL else "see that this place can be written to"
        raise InputError(f"{path} cannot be written ({error.strerror or error}); {advice} and run again") from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what lies there afterwards becomes `path`, unless writing failed.

    The parent folder is made. What was written is on the disk before it takes the name, so that a power cut leaves the
    old file or the new one. Raises InputError, which names `path`, where the disk refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(Path(folder, "new", "table.csv")) as unfinished:
    ...         _ = unfinished.write_text("a,b")
    ...     Path(folder, "new", "table.csv").read_text()
    'a,b'
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield unfinished
            with open(unfinished, "rb") as written:
                os.fsync(written.fileno())
            os.replace(unfinished, path)
    finally:
        with suppress(OSError):  # where a parent is a file, say, nothing was left
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`text` in UTF-8 as the whole of `path`, or nothing."""
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def check_size(path: Path, most: int = MOST_TEXT) -> None:
    """Raise InputError for a file of more than `most` bytes, before it is read; who reads it tells if it is absent."""
    with suppress(OSError):
        size = Path(path).stat().st_size
        if size > most:
            raise InputError(f"{path} has {size} bytes, where {most} are the most; look at what it holds")


def mark(folder: Path) -> None:
    """Make `folder`, if it is absent, and say in it that it is ours: `remove` takes marked folders alone."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(MARK).touch()


def check_ours(folder: Path) -> None:
    """Raise InputError unless `remove` would take `folder`: one that is marked, empty or absent."""
    folder = Path(folder)
    if folder.is_symlink() or folder.is_file():
        raise InputError(f"{folder} is no folder of this project; name another place, or remove it by hand")
    if folder.is_dir() and any(folder.iterdir()) and not folder.joinpath(MARK).is_file():
        raise InputError(
            f"{folder} holds files that this project did not make; name another place, or empty it by hand"
        )


def remove(folder: Path) -> None:
    """Remove a folder that `mark` marked, or an empty one; an absent one is removed already.

    Raises InputError for any other folder, for a file and for a link: what lies there is somebody else's.
    """
    check_ours(folder)
    if Path(folder).is_dir():
        shutil.rmtree(folder)
