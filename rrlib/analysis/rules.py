"""The rules of `rrlib.metrics` on the rows of a table: who is right, who keeps the label, who is robust.

A threshold is the probability of fake above which a detector says fake: one number for all, or one for each (data set,
detector). A table of worst cases brings the columns `correct` and `kept`, as its answer is not that of one attack.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.errors import InputError

Threshold = float | Mapping[tuple[str, str], float]
Bools = NDArray[np.bool_]


def thresholds(table: pd.DataFrame, threshold: Threshold) -> NDArray[np.float64]:
    """The threshold of each row: (N,).

    Raises:
        InputError: for a (data set, detector) that a mapping lacks.
    """
    if not isinstance(threshold, Mapping):
        return np.full(len(table), float(threshold))
    cells = list(zip(table["dataset"], table["detector"], strict=True))
    for cell in dict.fromkeys(cells):
        if cell not in threshold:
            known = ", ".join("/".join(known) for known in threshold) or "none"
            raise InputError(f"no threshold is given for {cell[1]} on {cell[0]}; there are those of {known}")
    return np.array([threshold[cell] for cell in cells], dtype=float)


def clean_correct(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether each clean prediction equals its label: (N,); a tie counts as real, as argmax takes the first."""
    found: Bools = (table["p_clean"].to_numpy(float) > thresholds(table, threshold)) == (table["label"].to_numpy() == 1)
    return found


def correct(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether each attacked prediction equals its label: (N,); in a worst case, whether all do."""
    found = (table["p_attacked"].to_numpy(float) > thresholds(table, threshold)) == (table["label"].to_numpy() == 1)
    return _unless_known(table, "correct", found)


def kept(table: pd.DataFrame, threshold: Threshold = 0.5) -> Bools:
    """Whether the attacked prediction is the clean one: (N,); in a worst case, whether all are."""
    at = thresholds(table, threshold)
    found = (table["p_clean"].to_numpy(float) > at) == (table["p_attacked"].to_numpy(float) > at)
    return _unless_known(table, "kept", found)


def robust(table: pd.DataFrame, tolerances: Sequence[float] | NDArray[np.float64]) -> Bools:
    """Whether each shift is within each tolerance: (N, T)."""
    found: Bools = table["shift"].to_numpy(float)[:, None] <= np.asarray(tolerances, dtype=float)
    return found


def _unless_known(table: pd.DataFrame, column: str, found: Bools) -> Bools:
    if column not in table:
        return found
    known: Any = table[column]
    return np.where(known.isna(), found, known.fillna(False).astype(bool)).astype(bool)
