"""Recorded results: what a rerun is compared with, row by row."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rrlib.analysis.rules import correct
from rrlib.metrics import is_robust

CELL = ["dataset", "detector", "attack", "epsilon"]
TOLERANCES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the record, whatever tables and figures show
WITHIN = 0.01  # how far another processor may move RA or RR
DECIMALS = 6
VERDICTS = ("match", "within tolerance", "differs")


def rows(table: pd.DataFrame, tolerances: Sequence[float] = TOLERANCES) -> pd.DataFrame:
    """RA, RR(τ) and stability of each (data set, detector, attack, ε) of a result table, to six decimals.

    >>> table = pd.DataFrame({
    ...     "dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1, "label": [1, 0],
    ...     "p_attacked": [0.8, 0.6], "shift": [0.0, 0.2]})
    >>> rows(table, tolerances=[0.1])[["samples", "RA", "RR(0.1)", "stability"]].values.tolist()
    [[2.0, 0.5, 0.5, 0.9]]
    """
    found = []
    for cell, part in table.groupby(CELL, sort=False):
        robust = is_robust(part["shift"].to_numpy(), np.asarray(tolerances))
        found.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "samples": len(part),
                "RA": correct(part).mean(),
                **{f"RR({each:g})": share for each, share in zip(tolerances, robust.mean(axis=0), strict=True)},
                "stability": 1 - part["shift"].mean(),
            }
        )
    return pd.DataFrame(found).round(DECIMALS)


def compare(here: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """Each row of a rerun beside the recorded one of its cell and ε: how far apart, in which measure, and a verdict.

    `here` and `recorded` are as `rows` gives them. Columns besides the cell: `measure` (the one that differs most, of
    RA, RR and stability), `difference` (absolute), `verdict`: match (equal to six decimals), within tolerance (by at
    most 0.01), differs. Rows that only one of the two has are left out; the worst row comes first.
    """
    both = here.merge(recorded, on=CELL, suffixes=("", " recorded"), validate="one_to_one")
    measures = [name for name in here.columns if f"{name} recorded" in both and name != "samples"]
    if both.empty or not measures:
        return both.reindex(columns=[*CELL, "measure", "difference", "verdict"])
    apart = np.stack([(both[name] - both[f"{name} recorded"]).abs().to_numpy() for name in measures], axis=1)
    worst = apart.argmax(axis=1)
    both["measure"] = np.array(measures)[worst]
    both["difference"] = apart.max(axis=1).round(DECIMALS)
    both["verdict"] = np.select(
        [both["difference"] == 0, both["difference"] <= WITHIN + 1e-9], VERDICTS[:2], VERDICTS[2]
    )
    return both[[*CELL, "measure", "difference", "verdict"]].sort_values("difference", ascending=False, kind="stable")


def said(compared: pd.DataFrame, rerun: int) -> str:
    """One line about a comparison; `rerun` is how many rows the rerun has.

    >>> said(pd.DataFrame(columns=[*CELL, "measure", "difference", "verdict"]), rerun=7)
    'none of the 7 rows of this study is among the recorded results'
    """
    if compared.empty:
        return f"none of the {rerun} rows of this study is among the recorded results"
    counts = compared["verdict"].value_counts()
    line = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    line = f"of {len(compared)} recorded rows of this study: {line}"
    worst = compared.iloc[0]
    if worst["difference"] == 0:
        return line
    cell = "/".join(worst[CELL[:3]])
    return (
        f"{line}; the worst is {worst['measure']} of {cell} at ε = {worst['epsilon']:g}, by {worst['difference']:.4f}"
    )
