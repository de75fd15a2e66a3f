"""The attacks: each a small dataclass of its options, whose `run` serves all epsilons of one batch.

`run(detector, x, labels, epsilons, draw)` yields (ε, attacked, gradient) per ε > 0: `attacked` shaped like x, within ε
of x and in [0, 1]; `gradient` (N,) bool, whether the sample had a non-zero gradient, or None where none is used.
`draw()` gives numbers uniform on [−1, 1), shaped like x, that depend on the seed and the sample only.
The detector is frozen and in eval mode while a rule runs (`sweep` sees to that).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rrlib.attacks.gradients import exists, margin_gradient
from rrlib.errors import InputError

Draw = Callable[[], torch.Tensor]
Step = tuple[float, torch.Tensor, torch.Tensor | None]


def project(attacked: torch.Tensor, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The nearest point of the ε-ball round x that is still a picture."""
    return (x + (attacked - x).clamp(-epsilon, epsilon)).clamp(0, 1)


@dataclass(frozen=True)
class Noise:
    """Uniform noise in the ball: the floor that every attack must beat."""

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        direction = draw()
        for epsilon in epsilons:
            yield epsilon, (x + epsilon * direction).clamp(0, 1), None


@dataclass(frozen=True)
class FGSM:
    """Fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): x + ε sign ∇L, clipped to [0, 1].

    One gradient at the clean input serves every ε.
    """

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        _, gradient = margin_gradient(detector, x, labels)
        sign, found = gradient.sign(), exists(gradient)
        for epsilon in epsilons:
            yield epsilon, (x + epsilon * sign).clamp(0, 1), found


@dataclass(frozen=True)
class PGD:
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083): signed steps of 2.5 ε / steps, last iterate."""

    steps: int = 10
    random_start: bool = True

    def __post_init__(self) -> None:
        check_steps(self.steps)
        if not isinstance(self.random_start, bool):
            raise InputError(f"random_start is {self.random_start!r}; it is true or false")

    def moves(self, margin: torch.Tensor) -> torch.Tensor:
        """Which samples go on: all of them."""
        return torch.ones_like(margin, dtype=torch.bool)

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        direction = draw() if self.random_start else torch.zeros_like(x)
        per_sample = (-1,) + (1,) * (x.dim() - 1)
        for epsilon in epsilons:
            attacked = (x + epsilon * direction).clamp(0, 1)
            found = torch.zeros(len(x), dtype=torch.bool, device=x.device)
            alpha = 2.5 * epsilon / self.steps
            for _ in range(self.steps):
                margin, gradient = margin_gradient(detector, attacked, labels)
                found |= exists(gradient)
                step = alpha * gradient.sign() * self.moves(margin).view(per_sample)
                attacked = project(attacked + step, x, epsilon)
            yield epsilon, attacked, found


@dataclass(frozen=True)
class CW(PGD):
    """The margin loss of Carlini and Wagner (2017, arXiv 1608.04644, f₆) in the loop of PGD, hence bounded by ε.

    f₆ = max(z_true − z_wrong, −confidence) is flat once the wrong answer leads by more than `confidence` (in logits):
    the sample then stays where it is. So `cw` crosses the border and stops, where `pgd` goes on as far as it can: the
    same RA, a larger RR. The paper minimises the L2 norm; the bound by ε is our reading, so that RA(ε) and RR(τ; ε)
    mean the same thing for every attack.
    """

    confidence: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number = isinstance(self.confidence, int | float) and not isinstance(self.confidence, bool)
        if not number or not 0 <= self.confidence < float("inf"):
            raise InputError(f"confidence is {self.confidence!r}; it is a finite number of logits ≥ 0")

    def moves(self, margin: torch.Tensor) -> torch.Tensor:
        """Which samples go on: those whose wrong answer does not yet lead by more than `confidence`."""
        return margin <= self.confidence


def check_steps(steps: object) -> None:
    """Raise InputError unless `steps` is a whole number ≥ 1."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps is {steps!r}; it is a whole number ≥ 1")
