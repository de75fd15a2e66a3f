"""Files that a stage needs and makes, as bytes: for machines with copies of this repository that share no disk."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed

from rrlib import files
from rrlib.errors import InputError

CODE = (".py", ".ipynb")  # is compared and never written: every copy has its own
MADE = "outputs"  # what stages make, notebooks among it


def packed(paths: Iterable[str]) -> bytes:
    """The files at and below these paths of the working directory, as a tar; absent paths are left out.

    Raises InputError for a path outside.
    """
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", dereference=True) as tar:  # DVC may have linked them to its cache
        for path in paths:
            for file in _files(_inside(path)):
                tar.add(file)
    return into.getvalue()


def unpack(data: bytes, made: Iterable[str] = ()) -> None:
    """Write what differs from what lies here, each file whole or not at all; of what stages made, at `made`, no more.

    So a second process, which has just what is sent already, finds nothing to write. Raises InputError where code
    differs, and for a path outside.

    >>> unpack(packed(["README.md"]))  # nothing differs
    """
    sent = set()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:  # `packed` sends files alone
                continue
            path, found = Path(_inside(member.name)), content.read()
            sent.add(path)
            if path.is_file() and path.read_bytes() == found:
                continue
            if path.suffix in CODE and path.parts[0] != MADE:
                raise InputError(f"{path.absolute()} differs from the run's; check out the same commit there")
            with files.whole(path) as unfinished:
                unfinished.write_bytes(found)
    for left in {path for each in made for path in _files(each)} - sent:
        left.unlink()


@contextmanager
def home(client: distributed.Client, apart: bool) -> Iterator[distributed.Worker | None]:
    """For workers apart, one here that runs nothing and holds what they fetch from it; else None.

    So no machine that is lost takes along what stages rest on.
    """
    if not apart:
        yield None
        return

    async def begin() -> distributed.Worker:
        worker = await distributed.Worker(client.scheduler.address, nthreads=1, memory_limit=0, dashboard=False)
        worker.status = distributed.Status.paused
        return worker

    here = client.sync(begin)
    try:
        yield here
    finally:
        client.sync(here.close)


def held(client: distributed.Client, here: distributed.Worker, data: bytes) -> distributed.Future:
    """`data` with `here`, a worker of `home`, for those whose arguments name the future to fetch."""
    # not `client.scatter`, which gives nothing to a worker that is paused
    return client.sync(client._scatter, data, local_worker=here, hash=False)


def _inside(path: str) -> str:
    # by the name alone: a folder of a second study is a link to one of the repository
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise InputError(f"{path} lies outside this folder and is not sent; run what reads it by `dvc repro`")
    return path


def _files(path: str) -> list[Path]:
    if Path(path).is_file():
        return [Path(path)]
    return sorted(each for each in Path(path).rglob("*") if each.is_file() and "__pycache__" not in each.parts)


NOTHING = packed([])
