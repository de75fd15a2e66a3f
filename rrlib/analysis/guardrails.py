"""When a detector should abstain: the narrowest band that keeps flips within a budget, with a stated confidence.

A system abstains where its score is within the band round the threshold. Decided and then flipped is what it decides
on the clean input and decides otherwise under an attack. The band is found on one half of the groups and judged on the
other. Found with a guarantee: from wide to narrow, the band is narrowed as long as the one-sided upper confidence
bound of the flipped share stays within the budget (Learn then Test with a fixed sequence; Angelopoulos et al., arXiv
2110.01052). The share only rises as the band narrows, so this breaks the budget with a probability of at most
1 − confidence; with one sample a group the bound is exact (Clopper and Pearson), else that of `intervals`.
A promise holds for inputs like those it was found on and for the attacks of the study, and for each detector and ε by
itself.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rrlib.analysis.intervals import Array, clopper_pearson, effective_of_moments, share_interval
from rrlib.analysis.rules import Threshold, clean_correct, kept, robust, thresholds
from rrlib.analysis.summary import at_epsilon
from rrlib.errors import InputError

ON_CLEAN, ON_ATTACKED = "clean score", "attacked score"
PROMISED, DECIDES_NOTHING, CANNOT = "promised", "decides nothing", "cannot be promised"


class _Half(NamedTuple):
    margin: Array  # |p − threshold| of the clean input (N,)
    reach: Array  # a band of at least this width prevents the flip; negative where there is none (N,)
    right: NDArray[np.bool_]  # clean (N,)
    group: NDArray[Any]


def halves(groups: ArrayLike, salt: int = 0) -> NDArray[np.bool_]:
    """Which samples find a band, (N,) bool; the others judge it. Whole groups, the half of them with the lower hash.

    The same names give the same halves on every machine; another salt gives others.

    >>> halves(["a", "a", "b", "c", "d"]).tolist()
    [True, True, False, False, True]
    """
    names = np.asarray(groups).astype(str)
    unique = sorted(set(names), key=lambda name: hashlib.sha256(f"{salt}:{name}".encode()).hexdigest())
    return np.isin(names, unique[: len(unique) // 2])


def narrowest_band(reach: ArrayLike, budget: float) -> float:
    """The narrowest band whose decided-then-flipped share of these very samples is within the budget, no promise.

    Args:
        reach: (N,) the width from which on a band prevents the sample's flip; negative where nothing flips it.
        budget: share of all inputs in [0, 1).

    >>> narrowest_band([0.4, 0.3, 0.2, -1, -1], budget=0.2)
    0.3
    """
    reach = np.asarray(reach, dtype=float)
    allowed = int(np.floor(_checked(budget) * len(reach) + 1e-9))
    flips = np.sort(reach[reach >= 0])[::-1]
    return float(flips[allowed]) if len(flips) > allowed else 0.0


def promised_band(reach: ArrayLike, groups: ArrayLike, budget: float, confidence: float = 0.95) -> float:
    """The narrowest band that keeps the flipped share of new inputs within the budget, with this confidence.

    Args:
        reach: as in `narrowest_band`.
        groups: (N,) labels.
        budget: share of all inputs in (0, 1).
        confidence: in (0.5, 1).

    Returns:
        The band, NaN where not even one that decides nothing can be promised: there are too few groups.

    >>> band = promised_band([0.4, 0.3] + [-1] * 98, list(range(100)), budget=0.05)
    >>> band  # 1 flip of 100 is still below 5 % with 95 % confidence, 2 are not
    0.3
    >>> promised_band([-1] * 58, list(range(58)), budget=0.05)
    nan
    """
    reach, names = np.asarray(reach, dtype=float), np.asarray(groups)
    order = np.lexsort([names.astype(str), -reach])  # the farthest flips first, ties in one order on every machine
    order = order[reach[order] >= 0]
    codes, unique = pd.factorize(names, sort=True)
    sizes = np.bincount(codes, minlength=len(unique)).astype(float)
    flipping = codes[order]
    before = pd.Series(flipping).groupby(flipping).cumcount().to_numpy(float)
    start = np.zeros(1)
    hits = np.concatenate([start, np.arange(1.0, len(order) + 1)])
    squares = np.concatenate([start, np.cumsum(2 * before + 1)])
    cross = np.concatenate([start, np.cumsum(sizes[flipping])])
    some = np.concatenate([start, np.cumsum(before == 0)])
    all_of_them = np.concatenate([start, np.cumsum(before + 1 == sizes[flipping])])
    rarer = np.minimum(some, len(sizes) - all_of_them)
    found = effective_of_moments(hits, squares, cross, rarer, sizes)
    bound = clopper_pearson(found, float(len(reach)), 1 - _checked_one_sided(confidence))[1]
    # with k flips decided the band is that which prevents the next one; of equal reaches all or none are decided
    within = bound <= _checked(budget)
    if not within[0]:
        return float("nan")
    widths = np.concatenate([reach[order], start])
    stop = len(within) if within.all() else int(np.argmin(within))  # the first number of flips that is too many
    return float(widths[stop - 1])


def groups_needed(budget: float, confidence: float = 0.95) -> int:
    """How many groups a promise needs at least, were there no flip at all: (1 − budget)^n ≤ 1 − confidence.

    >>> groups_needed(0.05)
    59
    """
    return int(np.ceil(np.log(1 - _checked_one_sided(confidence)) / np.log(1 - _checked(budget)) - 1e-9))


def bands(
    worst: pd.DataFrame,
    epsilon: float,
    budget: float,
    confidence: float = 0.95,
    threshold: Threshold = 0.5,
    salt: int = 0,
) -> pd.DataFrame:
    """Bands per (data set, detector) at one ε, found on one half of the groups and judged on the other.

    Args:
        worst: from `worst_case`, with the same threshold.
        epsilon: one of the table.
        budget: share of all inputs that may be decided and then flipped, in (0, 1).
        confidence: of the promise and of the intervals.
        threshold: the probability of fake above which a detector says fake.
        salt: another salt splits the groups otherwise.

    Returns:
        Two rows per (data set, detector): `on` "clean score" abstains by the score before the attack, `on` "attacked
        score" by the one that a system under attack would see. Columns: dataset, detector, epsilon, on, verdict
        ("promised", "decides nothing", "cannot be promised"), band, decided (share of clean inputs still decided),
        right (of these, before the attack) and flipped (of all inputs) with intervals _low and _high on the judging
        half, trusted (the intervals), narrowest (the band that would do on all samples, without a promise), tolerance
        (the smallest τ with RR(τ) ≥ 1 − budget on all samples, the band that RR alone offers, design law 6), bound
        (1 − RR(band) on all samples, what RR alone says of this band), found_on and judged_on (groups), and reason.

    Raises:
        InputError: for an ε that the table lacks, a budget or confidence out of range, or a table of single attacks.
    """
    _checked(budget)
    if "crossed" not in worst:
        raise InputError("a table of single attacks was given; a guardrail needs worst_case(table)")
    rows = []
    for (dataset, detector), part in at_epsilon(worst, epsilon).groupby(["dataset", "detector"], sort=False):
        part = part.sort_values("sample", kind="stable")
        tolerance = float(np.quantile(part["shift"], 1 - budget, method="inverted_cdf"))
        for on in (ON_CLEAN, ON_ATTACKED):
            every = _half(part, on, threshold)
            finding = halves(every.group, salt)
            found, judged = _chosen(every, finding), _chosen(every, ~finding)
            row: dict[str, Any] = {"dataset": dataset, "detector": detector, "epsilon": epsilon, "on": on}
            row |= _promise(found, judged, budget, confidence)
            row |= {"narrowest": narrowest_band(every.reach, budget), "tolerance": tolerance}
            row |= {"bound": 1 - float(robust(part, [row["band"]]).mean()) if row["band"] >= 0 else np.nan}
            rows.append(row)
    return pd.DataFrame(rows)


def bands_over_epsilon(
    worst: pd.DataFrame, budget: float, confidence: float = 0.95, threshold: Threshold = 0.5, salt: int = 0
) -> pd.DataFrame:
    """`bands` at every ε > 0 of the table: up to which ε a band still decides something."""
    epsilons = sorted(epsilon for epsilon in worst["epsilon"].unique() if epsilon > 0)
    parts = [bands(worst, epsilon, budget, confidence, threshold, salt) for epsilon in epsilons]
    return pd.concat(parts, ignore_index=True)


def card(row: pd.Series, budget: float, confidence: float, **about: Any) -> dict[str, Any]:
    """A row of `bands` as plain numbers and texts for YAML, with what it is about (checkpoint hash, commit, …).

    >>> row = pd.Series({"dataset": "d", "detector": "f", "epsilon": np.float64(0.1), "band": np.float64(0.25)})
    >>> card(row, 0.05, 0.95, commit="c642e3b")["promise"]
    {'budget': 0.05, 'confidence': 0.95, 'epsilon': 0.1, 'band': 0.25}
    """
    plain = {str(name): value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
    plain = {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in plain.items()}
    promise = {"budget": budget, "confidence": confidence, "epsilon": plain["epsilon"], "band": plain["band"]}
    first = {"dataset": plain.pop("dataset"), "detector": plain.pop("detector"), **about}
    return {**first, "promise": promise, "measured": {k: v for k, v in plain.items() if k not in ("epsilon", "band")}}


def _half(part: pd.DataFrame, on: str, threshold: Threshold) -> _Half:
    margin = np.abs(part["p_clean"].to_numpy(float) - thresholds(part, threshold))
    flips = ~kept(part, threshold)
    reach = margin if on == ON_CLEAN else np.maximum(part["crossed"].to_numpy(float), 0)
    return _Half(margin, np.where(flips, reach, -1.0), clean_correct(part, threshold), part["group"].to_numpy())


def _chosen(half: _Half, rows: NDArray[np.bool_]) -> _Half:
    return _Half(half.margin[rows], half.reach[rows], half.right[rows], half.group[rows])


def _promise(found: _Half, judged: _Half, budget: float, confidence: float) -> dict[str, Any]:
    """The band of the finding half, and what the judging half says of it."""
    groups = len(np.unique(found.group.astype(str)))
    band = promised_band(found.reach, found.group, budget, confidence) if groups > 1 else float("nan")
    row: dict[str, Any] = {"verdict": CANNOT, "band": band}
    for name in ("decided", "right", "flipped"):
        row |= {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    row |= {"trusted": False, "found_on": groups, "judged_on": len(np.unique(judged.group.astype(str)))}
    if np.isnan(band):
        needed = groups_needed(budget, confidence)
        row["reason"] = f"cannot be promised with {groups} groups: {needed} are needed even if nothing flips"
        return row
    decided = judged.margin > band
    shares = {"decided": (decided, judged.group), "flipped": (judged.reach > band, judged.group)}
    if decided.any():
        shares["right"] = (judged.right[decided], judged.group[decided])
    trusted = []
    for name, (hits, names) in shares.items():
        interval = share_interval(hits, names, confidence)
        row |= {name: float(hits.mean()), f"{name}_low": interval.low, f"{name}_high": interval.high}
        trusted.append(bool(interval.trusted))
    row |= {"verdict": PROMISED if decided.any() else DECIDES_NOTHING, "trusted": all(trusted)}
    row["reason"] = (
        f"found on {groups} groups: at most {budget:g} of all inputs are decided and then flipped, with "
        f"{confidence:.0%} confidence"
        if decided.any()
        else f"the band that keeps the promise, {band:.3f}, leaves nothing to decide"
    )
    return row


def _checked(budget: float) -> float:
    if not 0 <= budget < 1:
        raise InputError(f"budget is {budget}; it is a share of inputs in [0, 1)")
    return budget


def _checked_one_sided(confidence: float) -> float:
    if not 0.5 < confidence < 1:
        raise InputError(f"confidence {confidence} was given; use a number between 0.5 and 1, such as 0.95")
    return confidence
