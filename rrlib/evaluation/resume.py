"""What is finished of a measurement: a file per batch, so that one that was stopped goes on where it was.

The files lie in a folder of their own, with a key that names everything they depend on; another key means other
numbers, so what it left is removed.
"""

from pathlib import Path

import pandas as pd

from rrlib import files
from rrlib.errors import InputError
from rrlib.evaluation import tables

KEY = "key.txt"


def begin(folder: Path, key: str) -> int:
    """How many batches are finished already; from another key's, none is kept. A damaged one counts as not finished."""
    folder = Path(folder)
    noted = folder / KEY
    if not noted.is_file() or noted.read_text() != key:
        files.remove(folder)
        files.mark(folder)
        files.write_text(noted, key)
    for stray in folder.glob(".*.parquet"):  # of a writer that was killed
        stray.unlink()
    count = 0
    while _is_whole(_part(folder, count)):
        count += 1
    for later in sorted(folder.glob("[0-9]*.parquet"))[count:]:
        later.unlink()
    return count


def keep(folder: Path, number: int, part: pd.DataFrame) -> None:
    """Batch `number`, counted from 0, is finished; raises InputError if its rows break the table's definition."""
    tables.write(_part(folder, number), part)


def parts(folder: Path) -> pd.DataFrame:
    """The rows of all finished batches, in their order."""
    read = [tables.read(path) for path in sorted(Path(folder).glob("[0-9]*.parquet"))]
    whole = pd.concat(read, ignore_index=True)
    whole.attrs = read[0].attrs
    return whole


def end(folder: Path) -> None:
    """Nothing is unfinished any more."""
    files.remove(folder)


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        tables.read(path)
    except InputError:
        return False
    return True


def _part(folder: Path, number: int) -> Path:
    return Path(folder, f"{number:06d}.parquet")
