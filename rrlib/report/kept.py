"""What a build of the book leaves for the next one: what Sphinx read of each page, and the pages that it wrote.

It lies in `outputs/.book`, which is no part of the book and no output of a stage, and may be removed at any time. A
build takes it only if all of it is as the last one left it, and if nothing has changed that any page may depend on, its
`key`; otherwise the folder is emptied, and all pages are read again. So a build that failed or was cut off leaves
nothing to the next.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rrlib import files
from rrlib.study import paths

PLACE = paths.OUTPUTS / ".book"
STAMP = "stamp.json"


@contextmanager
def place(key: str) -> Iterator[Path]:
    """A folder to build in: with what the last build of the same `key` left there, or empty.

    Where another build is at work in it, a folder of this build alone, which is gone afterwards.
    """
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(PLACE.with_name(f"{PLACE.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        with tempfile.TemporaryDirectory(prefix=f"{PLACE.name}-", dir=PLACE.parent) as folder:
            yield Path(folder)
        return
    try:
        if not _intact(PLACE, key):
            _remove(PLACE)
            PLACE.mkdir()
        PLACE.joinpath(STAMP).unlink(missing_ok=True)
        yield PLACE
        files.write_text(PLACE / STAMP, json.dumps({"key": key, "files": _digests(PLACE)}))
    finally:
        lock.release()


def key(parts: Iterable[tuple[str, bytes]]) -> str:
    """A digest of named contents, in whatever order they come."""
    told = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in parts)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def put(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """Make `folder` hold the files of `wanted`, by their paths in it, and no others; those that changed are returned.

    A file that is as it should be is left alone, and keeps its time.
    """
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in there.keys() - wanted.keys():
        there[name].unlink()
    changed = [name for name, content in wanted.items() if name not in there or there[name].read_bytes() != content]
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[name])
    return changed


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _intact(folder: Path, key: str) -> bool:
    with suppress(OSError, ValueError, KeyError, TypeError):
        stamp = json.loads(folder.joinpath(STAMP).read_text(encoding="utf-8"))
        return stamp["key"] == key and stamp["files"] == _digests(folder)
    return False


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != STAMP
    }
