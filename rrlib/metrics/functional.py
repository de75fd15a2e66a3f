"""Robust accuracy (RA) and robust ratio (RR): class probabilities in, shares out.

RA asks whether the label survives an attack; RR asks how far the probabilities moved (Lyu, Jin and Das,
"Is it the model or the metric?", arXiv 2412.09795). RR = (1/N) Σ φ_rob is theirs; φ_rob = 1[d ≤ τ] is this
project's reading of it. Every RR measured with an attack is an upper bound on the true RR.

Any number of classes K ≥ 2; all results are float64. These functions see all samples at once; `rrlib.metrics` adds up
over batches and processes, and is the door to both.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rrlib.errors import InputError, unknown

# Softmax outputs in float32 sum to one within 1e-6 even for thousands of classes; logits do not come near.
SUM_TOLERANCE = 1e-4


def linf(p: Tensor, q: Tensor) -> Tensor:
    """Largest change of one class probability, max_k |p_k − q_k|: (N, K), (N, K) → (N,) in [0, 1]."""
    return (p - q).abs().amax(dim=1)


def tv(p: Tensor, q: Tensor) -> Tensor:
    """Total variation, ½ Σ_k |p_k − q_k|: (N, K), (N, K) → (N,) in [0, 1]."""
    # Rounded probabilities may sum to a little over one, and RR(1) = 1 has to hold all the same.
    return ((p - q).abs().sum(dim=1) / 2).clamp(max=1)


def l2(p: Tensor, q: Tensor) -> Tensor:
    """Euclidean distance: (N, K), (N, K) → (N,) in [0, √2]."""
    return torch.linalg.vector_norm(p - q, dim=1)


def js(p: Tensor, q: Tensor) -> Tensor:
    """Jensen–Shannon distance, the square root of the divergence in base 2: (N, K), (N, K) → (N,) in [0, 1].

    Endres and Schindelin, "A new metric for probability distributions", IEEE Trans. Inf. Theory 49 (2003).
    """
    # The smallest normal number keeps 0/0 out: where the mean is 0, p and q are 0, and so is their share.
    mean = ((p + q) / 2).clamp(min=torch.finfo(p.dtype).tiny)
    nats = torch.xlogy(p, p / mean) + torch.xlogy(q, q / mean)
    divergence = nats.sum(dim=1) / (2 * math.log(2))
    return divergence.clamp(0, 1).sqrt()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"linf": linf, "tv": tv, "l2": l2, "js": js}


def probability_shift(p_clean: Tensor, p_attacked: Tensor, distance: str = "linf") -> Tensor:
    """Shift d: how far an attack moved each sample's class probabilities.

    Args:
        p_clean, p_attacked: (N, K) probabilities of the clean and the attacked inputs, in [0, 1], each row
            summing to one within 1e-4.
        distance: a name in `DISTANCES`.

    Returns:
        (N,) float64, in [0, 1]; for `l2` in [0, √2]. Equal rows give exactly 0.

    Raises:
        InputError: for shapes that differ, for rows that are no probabilities, for an unknown distance.

    >>> probability_shift(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.2500], dtype=torch.float64)
    """
    if distance not in DISTANCES:
        raise unknown("distance", distance, DISTANCES)
    _check_probabilities("p_clean", p_clean)
    _check_probabilities("p_attacked", p_attacked)
    if p_clean.shape != p_attacked.shape:
        raise InputError(
            f"p_clean has shape {tuple(p_clean.shape)} and p_attacked {tuple(p_attacked.shape)}; "
            "pass the same samples and classes in both"
        )
    return DISTANCES[distance](p_clean.double(), p_attacked.double())


def robust_accuracy(p_attacked: Tensor, labels: Tensor) -> Tensor:
    """RA = (1/N) Σ 1[argmax f(x′) = y]: the share of attacked predictions that equal the label.

    Args:
        p_attacked: (N, K) probabilities, N ≥ 1. Of equal probabilities the first class wins.
        labels: (N,) integers in 0 … K − 1.

    Returns:
        float64 scalar in [0, 1].

    Raises:
        InputError: for rows that are no probabilities, for other labels, for N = 0.

    >>> robust_accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1]))
    tensor(0.5000, dtype=torch.float64)
    """
    correct = is_correct(p_attacked, labels)
    return share(correct.sum(), len(correct))


def robust_ratio(shift: Tensor, tolerance: float = 0.1, same_label: Tensor | None = None) -> Tensor:
    """RR(τ) = (1/N) Σ 1[d ≤ τ]: the share of samples whose shift is within the tolerance (arXiv 2412.09795).

    The comparison is exact, in float64, and includes equality. A float32 shift of 0.1 is 0.100000001…, so it
    lies above the tolerance 0.1; nothing is rounded to hide that.

    Args:
        shift: (N,) finite shifts ≥ 0, N ≥ 1, from `probability_shift`.
        tolerance: τ ≥ 0, in units of the shift.
        same_label: (N,) bool, whether the attacked prediction is the clean one; where given, a sample whose
            prediction changed is not robust, however small its shift.

    Returns:
        float64 scalar in [0, 1].

    Raises:
        InputError: for a shift or tolerance that is negative or not finite, for other shapes, for N = 0.

    >>> shift = torch.tensor([0.0, 0.05, 0.3, 0.25])
    >>> robust_ratio(shift, tolerance=0.25)
    tensor(0.7500, dtype=torch.float64)
    >>> robust_ratio(shift, tolerance=0.25, same_label=torch.tensor([True, False, True, True]))
    tensor(0.5000, dtype=torch.float64)
    """
    _check_shift(shift)
    robust = is_robust(shift, checked_tolerances(tolerance).item(), same_label)
    return share(robust.sum(), len(robust))


def robust_ratio_curve(shift: Tensor, tolerances: Tensor | Sequence[float]) -> Tensor:
    """RR(τ) at many tolerances: the empirical distribution function of the shift.

    Args:
        shift: (N,) finite shifts ≥ 0, N ≥ 1.
        tolerances: (T,) values ≥ 0, in any order, compared as in `robust_ratio`.

    Returns:
        (T,) float64 in [0, 1], in the order of the tolerances.

    Raises:
        InputError: as `robust_ratio`.

    >>> robust_ratio_curve(torch.tensor([0.0, 0.25, 0.25, 0.5]), [0, 0.25, 1])
    tensor([0.2500, 0.7500, 1.0000], dtype=torch.float64)
    """
    _check_shift(shift)
    ordered = shift.double().sort().values
    counts = torch.searchsorted(ordered, checked_tolerances(tolerances).to(shift.device), right=True)
    return share(counts, len(ordered))


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
    _check_shift(shift)
    if (shift > 1).any():
        raise InputError(
            f"shift contains {shift.max().item():.8g}, and stability is defined for shifts up to 1; "
            "use the distance linf, tv or js"
        )
    return 1 - share(shift.double().sum(), len(shift))


def is_correct(p_attacked: Tensor, labels: Tensor) -> Tensor:
    """Whether each prediction equals its label, (N,) bool; raises as `robust_accuracy` does."""
    _check_probabilities("p_attacked", p_attacked)
    samples, classes = p_attacked.shape
    if labels.shape != (samples,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; "
            f"pass one integer for each of the {samples} samples"
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise InputError(f"labels contain {outside[0].item()}; use integers from 0 to {classes - 1}")
    return p_attacked.argmax(dim=1) == labels


def is_robust(shift: Tensor, tolerance: float, same_label: Tensor | None) -> Tensor:
    """φ_rob of each sample, (N,) bool; raises as `robust_ratio` does."""
    robust = shift.double() <= tolerance
    if same_label is None:
        return robust
    if same_label.shape != shift.shape or same_label.dtype != torch.bool:
        raise InputError(
            f"same_label is {same_label.dtype} of shape {tuple(same_label.shape)}; "
            f"pass one bool for each of the {len(shift)} shifts"
        )
    return robust & same_label


def share(hits: Tensor, samples: Tensor | int) -> Tensor:
    """Hits out of samples as a float64 scalar; InputError if there is no sample."""
    if samples == 0:
        raise InputError("no samples were given; a share needs at least 1, so check the data is not empty")
    return hits.double() / samples


def _check_probabilities(name: str, p: Tensor) -> None:
    if p.ndim != 2 or p.shape[1] < 2 or not p.is_floating_point():
        raise InputError(f"{name} is {p.dtype} of shape {tuple(p.shape)}; pass float probabilities (N, K) with K ≥ 2")
    outside = p[~((p >= 0) & (p <= 1))]  # written so that NaN is outside
    if len(outside):
        raise InputError(f"{name} contains {outside[0].item():.8g}; pass probabilities in [0, 1], not logits")
    sums = p.sum(dim=1, dtype=torch.float64)
    off = sums[(sums - 1).abs() > SUM_TOLERANCE]
    if len(off):
        raise InputError(
            f"a row of {name} sums to {off[0].item():.8g}; "
            f"pass rows that sum to 1 within {SUM_TOLERANCE:g}, as softmax in float32 gives them"
        )


def _check_shift(shift: Tensor) -> None:
    if shift.ndim != 1:
        raise InputError(f"shift has shape {tuple(shift.shape)}; pass one shift for each sample, shape (N,)")
    bad = shift[~(shift.isfinite() & (shift >= 0))]
    if len(bad):
        raise InputError(
            f"shift contains {bad[0].item():.8g}; pass finite shifts ≥ 0, and leave out samples that have none"
        )


def checked_tolerances(tolerances: Tensor | Sequence[float] | float) -> Tensor:
    """The tolerances as float64; InputError unless each is a finite number ≥ 0."""
    values = torch.as_tensor(tolerances, dtype=torch.float64)
    bad = values[~(values.isfinite() & (values >= 0))]
    if len(bad):
        raise InputError(f"the tolerance {bad[0].item():.8g} was given; use a finite number ≥ 0")
    return values
