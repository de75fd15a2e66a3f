"""Two detectors on the same samples: alike in RA, apart in RR, and how sure that is.

*Alike in RA* is an equivalence: the 90 % interval of the difference lies inside ± 0.05, which is two one-sided tests at
5 % (Schuirmann 1987). *Apart in RR* is a difference: its interval excludes 0 at the level that Holm's procedure
(1979) leaves it in one family, that of all comparisons of the table. A pair whose RA is saturated, or in which one
does not detect, is not compared, and with fewer than 20 groups nothing is. Nothing is drawn, so no seed can change a
verdict.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.analysis.detection import clean_performance
from rrlib.analysis.differences import difference_interval, difference_p
from rrlib.analysis.rules import Threshold, clean_correct, correct, kept, robust
from rrlib.analysis.words import DOES_NOT_HOLD, ENOUGH_GROUPS, HOLDS, UNDECIDED
from rrlib.errors import InputError

ALIKE = 0.05  # the largest difference of shares that still counts as none
SATURATED = 0.05  # RA this close to 0 or 1 is that of any two detectors that an attack breaks, or does not touch
RISK = 0.05
SETTING = ["dataset", "attack", "epsilon"]
COLUMNS = [
    *[*SETTING, "first", "second", "groups", "ra_first", "ra_second", "ra_difference", "ra_low", "ra_high", "alike"],
    *["rr_first", "rr_second", "rr_difference", "rr_low", "rr_high", "rr_p", "rr_p_holm", "apart"],
    *["clean_difference", "clean_low", "clean_high", "clean_alike", "verdict", "reason"],
]


def compare(
    table: pd.DataFrame, tolerance: float, threshold: Threshold = 0.5, keep_label: bool = False
) -> pd.DataFrame:
    """Every two detectors of each data set, under every attack of the table and at every ε > 0: one family.

    Pass `worst_case(table)` to compare what RR is about; a table of single attacks compares under each.

    Args:
        table: a result table with its clean scores; all detectors of a data set on the same samples.
        tolerance: τ of RR.
        threshold: the probability of fake above which a detector says fake.
        keep_label: whether RR also asks that the label is kept.

    Returns:
        One row per (data set, attack, ε, pair). Columns: the setting, first, second, groups; RA of both, their
        difference and its 90 % interval, and alike; RR(τ) of both, their difference and its interval at the corrected
        level, p and Holm's p, and apart; the difference in clean accuracy with its 90 % interval, and clean_alike;
        verdict of "alike in RA and apart in RR", and reason. The verdicts alike, clean_alike, apart and verdict are
        "holds", "does not hold" or "undecided". Empty where there is one detector.

    Raises:
        InputError: where two detectors were judged on different samples.
    """
    table = table[table["epsilon"] > 0].sort_values("sample", kind="stable", ignore_index=True)
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    detects = {
        (row["dataset"], row["detector"]): (row["detects"], row["reason"])
        for row in clean_performance(table, threshold).to_dict("records")
    }
    stable = robust(table, [tolerance])[:, 0]
    table = table.assign(
        _ra=correct(table, threshold),
        _rr=stable & kept(table, threshold) if keep_label else stable,
        _clean=clean_correct(table, threshold),
    )
    rows: list[dict[str, Any]] = []
    for (dataset, attack, epsilon), part in table.groupby(SETTING, sort=True):
        each = {str(name): rows_of for name, rows_of in part.groupby("detector", sort=True)}
        pairs = list(combinations(each, 2))
        for first, second in pairs:
            if not np.array_equal(each[first]["sample"].to_numpy(), each[second]["sample"].to_numpy()):
                raise InputError(
                    f"{first} and {second} were judged on different samples of {dataset}; a comparison needs the same"
                )
        for (first, second), row in zip(pairs, _differences(each, pairs), strict=True):
            premises = [reason for fine, reason in (detects[dataset, first], detects[dataset, second]) if not fine]
            setting = {"dataset": dataset, "attack": attack, "epsilon": epsilon, "first": first, "second": second}
            rows.append({**setting, **row, "_premises": "; ".join(premises)})
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    for row, (adjusted, level) in zip(rows, holm([row["rr_p"] for row in rows]), strict=True):
        _judge(row, adjusted, level)
    return pd.DataFrame(rows)[COLUMNS]


def holm(p_values: list[float], risk: float = RISK) -> list[tuple[float, float]]:
    """Holm's adjusted p, and the level at which each is tested, in the order given.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979): the k-th smallest of
    m is multiplied by m − k + 1, and never falls below one before it. The level is that of the step at which the
    procedure judged it: risk / (m − k + 1), for those not rejected that of the first such step.

    >>> [(round(p, 3), round(level, 4)) for p, level in holm([0.04, 0.01, 0.03])]
    [(0.06, 0.025), (0.03, 0.0167), (0.06, 0.025)]
    """
    order = np.argsort(p_values, kind="stable")
    count, largest, stopped = len(p_values), 0.0, 0.0
    found: list[tuple[float, float]] = [(1.0, 0.0)] * count
    for step, index in enumerate(order):
        largest = max(largest, min(1.0, (count - step) * p_values[index]))
        level = stopped or risk / (count - step)
        if largest > risk:
            stopped = level
        found[index] = (largest, level)
    return found


def found_pairs(comparison: pd.DataFrame) -> pd.DataFrame:
    """The comparisons whose verdict holds, the largest difference in RR first."""
    held = comparison[comparison["verdict"] == HOLDS]
    return held.loc[held["rr_difference"].abs().sort_values(ascending=False, kind="stable").index]


def seed_spread(
    table: pd.DataFrame, families: Mapping[str, str], tolerance: float, threshold: Threshold = 0.5
) -> pd.DataFrame:
    """How far RA and RR(τ) of one recipe vary with the training seed: a source that no interval over samples covers.

    Args:
        table: a result table, best a worst case.
        families: detector → recipe, for detectors that differ in their training seed alone.
        tolerance: τ of RR.

    Returns:
        One row per (data set, attack, recipe, ε > 0) with at least two seeds. Columns besides: seeds, then for ra and
        rr the mean, the standard deviation over seeds (n − 1), the lowest and the highest.

    >>> table = pd.DataFrame({"dataset": "d", "attack": "a", "epsilon": 0.1, "detector": ["f0", "f1"], "label": 1,
    ...                       "p_clean": 0.9, "p_attacked": [0.8, 0.3], "shift": [0.1, 0.6]})
    >>> seed_spread(table, {"f0": "f", "f1": "f"}, 0.1)[["recipe", "seeds", "ra_mean", "rr_lowest"]].values.tolist()
    [['f', 2, 0.5, 0.0]]
    """
    chosen = table[(table["epsilon"] > 0) & table["detector"].isin(list(families))].reset_index(drop=True)
    hits = chosen[[*SETTING, "detector"]].assign(
        ra=correct(chosen, threshold), rr=robust(chosen, [tolerance])[:, 0], recipe=chosen["detector"].map(families)
    )
    shares = hits.groupby([*SETTING, "recipe", "detector"], sort=False)[["ra", "rr"]].mean().reset_index()
    rows = []
    for key, part in shares.groupby(["dataset", "attack", "recipe", "epsilon"], sort=False):
        if len(part) < 2:
            continue
        row: dict[str, Any] = dict(zip(["dataset", "attack", "recipe", "epsilon"], key, strict=True))
        row["seeds"] = len(part)
        for name in ("ra", "rr"):
            row |= {f"{name}_mean": part[name].mean(), f"{name}_sd": part[name].std()}
            row |= {f"{name}_lowest": part[name].min(), f"{name}_highest": part[name].max()}
        rows.append(row)
    names = [f"{name}_{what}" for name in ("ra", "rr") for what in ("mean", "sd", "lowest", "highest")]
    return pd.DataFrame(rows, columns=["dataset", "attack", "recipe", "epsilon", "seeds", *names])


def _differences(each: dict[str, pd.DataFrame], pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The numbers of each pair that need no other pair; all detectors on the same samples in the same order."""
    if not pairs:
        return []
    groups: NDArray[np.object_] = each[pairs[0][0]]["group"].to_numpy()
    rows: list[dict[str, Any]] = [{"groups": len(np.unique(groups.astype(str)))} for _ in pairs]
    for name in ("ra", "rr", "clean"):
        one, two = (np.column_stack([each[pair[k]][f"_{name}"].to_numpy(bool) for pair in pairs]) for k in (0, 1))
        near = difference_interval(one, two, groups, 1 - 2 * RISK)
        p = difference_p(one, two, groups) if name == "rr" else None
        for k, row in enumerate(rows):
            row |= {f"{name}_first": one[:, k].mean(), f"{name}_second": two[:, k].mean()}
            row[f"{name}_difference"] = row[f"{name}_first"] - row[f"{name}_second"]
            row |= {f"{name}_low": near.low[k], f"{name}_high": near.high[k]}
            if p is not None:
                row |= {"rr_p": float(p[k]), "_rr": (one[:, k], two[:, k], groups)}
    return rows


