"""Shortcuts: what a data set's files tell of the label without a look at the faces."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.analysis.detection import auc
from rrlib.analysis.intervals import Array

CLEAR = 0.7  # an AUC whose interval lies above it is told


def shortcuts(traces: pd.DataFrame, names: Mapping[str, tuple[str, bool]], confidence: float = 0.95) -> pd.DataFrame:
    """How well each trace alone tells fakes from reals: a row each, the clearest first.

    A trace is judged on groups from which its direction was not learned: groups are halved, and of each half the other
    says whether larger values are fake or, of names such as a format, which share of the files of that name is fake.

    Args:
        traces: columns label (0 real, 1 fake), group, and the traces; a row for each image.
        names: by column, what it is called, and whether its values are names and no numbers.
        confidence: of the interval of the AUC, over groups (see `auc`), in (0, 1).

    Columns: trace, auc, auc_low, auc_high, tells (the interval lies above 0.7).

    >>> files = pd.DataFrame({"label": [0, 1] * 40, "group": np.arange(80) // 2, "format": ["PNG", "JPEG"] * 40})
    >>> shortcuts(files, {"format": ("the file format", True)})[["trace", "auc", "tells"]].values.tolist()
    [['the file format', 1.0, True]]
    """
    label, group = traces["label"].to_numpy(int), traces["group"].astype(str).to_numpy()
    half = np.array([hashlib.sha256(name.encode()).digest()[0] % 2 for name in group])
    rows = []
    for column, (name, named) in names.items():
        score = np.zeros(len(traces))
        for part in (0, 1):
            learned, judged = half != part, half == part
            score[judged] = _score(traces[column], label, learned, named)[judged]
        found = auc(score, label, group, confidence)
        rows.append((name, found.value, found.low, found.high, bool(found.low > CLEAR)))
    table = pd.DataFrame(rows, columns=["trace", "auc", "auc_low", "auc_high", "tells"])
    return table.sort_values("auc", ascending=False, kind="stable", ignore_index=True)


def said(found: pd.DataFrame) -> str:
    """One sentence on what `shortcuts` found."""
    telling = found[found["tells"]]
    if telling.empty:
        return (
            f"Nothing that was looked at in the files alone tells real from fake with an AUC clearly above {CLEAR:g}."
        )
    first = telling.iloc[0]
    others = ", ".join(telling["trace"].iloc[1:])
    also = f"; so do {others}" if others else ""
    return (
        f"Without a look at the faces, {first['trace']} of the files alone tells real from fake: "
        f"AUC {first['auc']:.2f}, interval [{first['auc_low']:.2f}, {first['auc_high']:.2f}]{also}. "
        "A detector may use that in place of the forgery; write the files of both classes alike, or take others."
    )


def _score(values: pd.Series, label: NDArray[np.int_], learned: NDArray[np.bool_], named: bool) -> Array:
    """Larger for what, by the rows that are learned from, is rather fake."""
    if named:
        shares = pd.Series(label[learned]).groupby(values[learned].to_numpy()).mean()
        overall = float(label[learned].mean()) if learned.any() else 0.5
        return np.asarray(values.map(shares).fillna(overall), dtype=float)
    numbers = np.asarray(values, dtype=float)
    direction = auc(numbers[learned], label[learned], np.arange(int(learned.sum()))).value - 0.5
    oriented: Array = np.sign(np.nan_to_num(direction)) * numbers
    return oriented
