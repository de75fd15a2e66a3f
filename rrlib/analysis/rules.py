"""The rules of `rrlib.metrics` on the rows of a table: who is right, who keeps the label, who is robust.

A threshold is the probability of fake above which a detector says fake: one number for all, or one for each (data set,
detector). A table may bring its own in the column `threshold`, as those of a study do that asks for another than ½. A
table of worst cases brings the columns `correct` and `kept`, as its answer is not that of one attack.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.errors import InputError
from rrlib.metrics import is_correct, is_robust, keeps_label

Threshold = float | Mapping[tuple[str, str], float]
Bools = NDArray[np.bool_]
USUAL = 0.5


def thresholds(table: pd.DataFrame, threshold: Threshold) -> NDArray[np.float64]:
    """The threshold of each row: (N,).

    Raises:
        InputError: for a (data set, detector) that a mapping lacks, and where a table that brings its thresholds
            is to be judged at others.

    >>> thresholds(pd.DataFrame({"threshold": [0.3, 0.7]}), 0.5).tolist()
    [0.3, 0.7]
    """
    if "threshold" in table:
        if threshold != USUAL:
            raise InputError("the table brings its thresholds and others were given; drop its column threshold")
        return table["threshold"].to_numpy(dtype=float)
    if not isinstance(threshold, Mapping):
        return np.full(len(table), float(threshold))
    cells = list(zip(table["dataset"], table["detector"], strict=True))
    for cell in dict.fromkeys(cells):
        if cell not in threshold:
            known = ", ".join("/".join(known) for known in threshold) or "none"
            raise InputError(f"no threshold is given for {cell[1]} on {cell[0]}; there are those of {known}")
    return np.array([threshold[cell] for cell in cells], dtype=float)


def clean_correct(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether each clean prediction equals its label: (N,); a tie counts as real."""
    return _correct(table, "p_clean", threshold)


def correct(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether each attacked prediction equals its label: (N,); in a worst case, whether all do."""
    return _unless_known(table, "correct", _correct(table, "p_attacked", threshold))


def kept(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether the attacked prediction is the clean one: (N,); in a worst case, whether all are."""
    found = np.zeros(len(table), dtype=bool)
    for at, rows in _by_threshold(table, threshold):
        part = table.iloc[rows]
        found[rows] = keeps_label(part["p_clean"].to_numpy(float), part["p_attacked"].to_numpy(float), at)
    return _unless_known(table, "kept", found)


def robust(table: pd.DataFrame, tolerances: Sequence[float] | NDArray[np.float64]) -> Bools:
    """Whether each shift is within each tolerance: (N, T)."""
    return is_robust(table["shift"].to_numpy(float), np.asarray(tolerances, dtype=float))


def _correct(table: pd.DataFrame, score: str, threshold: Threshold) -> Bools:
    found = np.zeros(len(table), dtype=bool)
    for at, rows in _by_threshold(table, threshold):
        part = table.iloc[rows]
        found[rows] = is_correct(part[score].to_numpy(float), part["label"].to_numpy(), at)
    return found


def _by_threshold(table: pd.DataFrame, threshold: Threshold) -> Iterator[tuple[float, NDArray[np.intp]]]:
    """Each different threshold with the numbers of its rows."""
    each = thresholds(table, threshold)
    for at in np.unique(each):
        yield float(at), np.flatnonzero(each == at)


def _unless_known(table: pd.DataFrame, column: str, found: Bools) -> Bools:
    if column not in table:
        return found
    known: Any = table[column]
    return np.where(known.isna(), found, known.fillna(False).astype(bool)).astype(bool)
