"""How sure a share is: whether each sample is a hit in, confidence interval out.

Samples that share a group (the source video, the identity) are not independent, and an interval that ignores this is
too narrow. RR lives near 0 and 1, where at a nominal .95 a bootstrap over groups holds the truth in as few as .31 of
all cases, and Wilson's interval with an effective number of samples in .79. The interval here keeps .93
(`benchmarks/coverage.py`), because it takes the samples of a group for copies of each other until enough groups say
otherwise.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

from rrlib.errors import InputError

Array = NDArray[np.float64]
TINY = 1e-300
FEW_GROUPS = 10  # with fewer, no coverage was measured
ENOUGH_RARE = 12  # groups with the rarer answer, from which on the measured correlation within groups is believed


class Interval(NamedTuple):
    """A confidence interval, and whether its coverage was measured for as few groups: scalars or arrays (M,)."""

    low: Any
    high: Any
    trusted: Any


class Effective(NamedTuple):
    """Shares of grouped samples as if they were shares of fewer independent ones; arrays (M,)."""

    share: Array
    size: Array  # the effective number of samples
    freedom: float  # groups of equal size that say as much about variances, less one
    believed: Array  # 0 … 1, how far the measured correlation within groups is believed


def share_interval(hits: ArrayLike, groups: ArrayLike, confidence: float = 0.95) -> Interval:
    """Interval of a share of grouped samples: Clopper and Pearson's on the effective number of samples.

    Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", Survey Methodology 24 (1998): the n of Clopper and Pearson (Biometrika 26, 1934) is divided by
    the design effect, and by the square of the ratio of t quantiles with the groups' and the samples' degrees of
    freedom. The design effect is that measured, mixed with the largest possible (all samples of a group alike, Kish
    1965) as long as fewer than `ENOUGH_RARE` groups hold the rarer answer: a design effect measured on less is noise,
    and this is where the interval of Korn and Graubard falls to .82. Where every sample is a group, the interval is
    Clopper and Pearson's own.

    Args:
        hits: (N,) or (N, M) of bool, one column for each share.
        groups: (N,) labels.
        confidence: in (0, 1).

    Returns:
        (low, high, trusted), low and high in [0, 1], scalars for (N,) and (M,) arrays for (N, M). Not trusted is an
        interval of grouped samples over the equivalent of fewer than `FEW_GROUPS` groups of equal size (Kish).

    Raises:
        InputError: for shapes that do not match, missing groups, hits other than 0 and 1, or a confidence out of range.

    >>> low, high, trusted = share_interval([True] * 12, groups=list("abcdefghijkl"))
    >>> print(f"{low:.3f} {high:.3f} {trusted}")
    0.735 1.000 True
    >>> low, high, trusted = share_interval([True] * 12, groups=list("aaabbbcccddd"))
    >>> print(f"{low:.3f} {high:.3f} {trusted}")
    0.398 1.000 False
    """
    values, codes = checked_hits(hits, groups)
    sums, sizes = group_sums(values, codes)
    found = effective(sums, sizes)
    low, high = clopper_pearson(found, float(sizes.sum()), (1 - checked_confidence(confidence)) / 2)
    exact = len(sizes) == len(values)
    trusted = np.full(low.shape, exact or found.freedom + 1 >= FEW_GROUPS - 1e-9)
    if np.ndim(hits) == 1:
        return Interval(float(low[0]), float(high[0]), bool(trusted[0]))
    return Interval(low, high, trusted)


def upper_bound(hits: ArrayLike, groups: ArrayLike, confidence: float = 0.95) -> Any:
    """What a share stays below with this confidence, one-sided: the upper end of `share_interval` at twice the risk.

    >>> print(f"{upper_bound([False] * 59, list(range(59))):.4f}")  # 59 trials without a hit: at most 5 %
    0.0495
    """
    return share_interval(hits, groups, 2 * checked_confidence(confidence) - 1).high


def effective(sums: Array, sizes: Array) -> Effective:
    """The effective sample of shares: hits of each group (G, M) and group sizes (G,) → arrays (M,)."""
    hits, squares, cross = sums.sum(0), (sums**2).sum(0), sizes @ sums
    rarer = np.minimum((sums > 0).sum(0), (sums < sizes[:, None]).sum(0))
    return effective_of_moments(hits, squares, cross, rarer, sizes)


def effective_of_moments(hits: Array, squares: Array, cross: Array, rarer: ArrayLike, sizes: Array) -> Effective:
    """`effective` from Σ s, Σ s², Σ s m over groups with s hits of m samples, and the groups with the rarer answer."""
    count, n, sizes_squared = len(sizes), float(sizes.sum()), float((sizes**2).sum())
    share = hits / n
    equal_groups = n**2 / sizes_squared
    believed = np.clip((np.asarray(rarer) - 1) / (ENOUGH_RARE - 1), 0, 1)
    if count == n:  # each sample a group
        return Effective(share, np.full(share.shape, n), n - 1, believed)
    spread = np.maximum(squares - 2 * share * cross + share**2 * sizes_squared, 0)  # Σ (s − m p)²
    variance = (count / (count - 1) if count > 1 else 1.0) * spread / n**2
    independent = share * (1 - share) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = np.where(independent > 0, np.maximum(variance / independent, 1), 1)
    design = believed * measured + (1 - believed) * np.maximum(n / equal_groups, measured)
    return Effective(share, n / design, equal_groups - 1, believed)


def clopper_pearson(found: Effective, n: float, tail: float | Array) -> tuple[Array, Array]:
    """Clopper and Pearson's interval on effective samples; not on more than n, and fewer where groups are few.

    `tail` is the probability left out at each end, one for all or one for each share.
    """
    size = found.size
    if found.freedom < n - 1:
        # one group measures no variance; and a group never says less than one trial
        wider = (stdtrit(n - 1, tail) / stdtrit(found.freedom, tail)) ** 2 if found.freedom > 1e-9 else 0.0 * size
        size = np.clip(size * wider, found.freedom + 1, n)
    hits = found.share * size
    # quantiles of beta distributions, the upper one by symmetry; at the ends the limits are 0 and 1 themselves
    low = np.where(found.share > 0, betaincinv(np.maximum(hits, TINY), size - hits + 1, tail), 0.0)
    high = np.where(found.share < 1, 1 - betaincinv(np.maximum(size - hits, TINY), hits + 1, tail), 1.0)
    return low, high


def group_sums(values: Array, codes: NDArray[np.intp]) -> tuple[Array, Array]:
    """The sum of each column in each group (G, M), and the group sizes (G,)."""
    count = int(codes.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums, np.bincount(codes, minlength=count).astype(float)


def checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence} was given; use a number between 0 and 1, such as 0.95")
    return confidence


def checked_hits(hits: ArrayLike, groups: ArrayLike) -> tuple[Array, NDArray[np.intp]]:
    """Hits as (N, M) float64 and groups as codes 0 … G − 1 in sorted order."""
    values, labels = np.asarray(hits, dtype=float), np.asarray(groups)
    if values.ndim not in (1, 2) or labels.shape != values.shape[:1] or values.size == 0:
        raise InputError(
            f"hits of shape {values.shape} and groups of shape {labels.shape} were given; "
            "pass (N,) or (N, M) hits with N ≥ 1 and (N,) groups"
        )
    codes, _ = pd.factorize(labels, sort=True)
    if (codes < 0).any():
        raise InputError("a group is missing; leave out the samples that have none")
    if not np.isin(values, (0, 1)).all():
        raise InputError("hits contain other values than 0 and 1; pass whether each sample is a hit")
    return values.reshape(len(values), -1), codes
