"""How sure a share or a mean is: result tables in, confidence intervals out.

Samples that share a group (the source video, the identity) are not independent, and an interval that ignores
this is too narrow. `share_interval` picks the right one for a share; the others are its parts, the band of a whole
RR(τ) curve, and the difference between two detectors. Arrays may be numpy arrays or pandas columns.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from rrlib.errors import InputError

CHUNK = 2**20  # numbers held at once while groups are resampled
Interval = tuple[np.ndarray, np.ndarray]  # low, high; numpy scalars where the input is scalar


def wilson(successes: ArrayLike, total: ArrayLike, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share of independent samples.

    Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22
    (1927): the values of π with |p − π| ≤ z √(π (1 − π) / n).

    Args:
        successes: from 0 to total, any shape; need not be whole.
        total: n ≥ 1, a shape that broadcasts.
        confidence: in (0, 1).

    Returns:
        (low, high) of the broadcast shape, in [0, 1].

    Raises:
        InputError: for counts or a confidence outside these ranges.

    >>> low, high = wilson(45, 50)
    >>> print(f"{low:.3f} {high:.3f}")
    0.786 0.957
    """
    z = norm.isf((1 - _checked_confidence(confidence)) / 2)
    successes, total = np.asarray(successes, dtype=float), np.asarray(total, dtype=float)
    if not (np.all(total >= 1) and np.all((successes >= 0) & (successes <= total))):
        raise InputError(
            f"successes {successes} of total {total} were given; "
            "use a total of at least 1 and successes from 0 to the total"
        )
    share = successes / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2) / (1 + z**2 / total)
    # At the ends the formula gives exactly 0 and 1, but rounding does not.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == total, 1.0, centre + half)
    return low[()], high[()]


def dkw_half_width(n: int, confidence: float = 0.95) -> float:
    """Half the height of the band that holds the whole true curve RR(τ), at every τ at once.

    The Dvoretzky–Kiefer–Wolfowitz inequality (Ann. Math. Stat. 27, 1956) with the constant of Massart (Ann.
    Probab. 18, 1990): P(sup |F_n − F| > h) ≤ 2 exp(−2 n h²), solved for h = √(ln(2 / (1 − confidence)) / 2n). It
    needs independent samples.

    Args:
        n: samples, at least 1.
        confidence: in (0, 1).

    Raises:
        InputError: for an n or a confidence outside these ranges.

    >>> round(dkw_half_width(100), 4)
    0.1358
    """
    if not n >= 1:
        raise InputError(f"a band over {n} samples was asked for; use at least 1 sample")
    return float(np.sqrt(np.log(2 / (1 - _checked_confidence(confidence))) / (2 * n)))


