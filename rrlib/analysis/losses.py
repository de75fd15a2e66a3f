"""What something costs that was not led against a detector: ordinary damage, adversarial inputs of another detector.

Each cell is compared with the same samples unchanged. *Costs accuracy* is a difference whose interval excludes 0 at the
level that Holm's procedure leaves it in one family, that of all cells of the table; *costs no more than 0.05* is a one
sided test at 5 %: the 90 % interval of the loss lies below 0.05. Anything else is undecided, and so is everything with
fewer than 20 groups. Detectors that do not detect take no part.
"""

from typing import Any

import numpy as np
import pandas as pd

from rrlib.analysis.comparisons import ALIKE, RISK, holm
from rrlib.analysis.detection import clean_performance
from rrlib.analysis.differences import difference_interval, difference_p
from rrlib.analysis.intervals import share_interval
from rrlib.analysis.rules import Threshold, clean_correct, correct, robust
from rrlib.analysis.words import DOES_NOT_HOLD, ENOUGH_GROUPS, HOLDS, UNDECIDED
from rrlib.errors import InputError

SETTING = ["dataset", "detector", "attack", "epsilon"]
COLUMNS = [
    *[*SETTING, "samples", "groups", "detects", "clean", "RA", "ra_low", "ra_high", "RR", "rr_low", "rr_high"],
    *["loss", "near_low", "near_high", "loss_low", "loss_high", "p", "p_holm", "verdict", "reason"],
]


def losses(table: pd.DataFrame, tolerance: float, threshold: Threshold = 0.5) -> pd.DataFrame:
    """RA and RR(τ) of each cell beside the clean accuracy, and whether the difference is one: a row per cell and ε ≠ 0.

    Args:
        table: a result table, of damage (with a severity in the place of ε) or of transfer, say.
        tolerance: τ of RR.
        threshold: the probability of fake above which a detector says fake.

    Returns:
        Columns: dataset, detector, attack, epsilon, samples, groups, detects; clean (accuracy), RA and RR with 95 %
        intervals over groups; loss = clean − RA, its 90 % interval near_low and near_high, and loss_low and loss_high
        at the level that Holm leaves it (95 % where it takes no part); p and p_holm; verdict of "costs accuracy"
        ("holds", "does not hold", "undecided"), and reason.

    Raises:
        InputError: for a table without a row at ε ≠ 0.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "attack": "jpeg", "epsilon": 50.0, "sample": range(40),
    ...                       "group": range(40), "label": [0, 1] * 20, "p_clean": [0.1, 0.9] * 20,
    ...                       "p_attacked": [0.1, 0.2] * 20, "shift": [0.0, 0.7] * 20})
    >>> losses(table, 0.1)[["clean", "RA", "RR", "loss", "verdict"]].values.tolist()
    [[1.0, 0.5, 0.5, 0.5, 'holds']]
    """
    changed = table[table["epsilon"] != 0]
    if changed.empty:
        raise InputError("the table has no row where anything was changed; pass one with ε ≠ 0")
    detects = {
        (row["dataset"], row["detector"]): (row["detects"], row["reason"])
        for row in clean_performance(changed, threshold).to_dict("records")
    }
    hits = changed[[*SETTING, "group"]].assign(
        _before=clean_correct(changed, threshold),
        _after=correct(changed, threshold),
        _stable=robust(changed, [tolerance])[:, 0],
    )
    rows: list[dict[str, Any]] = []
    together: dict[bytes, list[dict[str, Any]]] = {}  # cells of the same groups, whose numbers are computed at once
    for cell, part in hits.groupby(SETTING, sort=False):
        row: dict[str, Any] = dict(zip(SETTING, cell, strict=True))
        groups = pd.factorize(part["group"])[0]
        row |= {"samples": len(part), "groups": len(np.unique(groups)), "_groups": groups}
        row["detects"], row["reason"] = detects[row["dataset"], row["detector"]]
        row |= {name: part[name].to_numpy(bool) for name in ("_before", "_after", "_stable")}
        rows.append(row)
        together.setdefault(groups.tobytes(), []).append(row)
    for cells in together.values():
        _measure(cells)
    fit = [row for row in rows if row["detects"] and row["groups"] >= ENOUGH_GROUPS]
    for row, (adjusted, level) in zip(fit, holm([row["p"] for row in fit]), strict=True):
        row |= {"p_holm": adjusted, "_level": level}
    for row in rows:
        _judge({"p_holm": np.nan, "_level": RISK} | row, row)
    return pd.DataFrame(rows)[COLUMNS]


def _measure(cells: list[dict[str, Any]]) -> None:
    """Write the shares, their intervals and p into the rows of cells that have the same groups, in place."""
    groups = cells[0]["_groups"]
    before, after, stable = (np.column_stack([row[name] for row in cells]) for name in ("_before", "_after", "_stable"))
    ra, rr = share_interval(after, groups), share_interval(stable, groups)
    near, p = difference_interval(before, after, groups, 1 - 2 * RISK), difference_p(before, after, groups)
    for number, row in enumerate(cells):
        row |= {"clean": before[:, number].mean(), "RA": after[:, number].mean(), "RR": stable[:, number].mean()}
        row |= {"ra_low": ra.low[number], "ra_high": ra.high[number]}
        row |= {"rr_low": rr.low[number], "rr_high": rr.high[number]}
        row |= {"loss": row["clean"] - row["RA"], "p": float(p[number])}
        row |= {"near_low": near.low[number], "near_high": near.high[number]}


def _judge(known: dict[str, Any], row: dict[str, Any]) -> None:
    """Write Holm's p, the interval of the loss, the verdict and the reason into a row, in place."""
    low, high, _ = difference_interval(known["_before"], known["_after"], known["_groups"], 1 - known["_level"])
    row |= {"p_holm": known["p_holm"], "loss_low": low, "loss_high": high, "verdict": UNDECIDED}
    if not known["detects"]:
        return
    if known["groups"] < ENOUGH_GROUPS:
        row["reason"] = f"{known['groups']} groups are too few, {ENOUGH_GROUPS} are needed"
    elif known["p_holm"] <= RISK and low > 0:
        row["verdict"], row["reason"] = HOLDS, "the corrected interval of the loss lies above 0"
    elif known["near_high"] < ALIKE:
        row["verdict"], row["reason"] = DOES_NOT_HOLD, f"the loss is below {ALIKE:g}"
    else:
        row["reason"] = f"the loss may be 0, and may be {ALIKE:g} or more"
