"""What the metrics refuse, for tensors and arrays alike; each message is one sentence."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrlib.errors import InputError
from rrlib.metrics.arrays import Tolerances, as_array, is_tensor, widest

# Softmax in float32 sums to one within 1e-6 even for thousands of classes; logits do not come near.
SUM_TOLERANCE = 1e-4


def sum_limit(dtype: Any) -> float:
    """How far from 1 a row of probabilities of this type may sum.

    Rounding each p to half precision moves it by at most half an eps of itself, and so the sum by half an eps; twice
    that is allowed: 0.0078 for bfloat16 and 0.00098 for float16. Never less than 1e-4, the limit for float32.
    """
    if isinstance(dtype, np.dtype):
        return max(SUM_TOLERANCE, float(np.finfo(dtype).eps))
    import torch

    return max(SUM_TOLERANCE, torch.finfo(dtype).eps)


def checked_probabilities(name: str, p: Any) -> Any:
    """`p` as a tensor or array: (N,) of class 1, or (N, K) with K ≥ 2 and rows that sum to 1."""
    p = as_array(p)
    if p.ndim not in (1, 2) or (p.ndim == 2 and p.shape[1] < 2) or "float" not in _name(p):
        raise InputError(
            f"{name} is {p.dtype} of shape {tuple(p.shape)}; "
            "pass float probabilities (N, K) with K ≥ 2, or (N,) of class 1 of two"
        )
    outside = p[~((p >= 0) & (p <= 1))]  # written so that NaN is outside
    if len(outside):
        raise InputError(f"{name} contains {outside[0].item():.8g}; pass probabilities in [0, 1], not logits")
    if p.ndim == 2:
        sums, limit = widest(p).sum(axis=1), sum_limit(p.dtype)
        off = sums[abs(sums - 1) > limit]
        if len(off):
            raise InputError(
                f"a row of {name} sums to {off[0].item():.8g}; pass rows that sum to 1 within {limit:.2g}, "
                f"as softmax in {_name(p)} gives them"
            )
    return p


def check_same_shape(p_clean: Any, p_attacked: Any) -> None:
    if p_clean.shape != p_attacked.shape:
        raise InputError(
            f"p_clean has shape {tuple(p_clean.shape)} and p_attacked {tuple(p_attacked.shape)}; "
            "pass the same samples and classes in both"
        )


def checked_labels(labels: Any, p: Any) -> Any:
    """`labels` as (N,) integers that name classes of `p`, on the device of `p`."""
    labels = as_array(labels, like=p)
    samples, classes = len(p), 2 if p.ndim == 1 else p.shape[1]
    if tuple(labels.shape) != (samples,) or not _name(labels).startswith(("int", "uint")):
        raise InputError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; "
            f"pass one integer for each of the {samples} samples"
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise InputError(f"labels contain {outside[0].item()}; use integers from 0 to {classes - 1}")
    return labels


def checked_shift(shift: Any) -> Any:
    """`shift` as (N,) finite numbers ≥ 0 in the widest type of its device."""
    shift = as_array(shift)
    if shift.ndim != 1:
        raise InputError(f"shift has shape {tuple(shift.shape)}; pass one shift for each sample, shape (N,)")
    shift = widest(shift)
    bad = shift[~((shift >= 0) & (shift < math.inf))]
    if len(bad):
        raise InputError(
            f"shift contains {bad[0].item():.8g}; pass finite shifts ≥ 0, and leave out samples that have none"
        )
    return shift


def checked_same_label(same_label: Any, shift: Any) -> Any:
    """`same_label` as (N,) bool, one for each shift."""
    same_label = as_array(same_label, like=shift)
    if same_label.shape != shift.shape or _name(same_label) != "bool":
        raise InputError(
            f"same_label is {same_label.dtype} of shape {tuple(same_label.shape)}; "
            f"pass one bool for each of the {len(shift)} shifts"
        )
    return same_label


def checked_tolerances(tolerances: Tolerances) -> NDArray[np.float64]:
    """One tolerance, shape (), or several, shape (T,), each finite and ≥ 0."""
    values = np.asarray(tolerances.detach().cpu() if is_tensor(tolerances) else tolerances, dtype=np.float64)
    if values.ndim > 1:
        raise InputError(f"tolerances of shape {values.shape} were given; pass one number or a list of them")
    bad = values[~((values >= 0) & (values < math.inf))]
    if len(bad):
        raise InputError(f"the tolerance {bad[0].item():.8g} was given; use a finite number ≥ 0")
    return values


def checked_threshold(threshold: float) -> float:
    """The threshold as a Python number, in [0, 1]."""
    value = float(threshold)
    if not 0 <= value <= 1:
        raise InputError(f"the threshold {value:.8g} was given; use a probability of fake, from 0 to 1")
    return value


def _name(values: Any) -> str:
    """The type's name without the library: float32, bfloat16, int64, bool."""
    return str(values.dtype).removeprefix("torch.")
