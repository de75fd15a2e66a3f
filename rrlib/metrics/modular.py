"""Robust accuracy (RA) and robust ratio (RR) as torchmetrics metrics, and the functions of `rrlib.functional`.

`RobustAccuracy` and `RobustRatio` add up over batches and processes. The functions have a file of their own because
torchmetrics takes seconds to import where transformers is installed, and an evaluation needs none of it.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

from rrlib.errors import unknown
from rrlib.metrics.functional import (
    DISTANCES,
    checked_tolerances,
    is_correct,
    is_robust,
    probability_shift,
    robust_accuracy,
    robust_ratio,
    robust_ratio_curve,
    share,
    stability,
)

__all__ = [
    "DISTANCES",
    "RobustAccuracy",
    "RobustRatio",
    "probability_shift",
    "robust_accuracy",
    "robust_ratio",
    "robust_ratio_curve",
    "stability",
]


class _Share(Metric):
    """Hits out of samples, added up over batches and processes."""

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    hits: Tensor
    samples: Tensor

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.add_state("hits", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def _add(self, hits: Tensor) -> None:
        self.hits += hits.sum()
        self.samples += len(hits)

    def compute(self) -> Tensor:
        """The share so far: float64 scalar in [0, 1]. Raises InputError before the first sample."""
        return share(self.hits, self.samples)


class RobustAccuracy(_Share):
    """`robust_accuracy` as a torchmetrics metric. Keyword arguments are those of `torchmetrics.Metric`.

    >>> metric = RobustAccuracy()
    >>> metric.update(torch.tensor([[0.9, 0.1]]), torch.tensor([0]))
    >>> metric.update(torch.tensor([[0.6, 0.4]]), torch.tensor([1]))
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    """

    def update(self, p_attacked: Tensor, labels: Tensor) -> None:
        """Add a batch: (N, K) probabilities and (N,) labels, as in `robust_accuracy`; N may be 0."""
        self._add(is_correct(p_attacked, labels))


class RobustRatio(_Share):
    """`robust_ratio` as a torchmetrics metric.

    Args:
        tolerance: finite τ ≥ 0, in units of the distance.
        distance: a name in `DISTANCES`.
        require_same_label: also ask argmax f(x′) = argmax f(x).
        kwargs: those of `torchmetrics.Metric`.

    >>> metric = RobustRatio(tolerance=0.25)
    >>> metric.update(torch.tensor([[0.75, 0.25], [0.9, 0.1]]), torch.tensor([[0.5, 0.5], [0.2, 0.8]]))
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    """

    def __init__(
        self, tolerance: float = 0.1, distance: str = "linf", require_same_label: bool = False, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if distance not in DISTANCES:
            raise unknown("distance", distance, DISTANCES)
        self.tolerance = checked_tolerances(tolerance).item()
        self.distance = distance
        self.require_same_label = require_same_label

    def update(self, p_clean: Tensor, p_attacked: Tensor) -> None:
        """Add a batch: (N, K) and (N, K) probabilities, as in `probability_shift`; N may be 0."""
        shift = probability_shift(p_clean, p_attacked, self.distance)
        same_label = p_clean.argmax(dim=1) == p_attacked.argmax(dim=1) if self.require_same_label else None
        self._add(is_robust(shift, self.tolerance, same_label))
