"""Can the attacks on a detector be trusted? A checklist, each item with a verdict and the numbers behind it.

An RA or RR is an upper bound; it is worth reading where the attacks had a fair chance. Carlini et al. (2019,
arXiv 1902.06705, section 5) list what happens where they had none, be it that the detector hides its gradient or that
the attacks are weak: a larger ball helps the detector, one step beats many, noise or a black box beats the gradient, an
attack without a bound does not succeed, a longer search still finds more. Three items follow from the study's own
tables, eight from a few more looks at some samples (`rrlib.evaluation.probe`).

Chance fails no detector. A comparison over ε fails where its interval, corrected for all comparisons of the item, lies
on the wrong side; an item over samples passes where no sample speaks against it, and fails where the interval of the
share of those that do lies above `TOLERATED`. In between, and where there are too few groups, it is undecided.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.analysis.differences import difference_interval
from rrlib.analysis.intervals import share_interval
from rrlib.analysis.rules import Bools, Threshold, correct, robust, thresholds
from rrlib.analysis.summary import at_epsilon
from rrlib.analysis.words import UNDECIDED
from rrlib.analysis.worst import worst_case
from rrlib.errors import InputError
from rrlib.metrics import predicted_fake

PASSES, FAILS = "passes", "fails"
RISK = 0.05
SLACK = 0.05  # by which a share may be on the wrong side and an item still pass: what counts as alike elsewhere
TOLERATED = 0.05  # share of samples that may speak against an item
UNSAID = 0.5  # an interval that reaches it says nothing about a share of which no case was seen
FURTHER = 0.01  # shift by which a black box must be ahead to count
ALIKE = 1e-4  # probabilities of one input, twice
MISSED = 0.1  # of the gradient, by finite differences


@dataclass(frozen=True)
class Item:
    """One line of the checklist: what should be so, its verdict, and a sentence with the numbers."""

    name: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Kinds:
    """The names of a study's attacks: noise, a single step, and many steps."""

    noise: Collection[str] = ()
    one_step: Collection[str] = ()
    iterated: Collection[str] = ()


def checklist(
    table: pd.DataFrame,
    kinds: Kinds,
    epsilon: float,
    tolerance: float,
    probe: pd.DataFrame | None = None,
    threshold: Threshold = 0.5,
    worst: pd.DataFrame | None = None,
) -> list[Item]:
    """All items about one detector on one data set.

    Args:
        table: the result tables of all its attacks, below each other.
        kinds: which of them are which.
        epsilon, tolerance: those that the study singles out; `probe` was made at this ε.
        probe: the table of `rrlib.evaluation.probe`, of some of the same samples; without it, or without rows at its ε,
            items of tables alone.
        threshold: the probability of fake above which the detector says fake.
        worst: the worst case of the table, where it is there already.

    Raises:
        InputError: where the table holds several detectors, or not the samples of the probe.
    """
    if len(table[["dataset", "detector"]].drop_duplicates()) != 1:
        raise InputError("a checklist is of one detector on one data set; pass the tables of one")
    found = from_tables(table, kinds, tolerance, threshold)
    if probe is not None and epsilon in set(table["epsilon"]):
        worst = worst_case(table, threshold=threshold) if worst is None else worst
        found += from_probe(probe, worst, epsilon, tolerance, threshold)
    return found


def from_tables(table: pd.DataFrame, kinds: Kinds, tolerance: float, threshold: Threshold = 0.5) -> list[Item]:
    """The items that follow from result tables: ε, one step, noise."""
    table = table[table["epsilon"] > 0]
    gradients = [*kinds.one_step, *kinds.iterated]
    return [
        _larger_epsilon(table, tolerance, threshold),
        _weaker(
            "many steps beat one",
            _each(table, kinds.one_step, tolerance, threshold),
            _each(table, kinds.iterated, tolerance, threshold),
            "one step",
            "many steps",
        ),
        _weaker(
            "noise is weaker than gradients",
            _each(table, kinds.noise, tolerance, threshold),
            _each(table, gradients, tolerance, threshold),
            "noise",
            "gradients",
        ),
    ]


