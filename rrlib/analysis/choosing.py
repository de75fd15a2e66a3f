"""Which detector? Requirements in, a ranking with reasons out, "undecided" where samples cannot tell two apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rrlib.analysis.comparisons import holm
from rrlib.analysis.detection import clean_performance
from rrlib.analysis.differences import difference_p
from rrlib.analysis.intervals import share_interval
from rrlib.analysis.rules import Bools, Threshold, clean_correct, correct, robust, thresholds
from rrlib.analysis.summary import at_epsilon
from rrlib.analysis.words import ENOUGH_GROUPS
from rrlib.analysis.worst import WORST_CASE, worst_case
from rrlib.errors import InputError
from rrlib.metrics import predicted_fake

MEETS, FAILS, UNSURE = "meets", "fails", "undecided"
RANKED_BY = {"RA": "robust accuracy", "RR": "robust ratio", "right": "right and stable"}


@dataclass(frozen=True)
class Requirements:
    """What a detector must do on one data set, as shares; a requirement of 0 (fpr: of 1) asks for nothing.

    Args:
        dataset: its name.
        epsilon: the largest perturbation that it must withstand.
        tolerance: τ of RR.
        clean_accuracy, ra, rr: lowest allowed, in [0, 1]; ra and rr in the worst case.
        fpr: highest allowed share of reals called fake.
        by: what ranks detectors: "RA", "RR", or "right" (the worst case is right and moves by at most τ).
    """

    dataset: str
    epsilon: float
    tolerance: float = 0.1
    clean_accuracy: float = 0.0
    ra: float = 0.0
    rr: float = 0.0
    fpr: float = 1.0
    by: str = "right"

    def __post_init__(self) -> None:
        if self.by not in RANKED_BY:
            raise InputError(f"by is {self.by!r}; choose from {', '.join(RANKED_BY)}")
        for name in ("tolerance", "clean_accuracy", "ra", "rr", "fpr"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it is a number in [0, 1]")


@dataclass(frozen=True)
class Choice:
    """A ranking, best first, the detectors between which the first place is open, and a sentence.

    `ranking` has the columns rank, detector, status ("meets", "fails" or "undecided", all requirements together),
    value, low, high (of what ranks), p_to_first (Holm), and reason.
    """

    ranking: pd.DataFrame
    first: tuple[str, ...]
    sentence: str


def choose(table: pd.DataFrame, requirements: Requirements, threshold: Threshold = 0.5) -> Choice:
    """Rank the detectors of one data set: those that meet all requirements, then those of which it is not sure.

    A detector meets a requirement if the 95 % interval of the share lies on the right side of it, and fails it if the
    interval lies on the wrong side. One that does not detect fails. The first place is shared by all detectors that
    the first is not significantly better than (`difference_p`, Holm over these comparisons), and by all with fewer
    than 20 groups.

    Args:
        table: result tables with the attacks that count; the worst case is taken of them.

    Raises:
        InputError: for a data set or an ε that the table lacks.
    """
    part = table[table["dataset"] == requirements.dataset]
    if part.empty:
        known = ", ".join(str(name) for name in table["dataset"].unique())
        raise InputError(f"the table holds no data set {requirements.dataset}; choose from {known}")
    if set(part["attack"].unique()) != {WORST_CASE}:
        part = worst_case(part, threshold=threshold)
    part = at_epsilon(part, requirements.epsilon).sort_values("sample", kind="stable", ignore_index=True)
    detects = {row["detector"]: row for row in clean_performance(part, threshold).to_dict("records")}
    rows, ranked = [], {}
    for detector, of_detector in part.groupby("detector", sort=True):
        found = _shares(of_detector, requirements, threshold)
        group = of_detector["group"].to_numpy()
        status, reasons = _status(found, group, requirements)
        if not detects[detector]["detects"]:
            status, reasons = FAILS, [str(detects[detector]["reason"]), *reasons]
        hits = ranked[str(detector)] = found[requirements.by]
        interval = share_interval(hits, group)
        rows.append(
            {
                "detector": str(detector),
                "status": status,
                "value": float(hits.mean()),
                "low": interval.low,
                "high": interval.high,
                "reason": "; ".join(reasons) or "nothing was required",
            }
        )
    rows.sort(key=lambda row: ([MEETS, UNSURE, FAILS].index(row["status"]), -row["value"], row["detector"]))
    return _decided(rows, ranked, part, requirements)


def _shares(part: pd.DataFrame, requirements: Requirements, threshold: Threshold) -> dict[str, Bools]:
    stable, right = robust(part, [requirements.tolerance])[:, 0], correct(part, threshold)
    (at,) = np.unique(thresholds(part, threshold))
    return {
        "clean accuracy": clean_correct(part, threshold),
        "FPR": predicted_fake(part["p_clean"].to_numpy(float), float(at)) & (part["label"].to_numpy() == 0),
        "real": part["label"].to_numpy() == 0,
        "RA": right,
        "RR": stable,
        "right": right & stable,
    }


def _status(found: dict[str, Bools], group: Any, requirements: Requirements) -> tuple[str, list[str]]:
    asked = {"clean accuracy": requirements.clean_accuracy, "RA": requirements.ra, "RR": requirements.rr}
    words, reasons = [], []
    for name, lowest in asked.items():
        if lowest > 0:
            low, high, _ = share_interval(found[name], group)
            words.append(MEETS if low >= lowest else FAILS if high < lowest else UNSURE)
            reasons.append(f"{name} in [{low:.3f}, {high:.3f}], asked ≥ {lowest:g}: {words[-1]}")
    if requirements.fpr < 1:
        real = found["real"]
        low, high, _ = share_interval(found["FPR"][real], group[real]) if real.any() else (0.0, 1.0, False)
        words.append(MEETS if high <= requirements.fpr else FAILS if low > requirements.fpr else UNSURE)
        reasons.append(f"FPR in [{low:.3f}, {high:.3f}], asked ≤ {requirements.fpr:g}: {words[-1]}")
    return (FAILS if FAILS in words else UNSURE if UNSURE in words else MEETS), reasons


def _decided(
    rows: list[dict[str, Any]], ranked: dict[str, Bools], part: pd.DataFrame, requirements: Requirements
) -> Choice:
    top, able = rows[0], [row for row in rows if row["status"] != FAILS]
    groups = part.loc[part["detector"] == top["detector"], "group"].to_numpy()
    others = [row for row in able if row is not top]
    p_values = [difference_p(ranked[top["detector"]], ranked[row["detector"]], groups) for row in others]
    adjusted = {row["detector"]: p for row, (p, _) in zip(others, holm(p_values), strict=True)}
    for place, row in enumerate(rows):
        row["rank"], row["p_to_first"] = place + 1, adjusted.get(row["detector"], np.nan)
    few = len(np.unique(groups.astype(str))) < ENOUGH_GROUPS
    first = [row["detector"] for row in able if row is top or few or adjusted[row["detector"]] > 0.05]
    columns = ["rank", "detector", "status", "value", "low", "high", "p_to_first", "reason"]
    return Choice(pd.DataFrame(rows)[columns], tuple(first), _sentence(rows, first, few, requirements))


def _sentence(rows: list[dict[str, Any]], first: list[str], few: bool, requirements: Requirements) -> str:
    where = f"on {requirements.dataset} at ε = {requirements.epsilon:g}"
    if not first:
        return f"No detector meets the requirements {where}."
    if len(first) > 1:
        why = f", as fewer than {ENOUGH_GROUPS} groups cannot tell" if few else ""
        return f"Undecided between {', '.join(first[:-1])} and {first[-1]} {where}{why}."
    of = f"{RANKED_BY[requirements.by]} {rows[0]['value']:.3f}"
    if rows[0]["status"] == UNSURE:
        return f"{first[0]} is first {where} ({of}), but whether it meets the requirements is undecided."
    if few:
        return f"{first[0]} alone meets the requirements {where}, on fewer than {ENOUGH_GROUPS} groups: undecided."
    return f"{first[0]} {where}: {of}, and it meets the requirements."
