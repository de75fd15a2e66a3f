"""What is finished of a table: a file per batch, so that an evaluation that was stopped goes on where it was.

The files lie in a folder of their own, with a key that names everything they depend on; another key means other
numbers, so what it left is removed.
"""

import shutil
from pathlib import Path

import pandas as pd

from rrlib.evaluation import tables

KEY = "key.txt"


def begin(folder: Path, key: str) -> int:
    """How many batches are finished already; from another key's, none is kept."""
    folder = Path(folder)
    noted = folder / KEY
    if not noted.is_file() or noted.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        noted.write_text(key)
    count = 0
    while _part(folder, count).is_file():
        count += 1
    return count


def keep(folder: Path, number: int, part: pd.DataFrame) -> None:
    """Batch `number`, counted from 0, is finished; raises InputError if its rows break the table's definition."""
    tables.write(_part(folder, number), part)


def finish(folder: Path, path: Path) -> None:
    """All batches become the table at `path`, a row group each, and the folder is removed."""
    tables.join(path, sorted(Path(folder).glob("*.parquet")))
    shutil.rmtree(folder)


def _part(folder: Path, number: int) -> Path:
    return Path(folder, f"{number:06d}.parquet")