def from_probe(
    probe: pd.DataFrame, worst: pd.DataFrame, epsilon: float, tolerance: float, threshold: Threshold = 0.5
) -> list[Item]:
    """The items that a probe decides; `worst` is the study's worst case of the same detector.

    Raises:
        InputError: where the worst case lacks samples of the probe, or ε.
    """
    at = at_epsilon(worst, epsilon).set_index("sample")
    if absent := sorted(set(probe["sample"]) - set(at.index)):
        raise InputError(f"the worst case has no sample {absent[0]}, which was probed; measure both on one data set")
    at = at.loc[probe["sample"]].reset_index()
    (cut,) = np.unique(thresholds(at, threshold))
    groups: NDArray[np.object_] = probe["group"].to_numpy()
    has = probe["gradient"].to_numpy(bool)
    right = _right(probe, "clean", float(cut))
    found = [
        _over_samples(
            "gradients are there",
            ~has,
            groups,
            "{} have a gradient that is zero or not finite, so that an attack cannot follow it",
        ),
        _over_samples(
            "scores are not saturated",
            has & ~probe["loss_gradient"].to_numpy(bool),
            groups,
            "in {} the score is so near 0 or 1 that the gradient of its logarithm rounds to zero",
        ),
        _among(
            "the gradient is the slope",
            has,
            ~(probe["slope_error"].to_numpy(float) <= MISSED),
            groups,
            f"in {{}} finite differences miss the gradient by more than {MISSED:.0%}",
        ),
        _among(
            "the loss rises along the way",
            has & right,  # an answer that is wrong already may be as wrong as it can be
            ~(probe["rise"].to_numpy(float) > 0),
            groups,
            "{} that are right are no nearer to the wrong answer after a way of small steps",
        ),
    ]
    # balls nest: what a smaller one has flipped is flipped
    last = at_epsilon(worst, float(worst["epsilon"].max())).set_index("sample").loc[probe["sample"]].reset_index()
    still = _right(probe, "unbounded", float(cut)) & _right(probe, "long", float(cut)) & correct(last, threshold)
    said = "{} keep the right verdict under all attacks up to ε = 1"
    found.append(_over_samples("an attack without a bound succeeds", still, groups, said))
    ahead = probe["square"].to_numpy(float) - at["shift"].to_numpy(float)
    said = f"{{}} are moved further by the black box than by all attacks of the study at ε = {epsilon:g}"
    found.append(_over_samples("a black box is no stronger", ahead > FURTHER, groups, said))
    found.append(_longer(probe, at, tolerance, float(cut), threshold, groups))
    found.append(_repeats(probe))
    return found


def failing(items: Sequence[Item]) -> list[Item]:
    """Those that fail."""
    return [item for item in items if item.verdict == FAILS]


def distrusted(checklists: Mapping[tuple[str, str], Sequence[Item]]) -> dict[tuple[str, str], str]:
    """Why the attacks on a detector cannot be trusted, by (data set, detector); those that fail nothing are left out.

    >>> items = [Item("gradients are there", "fails", "24 of 24 samples have none"), Item("noise", "passes", "…")]
    >>> distrusted({("faces", "mine"): items, ("faces", "other"): items[1:]})
    {('faces', 'mine'): 'the attacks on mine cannot be trusted on faces: 24 of 24 samples have none'}
    """
    return {
        (dataset, detector): f"the attacks on {detector} cannot be trusted on {dataset}: "
        + "; ".join(item.reason for item in failing(items))
        for (dataset, detector), items in checklists.items()
        if failing(items)
    }


@dataclass(frozen=True)
class _Left:
    """What is left under some attacks at each ε by itself: the verdict under all of them, and the shift under none."""

    epsilons: list[float]
    hits: NDArray[np.bool_]  # (N, 2, E): right under all, and within the tolerance under all
    groups: NDArray[np.object_]


def _each(table: pd.DataFrame, attacks: Collection[str], tolerance: float, threshold: Threshold) -> _Left | None:
    """None where the table has none of them; at each ε by itself, so that a smaller ball cannot help a larger one."""
    part = table[table["attack"].isin(list(attacks))]
    if part.empty:
        return None
    hits = part[["sample", "group", "epsilon"]].assign(
        _ra=correct(part, threshold), _rr=robust(part, [tolerance])[:, 0]
    )
    left = hits.groupby(["sample", "epsilon"], sort=True).agg({"group": "first", "_ra": "all", "_rr": "all"})
    wide = left.unstack("epsilon")
    epsilons = [float(epsilon) for epsilon in wide["_ra"].columns]
    both = np.stack([wide["_ra"].to_numpy(bool), wide["_rr"].to_numpy(bool)], axis=1)
    return _Left(epsilons, both, left["group"].unstack("epsilon").to_numpy(object)[:, 0])


