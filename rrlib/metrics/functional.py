"""Robust accuracy (RA) and robust ratio (RR): class probabilities in, shares out.

RA asks whether the label survives an attack; RR asks how far the probabilities moved (Lyu, Jin and Das,
"Is it the model or the metric?", arXiv 2412.09795). RR = (1/N) Σ φ_rob is theirs; φ_rob = 1[d ≤ τ] is this
project's reading of it. Every RR measured with an attack is an upper bound on the true RR.

Probabilities are (N, K) with K ≥ 2 classes, or (N,) of class 1 of two, in any float type. All is computed in float64,
and results are float64, except on a device that has none (Apple's mps): there a shift is rounded to float32, so that
a sample whose shift is within 6e-8 of a tolerance may fall on its other side. The comparison itself is exact there
too.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rrlib.errors import InputError, unknown
from rrlib.metrics.arrays import Tolerances, bound, widest
from rrlib.metrics.checks import (
    check_same_shape,
    checked_probabilities,
    checked_same_label,
    checked_shift,
    checked_tolerances,
)
from rrlib.metrics.rules import is_correct, is_robust


def linf(p: Tensor, q: Tensor) -> Tensor:
    """Largest change of one class probability, max_k |p_k − q_k|: two of (N, K) or (N,) → (N,) in [0, 1]."""
    return _changes(p, q).amax(dim=1)


def tv(p: Tensor, q: Tensor) -> Tensor:
    """Total variation, ½ Σ_k |p_k − q_k|: two of (N, K) or (N,) → (N,) in [0, 1]."""
    # Rounded probabilities may sum to a little over one, and RR(1) = 1 has to hold all the same.
    return (_changes(p, q).sum(dim=1) / 2).clamp(max=1)


def l2(p: Tensor, q: Tensor) -> Tensor:
    """Euclidean distance: two of (N, K) or (N,) → (N,) in [0, √2]."""
    distance: Tensor = torch.linalg.vector_norm(_changes(p, q), dim=1)
    return distance


def js(p: Tensor, q: Tensor) -> Tensor:
    """Jensen–Shannon distance, the square root of the divergence in base 2: two of (N, K) or (N,) → (N,) in [0, 1].

    Endres and Schindelin, "A new metric for probability distributions", IEEE Trans. Inf. Theory 49 (2003).
    """
    if p.ndim == 1:
        p, q = torch.stack([1 - p, p], dim=1), torch.stack([1 - q, q], dim=1)
    # The smallest normal number keeps 0/0 out: where the mean is 0, p and q are 0, and so is their share.
    mean = ((p + q) / 2).clamp(min=torch.finfo(p.dtype).tiny)
    nats = torch.xlogy(p, p / mean) + torch.xlogy(q, q / mean)
    divergence = nats.sum(dim=1) / (2 * math.log(2))
    return divergence.clamp(0, 1).sqrt()


def _changes(p: Tensor, q: Tensor) -> Tensor:
    """|p_k − q_k|, (N, K). Of two classes given as one both change alike, and nothing is lost in 1 − p."""
    change = (p - q).abs()
    return change if change.ndim == 2 else torch.stack([change, change], dim=1)


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"linf": linf, "tv": tv, "l2": l2, "js": js}


def probability_shift(p_clean: Tensor, p_attacked: Tensor, distance: str = "linf") -> Tensor:
    """Shift d: how far an attack moved each sample's class probabilities.

    Args:
        p_clean, p_attacked: probabilities of the clean and the attacked inputs, in [0, 1]: (N, K), each row summing
            to one within 1e-4 (bfloat16: 0.0078, float16: 0.00098), or (N,) of class 1 of two.
        distance: a name in `DISTANCES`.

    Returns:
        (N,) float64, in [0, 1]; for `l2` in [0, √2]. Equal rows give exactly 0.

    Raises:
        InputError: for shapes that differ, for rows that are no probabilities, for an unknown distance.

    >>> probability_shift(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.2500], dtype=torch.float64)
    >>> probability_shift(torch.tensor([0.25]), torch.tensor([0.5]))
    tensor([0.2500], dtype=torch.float64)
    """
    if distance not in DISTANCES:
        raise unknown("distance", distance, DISTANCES)
    p_clean = checked_probabilities("p_clean", p_clean)
    p_attacked = checked_probabilities("p_attacked", p_attacked)
    check_same_shape(p_clean, p_attacked)
    return DISTANCES[distance](widest(p_clean), widest(p_attacked))


def robust_accuracy(p_attacked: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """RA = (1/N) Σ 1[prediction on x′ = y]: the share of attacked predictions that equal the label.

    Args:
        p_attacked: (N, K) probabilities, or (N,) of class 1 of two; N ≥ 1. Of two classes class 1 is predicted where
            its probability is above the threshold, of more the most probable one, of equals the first.
        labels: (N,) integers in 0 … K − 1.
        threshold: in [0, 1]; for two classes.

    Returns:
        float64 scalar in [0, 1].

    Raises:
        InputError: for rows that are no probabilities, for other labels, for N = 0, for a threshold with K > 2.

    >>> robust_accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1]))
    tensor(0.5000, dtype=torch.float64)
    >>> robust_accuracy(torch.tensor([0.1, 0.4]), torch.tensor([0, 1]), threshold=0.3)
    tensor(1., dtype=torch.float64)
    """
    correct = is_correct(p_attacked, labels, threshold)
    return mean(correct.sum(), len(correct))


def robust_ratio(shift: Tensor, tolerance: Tolerances = 0.1, same_label: Tensor | None = None) -> Tensor:
    """RR(τ) = (1/N) Σ 1[d ≤ τ]: the share of samples whose shift is within the tolerance (arXiv 2412.09795).

    The comparison is exact and includes equality. A float32 shift of 0.1 is 0.100000001…, so it lies above the
    tolerance 0.1; nothing is rounded to hide that.

    Args:
        shift: (N,) finite shifts ≥ 0, N ≥ 1, from `probability_shift`.
        tolerance: τ ≥ 0, in units of the shift; or (T,) of them.
        same_label: (N,) bool, from `keeps_label`; where given, a sample whose prediction changed is not robust,
            however small its shift.

    Returns:
        float64 in [0, 1], a scalar for one tolerance, (T,) for several.

    Raises:
        InputError: for a shift or tolerance that is negative or not finite, for other shapes, for N = 0.

    >>> shift = torch.tensor([0.0, 0.05, 0.3, 0.25])
    >>> robust_ratio(shift, tolerance=0.25)
    tensor(0.7500, dtype=torch.float64)
    >>> robust_ratio(shift, tolerance=0.25, same_label=torch.tensor([True, False, True, True]))
    tensor(0.5000, dtype=torch.float64)
    """
    robust = is_robust(shift, tolerance, same_label)
    return mean(robust.sum(dim=0), len(robust))


def robust_ratio_curve(shift: Tensor, tolerances: Tolerances, same_label: Tensor | None = None) -> Tensor:
    """RR(τ) at many tolerances: the empirical distribution function of the shift.

    The same as `robust_ratio` with several tolerances, in the memory of N + T numbers instead of N × T.

    Args:
        shift: (N,) finite shifts ≥ 0, N ≥ 1.
        tolerances: (T,) values ≥ 0, in any order.
        same_label: as in `robust_ratio`.

    Returns:
        (T,) float64 in [0, 1], in the order of the tolerances.

    Raises:
        InputError: as `robust_ratio`.

    >>> robust_ratio_curve(torch.tensor([0.0, 0.25, 0.25, 0.5]), [0, 0.25, 1])
    tensor([0.2500, 0.7500, 1.0000], dtype=torch.float64)
    """
    wide = checked_shift(shift)
    kept = wide if same_label is None else wide[checked_same_label(same_label, wide)]
    limits = bound(checked_tolerances(tolerances).reshape(-1), wide)
    return mean(torch.searchsorted(kept.sort().values, limits, right=True), len(wide))


def stability(shift: Tensor) -> Tensor:
    """1 − mean d: the area under RR(τ) for τ from 0 to 1.

    RR is a distribution function, and ∫₀¹ P(d ≤ τ) dτ = 1 − E[d] needs d ≤ 1: so not for `l2`.

    Args:
        shift: (N,) shifts in [0, 1], N ≥ 1. The result is a float64 scalar in [0, 1].

    Raises:
        InputError: as `robust_ratio`, and for a shift above 1.

    >>> stability(torch.tensor([0.0, 0.5]))
    tensor(0.7500, dtype=torch.float64)
    """
    wide = checked_shift(shift)
    if (wide > 1).any():
        raise InputError(
            f"shift contains {wide.max().item():.8g}, and stability is defined for shifts up to 1; "
            "use the distance linf, tv or js"
        )
    return 1 - mean(wide.sum(), len(wide))


def mean(total: Tensor, samples: Tensor | int) -> Tensor:
    """total / samples in the widest float type; InputError if there is no sample."""
    if samples == 0:
        raise InputError("no samples were given; a share needs at least 1, so check the data is not empty")
    wide: Tensor = widest(total)
    return wide / samples
