"""What is finished of a measurement: a file per batch, so that one that was stopped goes on where it was.

Batches may be finished in any order, by several processes that each do some of them. The files of one measurement lie
in a folder named after a key of everything they depend on; another key means other numbers, and another folder.
"""

import hashlib
from pathlib import Path

import pandas as pd

from rrlib import files
from rrlib.errors import InputError
from rrlib.evaluation import tables


def begin(folder: Path, key: str) -> Path:
    """Where in `folder`, which is made and marked as ours, the batches of the measurement with this key lie."""
    files.mark(folder)
    place = Path(folder, hashlib.sha256(key.encode()).hexdigest()[:16])
    place.mkdir(exist_ok=True)
    return place


def finished(place: Path) -> set[int]:
    """The numbers of the finished batches, counted from 0; a damaged one is removed."""
    found = set()
    for path in Path(place).glob("[0-9]*.parquet"):
        if _is_whole(path):
            found.add(int(path.stem))
        else:
            path.unlink()
    return found


def keep(place: Path, number: int, part: pd.DataFrame) -> None:
    """Batch `number` is finished; raises InputError if its rows break the table's definition."""
    tables.write(Path(place, f"{number:06d}.parquet"), part)


def parts(place: Path) -> pd.DataFrame:
    """The rows of all finished batches, in their order."""
    read = [tables.read(path) for path in sorted(Path(place).glob("[0-9]*.parquet"))]
    whole = pd.concat(read, ignore_index=True)
    whole.attrs = read[0].attrs
    return whole


def end(folder: Path) -> None:
    """Nothing in `folder` is unfinished any more, under whatever key."""
    files.remove(folder)


def _is_whole(path: Path) -> bool:
    try:
        tables.read(path)
    except InputError:
        return False
    return True
