"""Both readings of φ_rob side by side, and what RR is made of: who is stable and right, who flips, who only moves."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rrlib.analysis.rules import Threshold, clean_correct, correct, kept, robust

CELL = ["dataset", "detector", "attack"]


def readings(table: pd.DataFrame, tolerances: Sequence[float], threshold: Threshold = 0.5) -> pd.DataFrame:
    """RR(τ), RR(τ) with the label kept, and their parts, per cell, ε and τ; all are shares of all samples.

    Columns: dataset, detector, attack, epsilon, tolerance, RA, RR, then

    - RR = "stable and right" (before and after) + "stable and wrong" (before and after) + "stable and flipped" (a
      small shift across the threshold);
    - "RR, label kept" = RR − "stable and flipped";
    - 1 − RR = "flipped" (the shift exceeds τ and the verdict changes) + "moved" (it exceeds τ, the verdict stays).

    In a worst case a verdict changes if any attack changes it.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1, "label": [1, 1, 1, 1],
    ...                       "p_clean": [0.9, 0.9, 0.2, 0.52], "p_attacked": [0.6, 0.1, 0.2, 0.48],
    ...                       "shift": [0.3, 0.8, 0.0, 0.04]})
    >>> readings(table, [0.1])[["RR", "RR, label kept", "stable and wrong", "flipped", "moved"]].values.tolist()
    [[0.5, 0.25, 0.25, 0.25, 0.25]]
    """
    right, same, before = correct(table, threshold), kept(table, threshold), clean_correct(table, threshold)
    stable = robust(table, tolerances)
    rows: list[dict[str, Any]] = []
    places = pd.Series(range(len(table)), index=table.index)
    for (*cell, epsilon), of_cell in places.groupby([table[key] for key in [*CELL, "epsilon"]], sort=False):
        at = of_cell.to_numpy()
        for number, tolerance in enumerate(tolerances):
            within, keeps = stable[at, number], same[at]
            rows.append(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "epsilon": epsilon,
                    "tolerance": tolerance,
                    "RA": right[at].mean(),
                    "RR": within.mean(),
                    "RR, label kept": (within & keeps).mean(),
                    "stable and right": (within & keeps & before[at]).mean(),
                    "stable and wrong": (within & keeps & ~before[at]).mean(),
                    "stable and flipped": (within & ~keeps).mean(),
                    "flipped": (~within & ~keeps).mean(),
                    "moved": (~within & keeps).mean(),
                }
            )
    return pd.DataFrame(rows)