def _larger_epsilon(table: pd.DataFrame, tolerance: float, threshold: Threshold) -> Item:
    name = "a larger ε never helps"
    left = _each(table, table["attack"].unique(), tolerance, threshold)
    if left is None or len(left.epsilons) < 2:
        return Item(name, UNDECIDED, "There are fewer than two ε above 0, so that nothing can be compared.")
    pairs = [f"from ε = {one:g} to {two:g}" for one, two in zip(left.epsilons, left.epsilons[1:], strict=False)]
    return _compared(name, left.hits[:, :, 1:], left.hits[:, :, :-1], left.groups, pairs, " changes by")


def _weaker(name: str, weak: _Left | None, strong: _Left | None, weak_name: str, strong_name: str) -> Item:
    if weak is None or strong is None:
        lacking = weak_name if weak is None else strong_name
        return Item(name, UNDECIDED, f"The study has no attack by {lacking}, so that nothing can be compared.")
    places = [f"at ε = {epsilon:g}" for epsilon in strong.epsilons]
    said = f", {strong_name} less {weak_name}, is"
    return _compared(name, strong.hits, weak.hits, strong.groups, places, said)


def _compared(
    name: str, first: Bools, second: Bools, groups: NDArray[np.object_], places: Sequence[str], said: str
) -> Item:
    """Whether the first shares, (N, 2, E) for RA and RR, are nowhere above the second ones."""
    one, two = first.reshape(len(first), -1), second.reshape(len(second), -1)
    low, high, _ = difference_interval(one, two, groups, 1 - RISK / one.shape[1])
    difference = one.mean(axis=0) - two.mean(axis=0)
    labels = [f"{measure} {place}" for measure in ("RA", "RR") for place in places]
    worst = int(np.argmax(low)) if (low > 0).any() else int(np.argmax(difference))
    measure, _, place = labels[worst].partition(" ")
    interval = f"{difference[worst]:+.3f} [{low[worst]:+.3f}, {high[worst]:+.3f}]"
    reason = f"{measure} {place}{said} {interval}, the highest of {len(labels)} differences of RA and RR."
    if (low > 0).any():
        return Item(name, FAILS, reason)
    return Item(name, PASSES if (high <= SLACK).all() else UNDECIDED, reason)


def _right(probe: pd.DataFrame, which: str, cut: float) -> Bools:
    """Whether the verdict is right under all of the probe's attacks of one kind, or "clean"."""
    fake = probe["label"].to_numpy() == 1
    ends = ("p_clean", "p_clean") if which == "clean" else (f"{which}_low", f"{which}_high")
    lowest, highest = (predicted_fake(probe[end].to_numpy(float), cut) for end in ends)
    right: Bools = np.where(fake, lowest, ~highest)
    return right


def _longer(
    probe: pd.DataFrame,
    at: pd.DataFrame,
    tolerance: float,
    cut: float,
    threshold: Threshold,
    groups: NDArray[np.object_],
) -> Item:
    ra, rr = correct(at, threshold), robust(at, [tolerance])[:, 0]
    ra_longer = ra & _right(probe, "long", cut)
    rr_longer = rr & (probe["long"].to_numpy(float) <= tolerance)
    said = (
        f"{{}} change their verdict or leave the tolerance in a longer search, which takes RA from {ra.mean():.3f} to "
        f"{ra_longer.mean():.3f} and RR({tolerance:g}) from {rr.mean():.3f} to {rr_longer.mean():.3f}"
    )
    return _over_samples("a longer search changes little", (ra != ra_longer) | (rr != rr_longer), groups, said)


def _repeats(probe: pd.DataFrame) -> Item:
    apart = float((probe["p_again"] - probe["p_clean"]).abs().max())
    reason = f"The probability of fake differs by at most {apart:.2g} between two looks at one input."
    return Item("the same input has the same answer", PASSES if apart <= ALIKE else FAILS, reason)


def _among(name: str, chosen: Bools, against: Bools, groups: NDArray[np.object_], said: str) -> Item:
    """An item about the samples that have a gradient, as the lack of one is an item of its own."""
    if not chosen.any():
        return Item(name, UNDECIDED, "No sample has a gradient that could be looked at.")
    return _over_samples(name, against[chosen], groups[chosen], said)


def _over_samples(name: str, against: Bools, groups: NDArray[np.object_], said: str) -> Item:
    low, high, _ = share_interval(against, groups)
    reason = said.format(f"{int(against.sum())} of {len(against)} samples")
    reason = f"{reason[0].upper()}{reason[1:]} (share in [{low:.3f}, {high:.3f}])."
    if low > TOLERATED:
        return Item(name, FAILS, reason)
    return Item(name, PASSES if not against.any() and high < UNSAID else UNDECIDED, reason)
