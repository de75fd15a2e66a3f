"""Result tables to decisions: when a detector should abstain, and which detectors a table tells apart."""

from itertools import combinations

import numpy as np
import pandas as pd

from rrlib.errors import InputError
from rrlib.statistics import paired_bootstrap
from rrlib.summary import correct


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


def compare(table: pd.DataFrame, tolerance: float, attack: str, confidence: float = 0.95) -> pd.DataFrame:
    """RA and RR(τ) of every two detectors on the same samples, at every ε > 0, under one attack.

    Columns: dataset, epsilon, first, second, then for each of RA and RR the two values, their difference and its
    interval (`ra_difference`, `ra_low`, `ra_high`, …). The paired bootstrap over groups holds for all comparisons of
    one data set together: its level is corrected for their number (Bonferroni).
    """
    rows = []
    table = table[(table["attack"] == attack) & (table["epsilon"] > 0)]
    for dataset, part in table.groupby("dataset", sort=False):
        pairs = list(combinations(part["detector"].unique(), 2))
        count = 2 * len(pairs) * part["epsilon"].nunique()
        for epsilon, at in part.groupby("epsilon"):
            for first, second in pairs:
                a, b = (at[at["detector"] == name].sort_values("sample") for name in (first, second))
                row = {"dataset": dataset, "epsilon": epsilon, "first": first, "second": second}
                measures = {"ra": (correct(a), correct(b)), "rr": (a["shift"] <= tolerance, b["shift"] <= tolerance)}
                for name, (x, y) in measures.items():
                    low, high = paired_bootstrap(
                        x.to_numpy(), y.to_numpy(), a["group"], confidence=1 - (1 - confidence) / count, draws=10_000
                    )
                    row |= {f"{name}_first": x.mean(), f"{name}_second": y.mean()}
                    row |= {f"{name}_difference": x.mean() - y.mean(), f"{name}_low": low, f"{name}_high": high}
                rows.append(row)
    return pd.DataFrame(rows)


def alike_in_ra_apart_in_rr(comparison: pd.DataFrame) -> pd.DataFrame:
    """The comparisons that the paper is about: RA is not told apart, RR is; the largest difference in RR first."""
    alike = (comparison["ra_low"] <= 0) & (comparison["ra_high"] >= 0)
    apart = (comparison["rr_low"] > 0) | (comparison["rr_high"] < 0)
    found = comparison[alike & apart]
    return found.reindex(found["rr_difference"].abs().sort_values(ascending=False, kind="stable").index)
