"""Cross-fitting: the data set cut into folds, each of which is the test split of a data set of its own."""

import pandas as pd

from rrlib import entries
from rrlib.datasets import manifest
from rrlib.errors import InputError

VALIDATION = 0.15  # of what is not tested


def check(where: str, fold: object) -> None:
    """Raise InputError, beginning with `where`, unless `fold` is {number: 1 to of, of: 2 or more}.

    >>> check("params.yaml: datasets.faces.fold", {"number": 1, "of": 3})
    """
    given = entries.mapping(fold, where, required=("number", "of"))
    of = entries.whole(given["of"], f"{where}.of", 2)
    number = entries.whole(given["number"], f"{where}.number", 1)
    if number > of:
        raise InputError(f"{where}.number is {number}, but there are {of} folds; write one from 1 to {of}")


def split(frame: pd.DataFrame, number: int, of: int, seed: int, where: str) -> pd.Series:
    """The split of each row of `frame`, which has the columns group and label: fold `number` (from 1) is the test.

    Groups are dealt out to `of` folds of like size in each class (`manifest.grouped_split`), for every `number` alike,
    so that over all of them each sample is tested once. Of the rest 15 % are for validation. Raises InputError,
    beginning with `where`, if a class has fewer groups than folds.
    """
    names = [str(each) for each in range(1, of + 1)]
    groups, labels = frame["group"], frame["label"]
    try:
        folds = manifest.grouped_split(groups, labels, seed, dict.fromkeys(names, 1 / of))
        rest = folds != str(number)
        parts = {"train": 1 - VALIDATION, "validation": VALIDATION}
        learnt = manifest.grouped_split(groups[rest], labels[rest], seed, parts)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return learnt.reindex(frame.index, fill_value="test")
