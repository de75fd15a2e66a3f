"""The rules of one sample: what is predicted, what is correct, what is robust. They stand here and nowhere else.

Each takes tensors and gives a tensor, or takes arrays, table columns or lists and gives an array. Comparisons are
exact: a number in float32 is compared as what it is, not as the decimal that was meant.
"""

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from rrlib.errors import InputError
from rrlib.metrics.arrays import Column, Tolerances, bound, widest
from rrlib.metrics.checks import (
    check_same_shape,
    checked_labels,
    checked_probabilities,
    checked_same_label,
    checked_shift,
    checked_threshold,
    checked_tolerances,
)

if TYPE_CHECKING:
    from torch import Tensor

    Bools = NDArray[np.bool_]


@overload
def predicted_fake(p_fake: "Tensor", threshold: float = ...) -> "Tensor": ...
@overload
def predicted_fake(p_fake: Column, threshold: float = ...) -> "Bools": ...
def predicted_fake(p_fake: Any, threshold: float = 0.5) -> Any:
    """Whether the verdict on each sample is fake: p_fake > threshold. A tie is real.

    Args:
        p_fake: (N,) probabilities of fake in [0, 1], or (N, 2) of real and fake.
        threshold: in [0, 1].

    Returns:
        (N,) bool.

    Raises:
        InputError: for what is no probability, for more classes than two, for a threshold outside [0, 1].

    >>> predicted_fake([0.2, 0.5, 0.7])
    array([False, False,  True])
    >>> predicted_fake([0.2, 0.5, 0.7], threshold=0.1)
    array([ True,  True,  True])
    """
    p_fake = checked_probabilities("p_fake", p_fake)
    if not _two_classes(p_fake):
        raise InputError(f"p_fake has {p_fake.shape[1]} classes; pass (N,) probabilities of fake, or (N, 2)")
    return _predicted(p_fake, threshold)


@overload
def is_correct(p_fake: "Tensor", label: Any, threshold: float = ...) -> "Tensor": ...
@overload
def is_correct(p_fake: Column, label: Any, threshold: float = ...) -> "Bools": ...
def is_correct(p_fake: Any, label: Any, threshold: float = 0.5) -> Any:
    """Whether each prediction equals its label.

    Args:
        p_fake: (N,) probabilities of fake, or (N, K) of all classes. The prediction is fake where its probability is
            above the threshold; of K > 2 classes it is the most probable one, of equals the first.
        label: (N,) integers, 0 real and 1 fake, or 0 … K − 1.
        threshold: in [0, 1]; for two classes.

    Returns:
        (N,) bool.

    Raises:
        InputError: for what is no probability or no label, for a threshold with more than two classes.

    >>> is_correct([0.2, 0.5, 0.7], [0, 1, 1])
    array([ True, False,  True])
    """
    p = checked_probabilities("p", p_fake)
    label = checked_labels(label, p)
    return _predicted(p, threshold) == label


@overload
def keeps_label(p_clean: "Tensor", p_attacked: "Tensor", threshold: float = ...) -> "Tensor": ...
@overload
def keeps_label(p_clean: Column, p_attacked: Column, threshold: float = ...) -> "Bools": ...
def keeps_label(p_clean: Any, p_attacked: Any, threshold: float = 0.5) -> Any:
    """Whether the prediction on the attacked sample is that on the clean one; probabilities as in `is_correct`.

    Raises:
        InputError: as `is_correct`, and for shapes that differ.

    >>> keeps_label([0.2, 0.5, 0.7], [0.1, 0.6, 0.6])
    array([ True, False,  True])
    """
    p_clean = checked_probabilities("p_clean", p_clean)
    p_attacked = checked_probabilities("p_attacked", p_attacked)
    check_same_shape(p_clean, p_attacked)
    return _predicted(p_clean, threshold) == _predicted(p_attacked, threshold)


@overload
def is_robust(shift: "Tensor", tolerances: Tolerances, same_label: "Tensor | None" = ...) -> "Tensor": ...
@overload
def is_robust(shift: Column, tolerances: Tolerances, same_label: Any = ...) -> "Bools": ...
def is_robust(shift: Any, tolerances: Tolerances, same_label: Any = None) -> Any:
    """φ_rob of each sample: shift ≤ tolerance, and the label kept where `same_label` is given.

    Args:
        shift: (N,) finite shifts ≥ 0.
        tolerances: one τ ≥ 0, or (T,) of them, in units of the shift.
        same_label: (N,) bool, from `keeps_label`.

    Returns:
        (N,) bool for one tolerance, (N, T) for several.

    Raises:
        InputError: for a shift or tolerance that is negative or not finite, for other shapes.

    >>> is_robust([0.0, 0.25, 0.5], 0.25)
    array([ True,  True, False])
    >>> is_robust([0.0, 0.25, 0.5], [0, 0.25], same_label=[True, False, True])
    array([[ True,  True],
           [False, False],
           [False, False]])
    """
    shift = checked_shift(shift)
    limits = checked_tolerances(tolerances)
    several = limits.ndim == 1
    robust = (shift[:, None] if several else shift) <= bound(limits, shift)
    if same_label is None:
        return robust
    same_label = checked_same_label(same_label, shift)
    return robust & (same_label[:, None] if several else same_label)


def _two_classes(p: Any) -> bool:
    return bool(p.ndim == 1 or p.shape[1] == 2)


def _predicted(p: Any, threshold: float) -> Any:
    """Of two classes whether it is the second, of more which it is; a bool compares with a label as 0 and 1 do."""
    threshold = checked_threshold(threshold)
    if _two_classes(p):
        p_fake = widest(p if p.ndim == 1 else p[:, 1])
        return p_fake > bound(np.asarray(threshold), p_fake)
    if threshold != 0.5:
        raise InputError(f"the threshold {threshold:g} was given for {p.shape[1]} classes; a threshold needs two")
    return p.argmax(axis=1)
