"""Which detector? Requirements in, a ranking with reasons out, "undecided" where samples cannot tell two apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.analysis.comparisons import holm
from rrlib.analysis.detection import clean_performance
from rrlib.analysis.differences import difference_interval, difference_p
from rrlib.analysis.guardrails import CANNOT, ON_ATTACKED, ON_CLEAN, PROMISED, bands, halves
from rrlib.analysis.intervals import share_interval
from rrlib.analysis.rules import Bools, Threshold, clean_correct, correct, robust, thresholds
from rrlib.analysis.summary import at_epsilon
from rrlib.analysis.words import ENOUGH_GROUPS
from rrlib.analysis.worst import WORST_CASE, worst_case
from rrlib.errors import InputError
from rrlib.metrics import predicted_fake

MEETS, FAILS, UNSURE = "meets", "fails", "undecided"
RANKED_BY = {
    "RA": "robust accuracy",
    "RR": "robust ratio",
    "right": "right and stable",
    "decided": "clean inputs still decided",
}


@dataclass(frozen=True)
class Requirements:
    """What a detector must do on one data set, as shares; a requirement of 0 (fpr: of 1) asks for nothing.

    Args:
        dataset: its name.
        epsilon: the largest perturbation that it must withstand.
        tolerance: τ of RR.
        clean_accuracy, ra, rr: lowest allowed, in [0, 1]; ra and rr in the worst case.
        fpr: highest allowed share of reals called fake.
        decided: lowest allowed share of clean inputs that a system still decides with the abstention band that keeps
            the share of all inputs that are decided and then flipped within `budget`, with `confidence` (`bands`).
        budget, confidence: of that promise; a share in (0, 1) and a probability in (0.5, 1).
        on: by which score the system abstains: "attacked score", the one that it sees under attack, or "clean score".
        by: what ranks detectors: "RA", "RR", "right" (the worst case is right and moves by at most τ), or "decided".
    """

    dataset: str
    epsilon: float
    tolerance: float = 0.1
    clean_accuracy: float = 0.0
    ra: float = 0.0
    rr: float = 0.0
    fpr: float = 1.0
    decided: float = 0.0
    budget: float = 0.05
    confidence: float = 0.95
    on: str = ON_ATTACKED
    by: str = "right"

    def __post_init__(self) -> None:
        for name, allowed in (("by", tuple(RANKED_BY)), ("on", (ON_ATTACKED, ON_CLEAN))):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; choose from {', '.join(allowed)}")
        for name in ("tolerance", "clean_accuracy", "ra", "rr", "fpr", "decided"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it is a number in [0, 1]")
        for name, least in (("budget", 0), ("confidence", 0.5)):
            if not least < getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it is a number between {least} and 1")

    @property
    def asks(self) -> bool:
        """Whether anything is asked for besides a ranking."""
        return max(self.clean_accuracy, self.ra, self.rr, self.decided, 1 - self.fpr) > 0


@dataclass(frozen=True)
class Choice:
    """A ranking, best first, the detectors between which the first place is open, and what to say of it.

    `ranking` has the columns rank, detector, status ("meets", "fails" or "undecided", all requirements together),
    value, low, high (of what ranks, at the confidence of the requirements), behind, behind_low, behind_high (how far
    it lies behind the first; 95 % interval), p_to_first (Holm), and reason. `clause` is the answer as a part of a
    sentence, `sentence` the whole.
    """

    ranking: pd.DataFrame
    first: tuple[str, ...]
    clause: str
    requirements: Requirements

    @property
    def sentence(self) -> str:
        return answer([self])


@dataclass(frozen=True)
class _Ranked:
    """Of one detector: who counts for what ranks (N,), and the groups; empty where that cannot be known."""

    hits: Bools
    group: NDArray[Any]

    @property
    def known(self) -> bool:
        return len(self.hits) > 0


def choose(table: pd.DataFrame, requirements: Requirements, threshold: Threshold = 0.5) -> Choice:
    """Rank the detectors of one data set: those that meet all requirements, then those of which it is not sure.

    A detector meets a requirement if the interval of the share lies on the right side of it, and fails it if the
    interval lies on the wrong side. One that does not detect fails. A band that cannot be promised, for want of
    groups, leaves what is asked of it undecided. Where the first meets all that is asked, it shares its place with
    those that it is not significantly better than (`difference_p`, Holm over these comparisons); else, and with fewer
    than 20 groups, the place is open to all that do not fail.

    Args:
        table: result tables with the attacks that count; the worst case is taken of them.

    Raises:
        InputError: for a data set or an ε that the table lacks, or detectors that were judged on different samples.
    """
    part = table[table["dataset"] == requirements.dataset]
    if part.empty:
        known = ", ".join(str(name) for name in table["dataset"].unique())
        raise InputError(f"the table holds no data set {requirements.dataset}; choose from {known}")
    if set(part["attack"].unique()) != {WORST_CASE}:
        part = worst_case(part, threshold=threshold)
    part = at_epsilon(part, requirements.epsilon).sort_values("sample", kind="stable", ignore_index=True)
    _check_same_samples(part)
    detects = {row["detector"]: row for row in clean_performance(part, threshold).to_dict("records")}
    promises = _promises(part, requirements, threshold)
    rows: list[dict[str, Any]] = []
    ranked: dict[str, _Ranked] = {}
    for detector, of_detector in part.groupby("detector", sort=True):
        name, group = str(detector), of_detector["group"].to_numpy()
        found, promise = _shares(of_detector, requirements, threshold), promises.get(name)
        status, reasons = _status(found, group, promise, requirements)
        if not detects[name]["detects"]:
            status, reasons = FAILS, [str(detects[name]["reason"]), *reasons]
        ranked[name] = _ranked(found, of_detector, promise, requirements, threshold)
        rows.append(
            {
                "detector": name,
                "status": status,
                **_value(ranked[name], requirements.confidence),
                "reason": "; ".join(reasons) or "nothing was required",
            }
        )
    order = [MEETS, UNSURE, FAILS]
    rows.sort(key=lambda row: (order.index(row["status"]), -np.nan_to_num(row["value"], nan=-1.0), row["detector"]))
    return _decided(rows, ranked, part, requirements)


def answer(choices: Sequence[Choice]) -> str:
    """One sentence about some data sets, each asked for the same ε.

    Raises:
        InputError: where there is no choice, or two ε.
    """
    if len({choice.requirements.epsilon for choice in choices}) != 1:
        raise InputError(f"{len(choices)} choices were given; one sentence takes at least one, all of one ε")
    return f"At ε = {choices[0].requirements.epsilon:g}, {'; '.join(choice.clause for choice in choices)}."


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


def _promises(part: pd.DataFrame, requirements: Requirements, threshold: Threshold) -> dict[str, dict[str, Any]]:
    """The row of `bands` of each detector, where a band is asked for."""
    if requirements.decided == 0 and requirements.by != "decided":
        return {}
    found = bands(part, requirements.epsilon, requirements.budget, requirements.confidence, threshold)
    found = found[found["on"] == requirements.on].set_index("detector", drop=False)
    return {str(name): {str(key): value for key, value in row.items()} for name, row in found.iterrows()}


def _status(
    found: dict[str, Bools], group: Any, promise: dict[str, Any] | None, requirements: Requirements
) -> tuple[str, list[str]]:
    asked = {"clean accuracy": requirements.clean_accuracy, "RA": requirements.ra, "RR": requirements.rr}
    words, reasons = [], []
    for name, lowest in asked.items():
        if lowest > 0:
            low, high, _ = share_interval(found[name], group, requirements.confidence)
            words.append(_at_least(lowest, low, high))
            reasons.append(f"{name} in [{low:.3f}, {high:.3f}], asked ≥ {lowest:g}: {words[-1]}")
    if requirements.fpr < 1:
        real = found["real"]
        low, high, _ = (
            share_interval(found["FPR"][real], group[real], requirements.confidence)
            if real.any()
            else (0.0, 1.0, False)
        )
        words.append(MEETS if high <= requirements.fpr else FAILS if low > requirements.fpr else UNSURE)
        reasons.append(f"FPR in [{low:.3f}, {high:.3f}], asked ≤ {requirements.fpr:g}: {words[-1]}")
    if promise and requirements.decided > 0:
        asks = f"asked ≥ {requirements.decided:g}"
        if promise["verdict"] == PROMISED:
            low, high = promise["decided_low"], promise["decided_high"]
            words.append(_at_least(requirements.decided, low, high))
            reasons.append(
                f"decided with the band {promise['band']:.3f} in [{low:.3f}, {high:.3f}], {asks}: {words[-1]}"
            )
        else:
            words.append(UNSURE if promise["verdict"] == CANNOT else FAILS)
            reasons.append(
                f"a band {promise['reason']}" if words[-1] == UNSURE else f"{promise['reason']}, {asks}: fails"
            )
    return (FAILS if FAILS in words else UNSURE if UNSURE in words else MEETS), reasons


def _at_least(asked: float, low: float, high: float) -> str:
    return MEETS if low >= asked else FAILS if high < asked else UNSURE


def _ranked(
    found: dict[str, Bools],
    part: pd.DataFrame,
    promise: dict[str, Any] | None,
    requirements: Requirements,
    threshold: Threshold,
) -> _Ranked:
    group = part["group"].to_numpy()
    if requirements.by != "decided":
        return _Ranked(found[requirements.by], group)
    judging = ~halves(group)  # no sample judges the band that it has found
    if promise is None or promise["verdict"] == CANNOT:
        judging = np.zeros(len(part), dtype=bool)
    margin = np.abs(part["p_clean"].to_numpy(float) - thresholds(part, threshold))
    return _Ranked(margin[judging] > (promise or {"band": 0.0})["band"], group[judging])


def _value(ranked: _Ranked, confidence: float) -> dict[str, float]:
    if not ranked.known:
        return {"value": np.nan, "low": np.nan, "high": np.nan}
    low, high, _ = share_interval(ranked.hits, ranked.group, confidence)
    return {"value": float(ranked.hits.mean()), "low": low, "high": high}


def _decided(
    rows: list[dict[str, Any]], ranked: dict[str, _Ranked], part: pd.DataFrame, requirements: Requirements
) -> Choice:
    top, able = rows[0], [row for row in rows if row["status"] != FAILS]
    best = ranked[top["detector"]]
    for row in rows:
        row |= {"behind": np.nan, "behind_low": np.nan, "behind_high": np.nan, "p_to_first": np.nan}
    others = [row for row in rows[1:] if best.known and ranked[row["detector"]].known]
    for row in others:
        row["behind"] = top["value"] - row["value"]
        row["behind_low"], row["behind_high"], _ = difference_interval(
            best.hits, ranked[row["detector"]].hits, best.group
        )
    asked = [row for row in others if row["status"] != FAILS]
    p_values = [difference_p(best.hits, ranked[row["detector"]].hits, best.group) for row in asked]
    for row, (p, _) in zip(asked, holm(p_values), strict=True):
        row["p_to_first"] = p
    for place, row in enumerate(rows):
        row["rank"] = place + 1
    few = part["group"].astype(str).nunique() < ENOUGH_GROUPS
    # behind counts only beside a first that is sure to meet what is asked: if that one fails, all others are open
    decides = top["status"] == MEETS and not few
    worse = {row["detector"] for row in asked if decides and row["p_to_first"] <= 0.05 and row["behind"] > 0}
    first = [row for row in able if row["detector"] not in worse]
    columns = ["rank", "detector", "status", "value", "low", "high", "behind", "behind_low", "behind_high"]
    return Choice(
        pd.DataFrame(rows)[[*columns, "p_to_first", "reason"]],
        tuple(row["detector"] for row in first),
        _clause(rows, first, few, requirements),
        requirements,
    )


def _check_same_samples(part: pd.DataFrame) -> None:
    each = {str(name): rows["sample"].to_numpy() for name, rows in part.groupby("detector", sort=True)}
    first = next(iter(each))
    for name, samples in each.items():
        if not np.array_equal(each[first], samples):
            raise InputError(f"{first} and {name} were judged on different samples; a choice needs the same")


def _clause(rows: list[dict[str, Any]], first: list[dict[str, Any]], few: bool, requirements: Requirements) -> str:
    where, sure = f"on {requirements.dataset}", [row for row in first if row["status"] == MEETS]
    if not first:
        return f"no detector meets what is asked {where}"
    if len(first) > 1:
        why = f", as fewer than {ENOUGH_GROUPS} groups cannot tell" if few else ""
        between = f"undecided between {_listed(first)} {where}{why}"
        if len(sure) == len(first):
            return between
        unsure = "none is" if not sure else f"only {_listed(sure)} {'is' if len(sure) == 1 else 'are'}"
        return f"{between}, and {unsure} known to meet what is asked"
    (only,) = first
    value = "" if np.isnan(only["value"]) else f" ({RANKED_BY[requirements.by]} {only['value']:.3f})"
    if few:
        return f"{only['detector']} alone is left {where}{value}, on fewer than {ENOUGH_GROUPS} groups: undecided"
    if not sure:
        others = ", and all others fail" if len(rows) > 1 else ""
        return f"whether {only['detector']} meets what is asked {where}{value} is undecided{others}"
    met = " and meets what is asked" if requirements.asks else ""
    return f"{only['detector']} comes first {where}{value}{met}"


def _listed(rows: list[dict[str, Any]]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = [row["detector"] for row in rows]
    return f"{', '.join(most)} and {last}" if most else str(last)
