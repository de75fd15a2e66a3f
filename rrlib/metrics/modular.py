"""Robust accuracy, robust ratio and stability as torchmetrics metrics: they add up over batches and processes.

The functions have a file of their own because torchmetrics takes seconds to import where transformers is installed,
and an evaluation needs none of it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.plot import _AX_TYPE, _PLOT_OUT_TYPE

from rrlib.errors import InputError, unknown
from rrlib.metrics.arrays import Tolerances
from rrlib.metrics.checks import checked_threshold, checked_tolerances
from rrlib.metrics.functional import DISTANCES, mean, probability_shift
from rrlib.metrics.rules import is_correct, is_robust, keeps_label

DISTANCE_UNITS = {"linf": "L∞ distance", "tv": "total variation", "l2": "L2 distance", "js": "Jensen–Shannon distance"}


class _Mean(Metric):
    """A total and a number of samples, both whole numbers: exact in any order of batches, type and device.

    `fingerprint` is a state too, a hash of the class and its settings. By it torchmetrics sees that two metrics of
    equal counts differ, and that the states of differing metrics must not be added up.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    fingerprint: Tensor
    total: Tensor
    samples: Tensor

    def _add_states(self, shape: tuple[int, ...] = ()) -> None:
        # The fingerprint is the first to be reduced, so that a refusal leaves the counts as they are.
        self.add_state("fingerprint", self._own_fingerprint(), dist_reduce_fx=_the_same)
        self.add_state("total", torch.zeros(shape, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def _own_fingerprint(self) -> Tensor:
        text = f"{type(self).__module__}.{type(self).__qualname__}({self.extra_repr()})"
        return torch.tensor(list(hashlib.sha256(text.encode()).digest()), dtype=torch.uint8)

    def _add(self, total: Tensor, samples: int) -> None:
        self.total = self.total + total
        self.samples = self.samples + samples

    def _mean(self) -> Tensor:
        if not torch.equal(self.fingerprint.cpu(), self._own_fingerprint().cpu()):
            raise InputError(
                f"the state of {self} was counted by a metric with other settings; "
                "load it into a metric with the settings that it was counted with, or give each its own compute group"
            )
        return mean(self.total, self.samples)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add the counts of another metric, or of its state; InputError where its settings are others."""
        if isinstance(incoming_state, type(self)) and repr(incoming_state) != repr(self):
            raise InputError(f"{incoming_state} cannot be merged into {self}; merge metrics of equal settings")
        super().merge_state(incoming_state)

    def set_dtype(self, dst_type: str | torch.dtype) -> "_Mean":
        """Change nothing: the states are whole numbers, and half precision cannot count beyond 2048."""
        return self


def _the_same(fingerprints: Tensor) -> Tensor:
    if (fingerprints != fingerprints[0]).any():
        raise InputError(
            "metrics of different tolerance, distance, label rule or threshold were to be added up; "
            "give the same settings in every process"
        )
    return fingerprints[0]


class RobustAccuracy(_Mean):
    """`robust_accuracy` as a torchmetrics metric.

    Args:
        threshold: in [0, 1]; of two classes class 1 is predicted where its probability is above it.
        kwargs: those of `torchmetrics.Metric`.

    >>> metric = RobustAccuracy()
    >>> metric.update(torch.tensor([[0.9, 0.1]]), torch.tensor([0]))
    >>> metric.update(torch.tensor([[0.6, 0.4]]), torch.tensor([1]))
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    >>> metric
    RobustAccuracy(threshold=0.5)
    """

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = checked_threshold(threshold)
        self._add_states()

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}"

    def update(self, p_attacked: Tensor, labels: Tensor) -> None:
        """Add a batch: (N, K) or (N,) probabilities and (N,) labels, as in `robust_accuracy`; N may be 0."""
        correct = is_correct(p_attacked, labels, self.threshold)
        self._add(correct.sum(), len(correct))

    def compute(self) -> Tensor:
        """RA so far: float64 scalar in [0, 1]. Raises InputError before the first sample."""
        return self._mean()

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Draw RA, or several values of it as steps. Returns figure (None if `ax` is given) and axes."""
        return _labelled(self._plot(val, ax), "robust accuracy RA (share of samples, upper bound)")


class RobustRatio(_Mean):
    """`robust_ratio` as a torchmetrics metric.

    Args:
        tolerance: finite τ ≥ 0, in units of the distance; or several of them.
        distance: a name in `DISTANCES`.
        require_same_label: also ask that the prediction on x′ is that on x.
        threshold: in [0, 1]; of two classes class 1 is predicted where its probability is above it. It matters where
            the same label is required.
        kwargs: those of `torchmetrics.Metric`.

    >>> clean, attacked = torch.tensor([[0.75, 0.25], [0.9, 0.1]]), torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    >>> metric = RobustRatio(tolerance=0.25)
    >>> metric.update(clean, attacked)
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    >>> RobustRatio(tolerance=[0.1, 0.25, 0.75])(clean, attacked)
    tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)
    >>> metric
    RobustRatio(tolerance=0.25, distance='linf', require_same_label=False, threshold=0.5)
    """

    def __init__(
        self,
        tolerance: Tolerances = 0.1,
        distance: str = "linf",
        require_same_label: bool = False,
        threshold: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if distance not in DISTANCES:
            raise unknown("distance", distance, DISTANCES)
        tolerances = checked_tolerances(tolerance)
        if tolerances.size == 0:
            raise InputError("no tolerance was given; use one number ≥ 0 or a list of them")
        self.tolerance: float | list[float] = tolerances.tolist()
        self.distance = distance
        self.require_same_label = bool(require_same_label)
        self.threshold = checked_threshold(threshold)
        self._add_states(tolerances.shape)

    def extra_repr(self) -> str:
        return (
            f"tolerance={self.tolerance}, distance={self.distance!r}, "
            f"require_same_label={self.require_same_label}, threshold={self.threshold}"
        )

    def update(self, p_clean: Tensor, p_attacked: Tensor) -> None:
        """Add a batch: (N, K) or (N,) probabilities twice, as in `probability_shift`; N may be 0."""
        shift = probability_shift(p_clean, p_attacked, self.distance)
        same_label = keeps_label(p_clean, p_attacked, self.threshold) if self.require_same_label else None
        robust = is_robust(shift, self.tolerance, same_label)
        self._add(robust.sum(dim=0), len(robust))

    def compute(self) -> Tensor:
        """RR so far: float64 in [0, 1], a scalar or, for several tolerances, (T,). InputError before any sample."""
        return self._mean()

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Draw RR; for several tolerances RR against τ, a curve for each of the values.

        Args:
            val: what `compute` or `forward` returned, or a list of such; what `compute` returns if left out.
            ax: axes to draw on.

        Returns:
            The figure and the axes.
        """
        rule = ", label kept" if self.require_same_label else ""
        if not isinstance(self.tolerance, list):
            name = f"robust ratio RR(τ = {self.tolerance:g}{rule}) (share of samples, upper bound)"
            return _labelled(self._plot(val, ax), name)
        ax = plt.subplots()[1] if ax is None else ax
        values = [self.compute()] if val is None else [val] if isinstance(val, Tensor) else list(val)
        order = sorted(range(len(self.tolerance)), key=self.tolerance.__getitem__)
        for step, value in enumerate(values):
            heights = value.detach().cpu()[order]
            ax.plot([self.tolerance[i] for i in order], heights, marker="o", label=f"step {step}")
        if len(values) > 1:
            ax.legend()
        ax.set(
            xlabel=f"tolerance τ ({DISTANCE_UNITS[self.distance]} of probabilities)",
            ylabel=f"robust ratio RR(τ{rule}) (share of samples, upper bound)",
            ylim=(-0.03, 1.03),
        )
        ax.grid(True)
        figure = ax.get_figure(root=True)
        assert figure is not None  # axes that are drawn on belong to one
        return figure, ax


class Stability(_Mean):
    """`stability` as a torchmetrics metric: 1 − mean shift, the area under RR(τ).

    Each shift is counted in units of 2⁻³², which is within 1.2e-10 of it, and up to 2³¹ samples.

    Args:
        distance: `linf`, `tv` or `js`.
        kwargs: those of `torchmetrics.Metric`.

    >>> metric = Stability()
    >>> metric(torch.tensor([0.75, 0.5]), torch.tensor([0.5, 0.25]))
    tensor(0.7500, dtype=torch.float64)
    >>> metric
    Stability(distance='linf')
    """

    def __init__(self, distance: str = "linf", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        bounded = [name for name in DISTANCES if name != "l2"]
        if distance not in bounded:
            raise unknown("distance", distance, bounded)
        self.distance = distance
        self._add_states()

    def extra_repr(self) -> str:
        return f"distance={self.distance!r}"

    def update(self, p_clean: Tensor, p_attacked: Tensor) -> None:
        """Add a batch: (N, K) or (N,) probabilities twice, as in `probability_shift`; N may be 0."""
        shift = probability_shift(p_clean, p_attacked, self.distance)
        self._add((shift * _UNITS).round().long().sum(), len(shift))

    def compute(self) -> Tensor:
        """Stability so far: float64 scalar in [0, 1]. Raises InputError before the first sample."""
        return 1 - self._mean() / _UNITS

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: _AX_TYPE | None = None) -> _PLOT_OUT_TYPE:
        """Draw stability, or several values of it as steps. Returns figure (None if `ax` is given) and axes."""
        return _labelled(self._plot(val, ax), f"stability (1 − mean {DISTANCE_UNITS[self.distance]}, upper bound)")


_UNITS = 2**32


def _labelled(drawn: _PLOT_OUT_TYPE, name: str) -> _PLOT_OUT_TYPE:
    plt.setp(drawn[1], ylabel=name)
    return drawn