def group_bootstrap(
    values: ArrayLike, groups: ArrayLike, draws: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean over samples, resampling whole groups with replacement.

    Field and Welsh, "Bootstrapping clustered data", J. R. Stat. Soc. B 69 (2007), the cluster bootstrap. With
    fewer than some 20 groups it is too narrow, and where all groups agree it has no width.

    Args:
        values: (N,), or (N, M) for M means over the same samples; bool or finite numbers.
        groups: (N,) labels, at least two different ones.
        draws: resamples, at least 1.
        confidence: in (0, 1).
        seed: the same seed gives the same interval; the order of the samples changes its rounding at most.

    Returns:
        (low, high), scalars for (N,) and (M,) arrays for (N, M).

    Raises:
        InputError: for shapes that do not match, missing values or labels, one group, or numbers out of range.

    >>> low, high = group_bootstrap([1, 1, 0, 0, 1, 0], ["a", "a", "b", "b", "c", "c"])
    >>> print(f"{low:.2f} {high:.2f}")
    0.00 1.00
    """
    confidence = _checked_confidence(confidence)
    means = resampled_means(values, groups, draws, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def resampled_means(
    values: ArrayLike, groups: ArrayLike, draws: int = 1000, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """The means that `group_bootstrap` takes its quantiles of, for statistics that are functions of means.

    The same seed draws the same groups for any values over the same groups, so that a difference of two statistics
    of one data set is paired.

    Args:
        seed: a number, or several for one stream each. The rest is as in `group_bootstrap`.

    Returns:
        (draws,) for (N,) values and (draws, M) for (N, M).

    Raises:
        InputError: as `group_bootstrap`.

    >>> resampled_means([0.5, 0.5, 0.25, 0.25], ["a", "a", "b", "b"], draws=4).tolist()
    [0.375, 0.375, 0.25, 0.25]
    """
    if draws < 1:
        raise InputError(f"{draws} draws were asked for; use at least 1, better 1000")
    values, codes = _checked_samples(values, groups)
    count = codes.max() + 1
    if count < 2:
        raise InputError("all samples are of one group; a bootstrap over groups needs at least 2")
    # A group enters a mean only through its sum and its size, so one small table stands for all samples.
    table = np.zeros((count, 1 + values[0].size))
    np.add.at(table, codes, np.column_stack([np.ones(len(values)), values]))
    generator = np.random.default_rng(seed)
    means = []
    for first in range(0, draws, chunk := max(1, CHUNK // count)):
        times = generator.multinomial(count, np.full(count, 1 / count), size=min(chunk, draws - first))
        size, *sums = (times @ table).T
        means.append(np.transpose(sums) / size[:, None])
    return np.concatenate(means).reshape(draws, *values.shape[1:])


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of mean(a) − mean(b) for two detectors on the same samples, resampling the same groups for both.

    With the same samples drawn for both, the difference of the means is the mean of the differences, so this is
    `group_bootstrap` of a − b: what makes a sample hard for both detectors cancels.

    Args:
        a, b: (N,) or (N, M), sample for sample. The rest is as in `group_bootstrap`.

    Returns:
        (low, high); an interval without 0 means that the detectors differ.

    Raises:
        InputError: for shapes that differ, and as `group_bootstrap`.

    >>> low, high = paired_bootstrap([0.9, 0.8, 0.7], [0.5, 0.4, 0.3], groups=[1, 2, 3])
    >>> print(f"{low:.2f} {high:.2f}")
    0.40 0.40
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise InputError(f"the two detectors have shapes {a.shape} and {b.shape}; pass the same samples for both")
    return group_bootstrap(a - b, groups, draws, confidence, seed)


def share_interval(
    hits: ArrayLike, groups: ArrayLike, draws: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of a share: `wilson` where every group occurs once, `group_bootstrap` where groups repeat.

    Where the bootstrap has nothing to say, because there is one group or all groups agree, the interval is
    Wilson's with each group counted as one trial, as if its samples were copies of each other.

    Args:
        hits: (N,) or (N, M) of bool, one column for each share. The rest is as in `group_bootstrap`.

    Returns:
        (low, high) in [0, 1], scalars for (N,) and (M,) arrays for (N, M).

    Raises:
        InputError: for hits other than 0 and 1, and as `group_bootstrap`, but for one group.

    >>> low, high = share_interval([True, True, True, True], groups=["a", "b", "c", "d"])
    >>> print(f"{low:.3f} {high:.3f}")
    0.510 1.000
    >>> low, high = share_interval([True, True, True, True], groups=["a", "a", "b", "b"])
    >>> print(f"{low:.3f} {high:.3f}")
    0.342 1.000
    """
    hits, codes = _checked_samples(hits, groups)
    if not np.isin(hits, (0, 1)).all():
        raise InputError("hits contain other values than 0 and 1; pass whether each sample is a hit")
    count = codes.max() + 1
    low, high = wilson(hits.mean(axis=0) * count, count, confidence)
    if count in (1, len(hits)):
        return low, high
    low_drawn, high_drawn = group_bootstrap(hits, codes, draws, confidence, seed)
    same = low_drawn == high_drawn
    return np.where(same, low, low_drawn)[()], np.where(same, high, high_drawn)[()]


def _checked_confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence} was given; use a number between 0 and 1, such as 0.95")
    return confidence


def _checked_samples(values: ArrayLike, groups: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Values as float64 and groups as codes 0 … G − 1 in sorted order."""
    values, groups = np.asarray(values, dtype=float), np.asarray(groups)
    if values.ndim not in (1, 2) or groups.shape != values.shape[:1] or values.size == 0:
        raise InputError(
            f"values of shape {values.shape} and groups of shape {groups.shape} were given; "
            "pass (N,) or (N, M) values with N ≥ 1 and (N,) groups"
        )
    codes, _ = pd.factorize(groups, sort=True)
    if not np.isfinite(values).all() or (codes < 0).any():
        raise InputError("a value or a group is missing; leave out the samples that have none")
    return values, codes
