"""Result tables to RA, RR and stability with their intervals: one row per cell and epsilon."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rrlib.analysis.detection import auc
from rrlib.analysis.intervals import share_interval
from rrlib.analysis.rules import Threshold, clean_correct
from rrlib.analysis.rules import correct as correct
from rrlib.analysis.rules import robust as robust
from rrlib.errors import InputError

CELL = ["dataset", "detector", "attack"]
TOLERANCES = np.linspace(0, 1, 101)


def at_epsilon(table: pd.DataFrame, epsilon: float) -> pd.DataFrame:
    """The rows at one ε; raises InputError with those that the table holds where it has none."""
    part = table[table["epsilon"] == epsilon]
    if part.empty:
        known = ", ".join(f"{known:g}" for known in sorted(table["epsilon"].unique()))
        raise InputError(f"the table has no rows at ε = {epsilon:g}; choose from {known}")
    return part


def by_epsilon(
    table: pd.DataFrame, tolerances: Sequence[float], threshold: Threshold = 0.5, largest: float = 1.0
) -> pd.DataFrame:
    """RA and RR(τ) per cell and ε, in long form, each with a 95 % interval.

    Columns: dataset, detector, attack, epsilon, measure ("RA", "RR"), tolerance (missing for RA), value, low, high,
    samples, groups, trusted. The interval is that of `intervals.share_interval`. Where RR is 1 by definition, at ε = 0
    and at a τ of at least `largest`, the largest shift that the distance allows (√2 for l2), so is its interval.
    """
    rows = []
    for (*cell, epsilon), part in table.groupby([*CELL, "epsilon"], sort=False):
        hits = np.column_stack([correct(part, threshold), robust(part, tolerances)])
        low, high, trusted = share_interval(hits, part["group"])
        by_definition = np.array([False, *(epsilon == 0 or tolerance >= largest for tolerance in tolerances)])
        rows.append(
            pd.DataFrame(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "epsilon": epsilon,
                    "measure": ["RA", *["RR"] * len(tolerances)],
                    "tolerance": [np.nan, *tolerances],
                    "value": hits.mean(axis=0),
                    "low": np.where(by_definition, 1.0, low),
                    "high": high,
                    "samples": len(part),
                    "groups": part["group"].nunique(),
                    "trusted": trusted | by_definition,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def overview(table: pd.DataFrame, tolerances: Sequence[float], threshold: Threshold = 0.5) -> pd.DataFrame:
    """The wide table of a page: per cell and ε, what the detector does unattacked, then what is left of it.

    Columns: dataset, detector, attack, ε, clean accuracy, AUC (clean), RA, RR(τ) at each tolerance, stability
    (1 − mean shift), and the number of samples without gradient.
    """
    rows = []
    for (*cell, epsilon), part in table.groupby([*CELL, "epsilon"], sort=False):
        shares = robust(part, tolerances).mean(axis=0)
        rows.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "ε": epsilon,
                "clean accuracy": clean_correct(part, threshold).mean(),
                "AUC": auc(part["p_clean"].to_numpy(float), part["label"].to_numpy(), part["group"].to_numpy()).value,
                "RA": correct(part, threshold).mean(),
                **{f"RR({tolerance:g})": share for tolerance, share in zip(tolerances, shares, strict=True)},
                "stability": 1 - part["shift"].mean(),
                "no gradient": int((part["gradient"] == False).sum()),  # noqa: E712 (missing is neither)
            }
        )
    return pd.DataFrame(rows)


def of_attacks(table: pd.DataFrame, attacks: Collection[str]) -> pd.DataFrame:
    """The rows of these attacks: the adversarial ones, say, without noise, transfer and ordinary damage.

    Raises:
        InputError: where none of them is in the table.
    """
    part = table[table["attack"].isin(list(attacks))]
    if part.empty:
        known = ", ".join(str(attack) for attack in table["attack"].unique())
        raise InputError(f"the table holds none of the attacks {', '.join(attacks)}; it holds {known}")
    return part


def split_by_clean(table: pd.DataFrame, tolerance: float, threshold: Threshold = 0.5) -> pd.DataFrame:
    """RR(τ) of the samples that were right and of those that were wrong before the attack, per cell and ε.

    An unmoved wrong answer counts as robust, so the two belong side by side. RR is missing where there is no such
    sample.
    """
    was_right = pd.Series(clean_correct(table, threshold), index=table.index)
    rows = []
    for (*cell, epsilon), part in table.groupby([*CELL, "epsilon"], sort=False):
        row: dict[str, Any] = {**dict(zip(CELL, cell, strict=True)), "ε": epsilon}
        for name, chosen in (("right", was_right[part.index]), ("wrong", ~was_right[part.index])):
            row[f"samples {name} before"] = int(chosen.sum())
            row[f"RR({tolerance:g}) if {name}"] = (part.loc[chosen, "shift"] <= tolerance).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def excess(table: pd.DataFrame, floor: str) -> pd.DataFrame:
    """How far the RR of the attack `floor` rises above that of each other attack at most, over τ in [0, 1] and ε > 0.

    One row per (dataset, detector), a column per other attack; zero or less where `floor` is never the weaker one.
    τ goes in steps of 0.01.
    """
    table = table[table["epsilon"] > 0]
    rr = {key: robust(part, TOLERANCES).mean(axis=0) for key, part in table.groupby([*CELL, "epsilon"], sort=False)}
    rows: dict[Any, dict[Any, Any]] = {}
    for (dataset, detector, attack, epsilon), other in rr.items():
        if attack != floor and (dataset, detector, floor, epsilon) in rr:
            row = rows.setdefault((dataset, detector), {"dataset": dataset, "detector": detector})
            rise = float((rr[dataset, detector, floor, epsilon] - other).max())
            row[attack] = max(row.get(attack, -1.0), rise)
    return pd.DataFrame(list(rows.values()))


def against_reference(table: pd.DataFrame, reference: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The largest difference of RA and of RR(τ) from recorded results, over ε, for each cell that has any.

    `reference` has the columns dataset, detector, attack, epsilon, RA, RR, as `reference_rows` writes them.
    """
    here = reference_rows(table, tolerance)
    both = here.merge(reference, on=[*CELL, "epsilon"], suffixes=("", " recorded"))
    for measure in ("RA", "RR"):
        both[f"largest difference in {measure}"] = (both[measure] - both[f"{measure} recorded"]).abs()
    differences = [column for column in both if str(column).startswith("largest")]
    return both.groupby(CELL, sort=False)[differences].max().reset_index()


def reference_rows(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """RA and RR(τ) per cell and ε, with the columns of data/reference.csv."""
    rows = overview(table, [tolerance]).rename(columns={"ε": "epsilon", f"RR({tolerance:g})": "RR"})
    return rows[[*CELL, "epsilon", "RA", "RR"]]
