"""A threshold from validation scores: where both kinds of errors are alike, or at a share of false alarms."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrlib.analysis.intervals import Array
from rrlib.errors import InputError


class Operating(NamedTuple):
    """A threshold, the probability of fake above which a sample is called fake, and its errors on these very scores."""

    threshold: float
    fpr: float  # share of reals called fake
    fnr: float  # share of fakes called real


def equal_error(p_fake: ArrayLike, label: ArrayLike) -> Operating:
    """The threshold at which the shares of false alarms and of missed fakes are closest (equal error rate, EER).

    It lies midway between two neighbouring scores, so that no score sits on it; of several equally close ones it is the
    lowest.

    Args:
        p_fake: (N,) probabilities of fake.
        label: (N,) 0 real, 1 fake; both must be there.

    >>> equal_error([0.6, 0.7, 0.8, 0.9], [0, 0, 1, 1])
    Operating(threshold=0.75, fpr=0.0, fnr=0.0)
    """
    real, fake = _classes(p_fake, label)
    every = np.unique(np.concatenate([real, fake]))
    candidates = (every[:-1] + every[1:]) / 2 if len(every) > 1 else every
    apart = np.abs(_above(real, candidates) - (1 - _above(fake, candidates)))
    return _at(float(candidates[int(np.argmin(apart))]), real, fake)


def at_fpr(p_fake: ArrayLike, label: ArrayLike, target: float) -> Operating:
    """The lowest threshold at which at most this share of the reals is called fake.

    It is a score of a real, as only above it a sample is called fake; where all may be called fake it is 0.

    Args:
        p_fake, label: as in `equal_error`.
        target: in [0, 1].

    Raises:
        InputError: for a target out of range, or one class only.

    >>> at_fpr([0.6, 0.7, 0.8, 0.9], [0, 0, 0, 1], target=0.4)
    Operating(threshold=0.7, fpr=0.3333333333333333, fnr=0.0)
    """
    if not 0 <= target <= 1:
        raise InputError(f"a false positive rate of {target} was asked for; it is a number in [0, 1]")
    real, fake = _classes(p_fake, label)
    allowed = int(np.floor(target * len(real) + 1e-9))
    descending = np.sort(real)[::-1]
    return _at(float(descending[allowed]) if allowed < len(real) else 0.0, real, fake)


def _classes(p_fake: ArrayLike, label: ArrayLike) -> tuple[Array, Array]:
    p, fake = np.asarray(p_fake, dtype=float), np.asarray(label) == 1
    if fake.all() or not fake.any():
        raise InputError("scores of one class were given; a threshold needs reals and fakes")
    return p[~fake], p[fake]


def _above(scores: Array, thresholds: NDArray[np.float64]) -> Array:
    """The share of scores above each threshold."""
    above: Array = 1 - np.searchsorted(np.sort(scores), thresholds, side="right") / len(scores)
    return above


def _at(threshold: float, real: Array, fake: Array) -> Operating:
    return Operating(threshold, float((real > threshold).mean()), float((fake <= threshold).mean()))
