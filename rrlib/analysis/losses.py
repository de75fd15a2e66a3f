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
    rows: list[dict[str, Any]] = []
    places = pd.Series(range(len(changed)), index=changed.index)
    before, after, stable = (
        clean_correct(changed, threshold),
        correct(changed, threshold),
        robust(changed, [tolerance])[:, 0],
    )
    for cell, at in places.groupby([changed[key] for key in SETTING], sort=False):
        where = at.to_numpy()
        groups = changed["group"].to_numpy()[where]
        shares = share_interval(np.column_stack([after[where], stable[where]]), groups)
        row: dict[str, Any] = dict(zip(SETTING, cell, strict=True))
        row |= {"samples": len(where), "groups": len(np.unique(groups.astype(str)))}
        row["detects"], row["reason"] = detects[row["dataset"], row["detector"]]
        row |= {"clean": before[where].mean(), "RA": after[where].mean(), "RR": stable[where].mean()}
        row |= {"ra_low": shares.low[0], "ra_high": shares.high[0], "rr_low": shares.low[1], "rr_high": shares.high[1]}
        row["loss"] = row["clean"] - row["RA"]
        row["p"] = difference_p(before[where], after[where], groups)
        row["near_low"], row["near_high"], _ = difference_interval(before[where], after[where], groups, 1 - 2 * RISK)
        row["_hits"] = (before[where], after[where], groups)
        rows.append(row)
    fit = [row for row in rows if row["detects"] and row["groups"] >= ENOUGH_GROUPS]
    for row, (adjusted, level) in zip(fit, holm([row["p"] for row in fit]), strict=True):
        row |= {"p_holm": adjusted, "_level": level}
    for row in rows:
        _judge({"p_holm": np.nan, "_level": RISK} | row, row)
    return pd.DataFrame(rows)[COLUMNS]


def _judge(known: dict[str, Any], row: dict[str, Any]) -> None:
    """Write Holm's p, the interval of the loss, the verdict and the reason into a row, in place."""
    before, after, groups = known["_hits"]
    low, high, _ = difference_interval(before, after, groups, 1 - known["_level"])
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
