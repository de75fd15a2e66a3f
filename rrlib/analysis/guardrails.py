"""Result tables to decisions: when a detector should abstain, and which detectors a table tells apart."""

from itertools import combinations

import numpy as np
import pandas as pd

from rrlib.analysis.intervals import group_bootstrap
from rrlib.analysis.summary import correct
from rrlib.errors import InputError

DRAWS = 20_000  # the corrected level lies far out, where a bootstrap of the usual 1000 draws has nothing


def abstention(table: pd.DataFrame, epsilon: float, budget: float) -> pd.DataFrame:
    """The narrowest abstention band that keeps flips within `budget`, per (dataset, detector, attack), at one ε.

    With two classes a flip needs a shift of at least |p − ½|, so a system that abstains where |p − ½| ≤ τ decides and
    then flips at most 1 − RR(τ; ε) of all inputs (design law 6). `tolerance` is the smallest τ whose RR is at least
    1 − budget. Columns besides: `decided`, the share of clean inputs outside the band; `right`, the share of those
    that are right before the attack (missing where nothing is decided); `flipped`, the share of all inputs that are
    decided and then flipped by this attack, at most `budget`. Needs the linf or tv distance and two classes.

    >>> table = pd.DataFrame({
    ...     "dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1, "label": [1, 1, 0, 0],
    ...     "p_clean": [0.9, 0.8, 0.4, 0.1], "p_attacked": [0.8, 0.4, 0.6, 0.1], "shift": [0.1, 0.4, 0.2, 0.0]})
    >>> abstention(table, 0.1, budget=0.25)[["tolerance", "decided", "right", "flipped"]].values.tolist()
    [[0.2, 0.75, 1.0, 0.25]]
    """
    if not 0 <= budget < 1:
        raise InputError(f"budget is {budget}; it is a share of inputs in [0, 1)")
    rows = []
    for cell, part in table[table["epsilon"] == epsilon].groupby(["dataset", "detector", "attack"], sort=False):
        tolerance = np.quantile(part["shift"], 1 - budget, method="inverted_cdf")  # the inverse of RR(τ)
        decided = (part["p_clean"] - 0.5).abs() > tolerance
        right = (part["p_clean"] > 0.5) == (part["label"] == 1)
        flips = (part["p_clean"] > 0.5) != (part["p_attacked"] > 0.5)
        rows.append(
            [
                *cell,
                tolerance,
                decided.mean(),
                right[decided].mean() if decided.any() else np.nan,
                (decided & flips).mean(),
            ]
        )
    return pd.DataFrame(rows, columns=["dataset", "detector", "attack", "tolerance", "decided", "right", "flipped"])


def compare(table: pd.DataFrame, tolerance: float, confidence: float = 0.95) -> pd.DataFrame:
    """RA and RR(τ) of every two detectors on the same samples, under every attack and at every ε > 0.

    Columns: dataset, attack, epsilon, first, second, then for each of RA and RR the two values, their difference and
    its interval (`ra_first`, `ra_second`, `ra_difference`, `ra_low`, `ra_high`, `rr_first`, …). The intervals (paired
    bootstrap over groups) hold for all comparisons of a data set together: their level is corrected for the number of
    comparisons (Bonferroni). Empty where there is only one detector.
    """
    table = table[table["epsilon"] > 0]
    table = table.assign(ra=correct(table), rr=table["shift"] <= tolerance).sort_values("sample", kind="stable")
    parts = [_compare(dataset, part, confidence) for dataset, part in table.groupby("dataset", sort=False)]
    return pd.concat(parts, ignore_index=True)


def _compare(dataset: str, table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """`compare` on one data set; every (attack, ε, detector) holds the same samples in the same order."""
    hits = {key: part[["ra", "rr"]].to_numpy(float) for key, part in table.groupby(["attack", "epsilon", "detector"])}
    groups = next(part["group"] for _, part in table.groupby(["attack", "epsilon", "detector"]))
    detectors = sorted(table["detector"].unique())
    rows, differences = [], []
    for attack, epsilon in sorted({key[:2] for key in hits}):
        for first, second in combinations(detectors, 2):
            a, b = hits[attack, epsilon, first], hits[attack, epsilon, second]
            rows.append([dataset, attack, epsilon, first, second, *a.mean(axis=0), *b.mean(axis=0)])
            differences.append(a - b)
    names = ["dataset", "attack", "epsilon", "first", "second", "ra_first", "rr_first", "ra_second", "rr_second"]
    frame = pd.DataFrame(rows, columns=names)
    if not rows:
        found = [f"{name}_{what}" for name in ("ra", "rr") for what in ("difference", "low", "high")]
        return frame.reindex(columns=[*names, *found])
    stacked = np.concatenate(differences, axis=1)  # (N, 2 × comparisons), RA and RR by turns
    corrected = 1 - (1 - confidence) / stacked.shape[1]
    low, high = group_bootstrap(stacked, groups, draws=DRAWS, confidence=corrected)
    for turn, name in enumerate(("ra", "rr")):
        frame[f"{name}_difference"] = frame[f"{name}_first"] - frame[f"{name}_second"]
        frame[f"{name}_low"], frame[f"{name}_high"] = low[turn::2], high[turn::2]
    return frame


def alike_in_ra_apart_in_rr(comparison: pd.DataFrame, alike: float = 0.05) -> pd.DataFrame:
    """The comparisons that the paper is about, the largest difference in RR first.

    RA differs by at most `alike`, in an interval that holds zero, and the interval of the difference in RR does not.
    """
    if comparison.empty:
        return comparison
    same = (comparison["ra_difference"].abs() <= alike) & (comparison["ra_low"] <= 0) & (comparison["ra_high"] >= 0)
    apart = (comparison["rr_low"] > 0) | (comparison["rr_high"] < 0)
    found = comparison[same & apart]
    return found.loc[found["rr_difference"].abs().sort_values(ascending=False, kind="stable").index]
