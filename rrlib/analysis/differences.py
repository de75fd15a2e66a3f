"""How sure the difference of two shares over the same samples is: two detectors, the groups of one test set.

A t interval over groups is too narrow where shares are near 0 and 1 and the detectors' samples hang together
differently: of 100 differences that are none, it calls up to 18 real at a nominal 5 (`benchmarks/coverage.py`). Sign
flips over groups are exact where the two detectors could change places, and too narrow there as well. So a difference
counts only where both sign flips and the interval below say so.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import convolve
from scipy.stats import binom

from rrlib.analysis.intervals import (
    Array,
    Interval,
    checked_hits,
    clopper_pearson,
    effective,
    group_sums,
    share_interval,
)
from rrlib.errors import InputError

SMALLEST, HALVINGS = -12.0, 30  # log10 of the smallest p-value that is searched, and steps: to a relative 3e-8


class _Pair(NamedTuple):
    first: Array  # hits of each group (G, M)
    second: Array
    sizes: Array  # (G,)


def difference_interval(
    first: ArrayLike, second: ArrayLike, groups: ArrayLike, confidence: float | Array = 0.95
) -> Interval:
    """Interval of the difference of two shares over the same grouped samples, first − second.

    Zou and Donner, "Construction of confidence limits about effect measures", Statist. Med. 27 (2008), and for paired
    shares Newcombe, Statist. Med. 17 (1998), method 10: the limits of the two shares, here those of `share_interval`,
    are combined as variances are, with the correlation of the two over groups. That correlation is taken as far as
    enough groups hold the rarer answer, and as 0 below.

    Args:
        first, second: (N,) or (N, M) of bool, sample for sample.
        groups: (N,) labels.
        confidence: in (0, 1), one for all or (M,).

    Returns:
        (low, high, trusted) in [−1, 1], scalars for (N,) and (M,) arrays for (N, M).

    Raises:
        InputError: for shapes that differ, and as `share_interval`.

    >>> low, high, _ = difference_interval([1] * 12, [0] * 6 + [1] * 6, groups=list(range(12)))
    >>> print(f"{low:.3f} {high:.3f}")
    0.108 0.789
    """
    pair = _pair(first, second, groups)
    low, high = _limits(pair, np.broadcast_to((1 - _checked(confidence)) / 2, pair.first.shape[1:]))
    trusted = share_interval(first, groups).trusted
    if np.ndim(first) == 1:
        return Interval(float(low[0]), float(high[0]), trusted)
    return Interval(low, high, trusted)


def sign_flips(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> Any:
    """Two-sided p-value of a difference, over all ways to swap the two detectors in each group; exact, no draws.

    Fisher's randomisation test on the groups' differences (The Design of Experiments, 1935); with one sample a group
    it is McNemar's exact test. Counts are whole, so the distribution of their sum under all 2^G sign flips is a product
    of polynomials.

    Returns:
        p in (0, 1], a scalar for (N,) and an (M,) array for (N, M).

    Raises:
        InputError: as `difference_interval`.

    >>> sign_flips([1] * 5, [0] * 5, groups=list("abcde"))  # 2 of the 32 ways
    0.0625
    """
    pair = _pair(first, second, groups)
    p = np.array([_flipped(column) for column in (pair.first - pair.second).T.astype(int)])
    return float(p[0]) if np.ndim(first) == 1 else p


def difference_p(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> Any:
    """p-value of a difference: the larger of that of `sign_flips` and that at which `difference_interval` reaches 0.

    Raises:
        InputError: as `difference_interval`.

    >>> print(f"{difference_p([1] * 12, [0] * 6 + [1] * 6, groups=list(range(12))):.3f}")
    0.031
    """
    pair = _pair(first, second, groups)
    exact = np.atleast_1d(sign_flips(first, second, groups))
    small, large = np.full(exact.shape, SMALLEST), np.zeros(exact.shape)
    for _ in range(HALVINGS):
        middle = (small + large) / 2
        low, high = _limits(pair, 10**middle / 2)
        excludes = (low > 0) | (high < 0)
        small, large = np.where(excludes, small, middle), np.where(excludes, middle, large)
    p = np.maximum(exact, 10**large)
    return float(p[0]) if np.ndim(first) == 1 else p


def _limits(pair: _Pair, tail: Array) -> tuple[Array, Array]:
    n = float(pair.sizes.sum())
    halves = [effective(sums, pair.sizes) for sums in (pair.first, pair.second)]
    (one, two), limits = halves, [clopper_pearson(half, n, tail) for half in halves]
    residuals = [
        sums - np.multiply.outer(pair.sizes, half.share)
        for sums, half in zip((pair.first, pair.second), halves, strict=True)
    ]
    product = np.sqrt((residuals[0] ** 2).sum(0) * (residuals[1] ** 2).sum(0))
    with np.errstate(invalid="ignore"):
        correlation = np.where(product > 0, (residuals[0] * residuals[1]).sum(0) / product, 0.0)
    correlation *= np.minimum(one.believed, two.believed)
    (low_one, high_one), (low_two, high_two) = limits
    difference = one.share - two.share
    low = difference - _combined(one.share - low_one, high_two - two.share, correlation)
    high = difference + _combined(high_one - one.share, two.share - low_two, correlation)
    return low, high


def _combined(one: Array, two: Array, correlation: Array) -> Array:
    found: Array = np.sqrt(np.maximum(one**2 + two**2 - 2 * correlation * one * two, 0))
    return found


def _flipped(differences: NDArray[np.int_]) -> float:
    """P(|Σ ± d| ≥ |Σ d|) over independent fair signs."""
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances = np.ones(1)  # of the sum that is index − len // 2
    for size, count in zip(sizes, counts, strict=True):
        step = np.zeros(2 * size * count + 1)
        step[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.maximum(convolve(chances, step), 0)  # large ones by FFT, which rounds below 0
    total, middle = abs(int(differences.sum())), len(chances) // 2
    if total == 0:
        return 1.0
    return float(min(1.0, 2 * chances[middle + total :].sum()))


def _checked(confidence: float | Array) -> Array:
    values = np.asarray(confidence, dtype=float)
    if not np.all((values > 0) & (values < 1)):
        raise InputError(f"confidence {confidence} was given; use numbers between 0 and 1, such as 0.95")
    return values


def _pair(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> _Pair:
    if np.shape(first) != np.shape(second):
        raise InputError(
            f"the two detectors have hits of shapes {np.shape(first)} and {np.shape(second)}; "
            "pass the same samples for both"
        )
    one, codes = checked_hits(first, groups)
    two, _ = checked_hits(second, groups)
    (first_sums, sizes), (second_sums, _) = group_sums(one, codes), group_sums(two, codes)
    return _Pair(first_sums, second_sums, sizes)
