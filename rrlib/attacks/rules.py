"""The attacks: each a small dataclass of its options, whose `run` serves all epsilons of one batch.

`run(detector, x, labels, epsilons, draw)` yields (ε, attacked, gradient) per ε > 0: `attacked` shaped like x, within ε
of x and in [0, 1]; `gradient` (N,) bool, whether the sample had a non-zero gradient, or None where none is used.
`draw(restart)` gives numbers uniform on [−1, 1), shaped like x, that depend on the seed, the sample and the restart
only; `draw()` is `draw(0)`.
The detector is frozen and in eval mode while a rule runs (`sweep` sees to that).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from rrlib.attacks.gradients import exists, margin, margin_gradient
from rrlib.attacks.options import check_confidence, check_whole
from rrlib.errors import InputError


class Draw(Protocol):
    """Where a rule's random numbers come from."""

    def __call__(self, restart: int = 0) -> torch.Tensor: ...


Step = tuple[float, torch.Tensor, torch.Tensor | None]


def project(attacked: torch.Tensor, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The nearest point of the ε-ball round x that is still a picture."""
    return (x + (attacked - x).clamp(-epsilon, epsilon)).clamp(0, 1)


def where(chosen: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """`new` for the samples that `chosen`, (N,) bool, names and `old` for the others: (N, …), (N, …) → (N, …)."""
    return torch.where(chosen.view(-1, *[1] * (new.dim() - 1)), new, old)


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
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083): signed steps of 2.5 ε / steps, last iterate.

    Of several restarts, each from a random start of its own, a sample keeps the one that ends with the largest margin.
    """

    steps: int = 10
    random_start: bool = True
    restarts: int = 1

    def __post_init__(self) -> None:
        check_whole("steps", self.steps)
        check_whole("restarts", self.restarts)
        if not isinstance(self.random_start, bool):
            raise InputError(f"random_start is {self.random_start!r}; it is true or false")
        if self.restarts > 1 and not self.random_start:
            raise InputError(
                f"restarts is {self.restarts} without random_start, so that all would start alike; "
                "set restarts to 1 or random_start to true"
            )

    def moves(self, margin: torch.Tensor) -> torch.Tensor:
        """Which samples go on: all of them."""
        return torch.ones_like(margin, dtype=torch.bool)

    def starts(self, x: torch.Tensor, draw: Draw) -> list[torch.Tensor]:
        """Where each restart begins, as a direction in [−1, 1) that ε scales."""
        return [draw(restart) for restart in range(self.restarts)] if self.random_start else [torch.zeros_like(x)]

    def climb(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilon: float, start: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The last iterate from one start, and which samples had a gradient on the way."""
        attacked = (x + epsilon * start).clamp(0, 1)
        found = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        per_sample = (-1,) + (1,) * (x.dim() - 1)
        alpha = 2.5 * epsilon / self.steps
        for _ in range(self.steps):
            margins, gradient = margin_gradient(detector, attacked, labels)
            found |= exists(gradient)
            step = alpha * gradient.sign() * self.moves(margins).view(per_sample)
            attacked = project(attacked + step, x, epsilon)
        return attacked, found

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        first, *others = self.starts(x, draw)
        for epsilon in epsilons:
            attacked, found = self.climb(detector, x, labels, epsilon, first)
            if others:
                largest = margin(detector, attacked, labels)
            for start in others:
                other, found_too = self.climb(detector, x, labels, epsilon, start)
                margins = margin(detector, other, labels)
                attacked, found = where(margins > largest, other, attacked), found | found_too
                largest = torch.maximum(margins, largest)
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
        check_confidence(self.confidence)

    def moves(self, margin: torch.Tensor) -> torch.Tensor:
        """Which samples go on: those whose wrong answer does not yet lead by more than `confidence`."""
        return margin <= self.confidence