def _judge(row: dict[str, Any], adjusted: float, level: float) -> None:
    """Write the verdicts and the reason into a row, in place."""
    one, two, groups = row["_rr"]
    near = _equivalent(row["rr_low"], row["rr_high"])
    row["rr_p_holm"] = adjusted
    row["rr_low"], row["rr_high"], _ = difference_interval(one, two, groups, 1 - level)
    row["alike"], row["clean_alike"] = (
        _equivalent(row[f"{name}_low"], row[f"{name}_high"]) for name in ("ra", "clean")
    )
    if adjusted <= RISK and (row["rr_low"] > 0 or row["rr_high"] < 0):
        row["apart"] = HOLDS
    else:
        row["apart"] = DOES_NOT_HOLD if near == HOLDS else UNDECIDED
    saturated = [name for name in ("first", "second") if not SATURATED <= row[f"ra_{name}"] <= 1 - SATURATED]
    if row["groups"] < ENOUGH_GROUPS:
        row["alike"] = row["apart"] = row["clean_alike"] = row["verdict"] = UNDECIDED
        row["reason"] = f"{row['groups']} groups are too few, {ENOUGH_GROUPS} are needed"
    elif row["_premises"]:
        row["verdict"], row["reason"] = UNDECIDED, row["_premises"]
    elif saturated:
        which = " and ".join(f"{row[name]} ({row[f'ra_{name}']:.3f})" for name in saturated)
        row["verdict"], row["reason"] = UNDECIDED, f"RA is saturated: {which} is not in [0.05, 0.95]"
    else:
        row["verdict"], row["reason"] = _verdict(row)


def _verdict(row: dict[str, Any]) -> tuple[str, str]:
    if row["alike"] == DOES_NOT_HOLD:
        return DOES_NOT_HOLD, "RA differs by more than 0.05"
    if row["apart"] == DOES_NOT_HOLD:
        return DOES_NOT_HOLD, "RR differs by less than 0.05"
    if row["alike"] == HOLDS and row["apart"] == HOLDS:
        clean = (
            "clean accuracy is alike too"
            if row["clean_alike"] == HOLDS
            else f"clean accuracy differs by {row['clean_difference']:+.3f}, "
            f"interval [{row['clean_low']:+.3f}, {row['clean_high']:+.3f}]"
        )
        return HOLDS, f"RA is alike and RR apart; {clean}"
    missing = []
    if row["alike"] == UNDECIDED:
        missing.append("the interval of the difference in RA is not inside ± 0.05")
    if row["apart"] == UNDECIDED:
        missing.append("the corrected interval of the difference in RR holds 0")
    return UNDECIDED, " and ".join(missing)


def _equivalent(low: float, high: float) -> str:
    if low > -ALIKE and high < ALIKE:
        return HOLDS
    return DOES_NOT_HOLD if low > ALIKE or high < -ALIKE else UNDECIDED
