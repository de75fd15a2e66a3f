"""Carlini and Wagner's minimum-norm L2 attack, clipped to each ball: a replication, kept beside the bounded `cw`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rrlib.attacks.gradients import exists, margin_gradient
from rrlib.attacks.options import check_confidence, check_positive, check_whole
from rrlib.attacks.rules import Draw, Step, project, where

# w of a white pixel, −EDGE that of a black one. In the paper it is infinite, where tanh has no slope and such a pixel
# could never move; at 2 a white pixel moves at 7 % of the pace of a grey one.
EDGE = 2.0


def to_pixels(w: torch.Tensor) -> torch.Tensor:
    """½ (1 + tanh(w) / tanh(EDGE)): [−EDGE, EDGE] → [0, 1]."""
    return ((1 + w.tanh() / math.tanh(EDGE)) / 2).clamp(0, 1)


def to_tanh_space(x: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_pixels`.

    >>> to_tanh_space(torch.tensor([0.0, 0.5, 1.0]))
    tensor([-2.,  0.,  2.])
    """
    return ((2 * x - 1) * math.tanh(EDGE)).atanh().clamp(-EDGE, EDGE)


def slope(w: torch.Tensor) -> torch.Tensor:
    """The derivative of `to_pixels`."""
    return (1 - w.tanh() ** 2) / (2 * math.tanh(EDGE))


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1, β = 0.9 and 0.999): every pixel on its own.

    torch.optim's gives the same step; its first use imports a compiler, which takes seconds.
    """

    def __init__(self, learning_rate: float):
        self.learning_rate, self.time, self.mean, self.square = learning_rate, 0, 0, 0

    def step(self, gradient: torch.Tensor) -> torch.Tensor:
        """What to subtract from the variable whose gradient this is."""
        self.time += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.time), self.square / (1 - 0.999**self.time)
        return self.learning_rate * mean / (square.sqrt() + 1e-8)


@dataclass(frozen=True)
class CWL2:
    """The least L2 perturbation that errs (Carlini and Wagner 2017, arXiv 1608.04644, VI-A), sought once for all ε.

    Adam minimises ‖x′ − x‖² + c max(z_true − z_wrong + confidence, 0) over w, x′ = `to_pixels(w)`. Each sample has a c
    of its own: `initial_c`, then ten times more until the sample errs, then bisection, `search_steps` values in all. A
    sample keeps the nearest x′ seen whose wrong answer leads by more than `confidence` logits; if there is none, it
    stays. One that errs so from the start is left alone and costs no more. Nothing is summed over the batch.

    Each c looks at `steps` points, of which the first is the clean image and shared by all c. So the detector is asked
    for at most `search_steps` × `steps` gradients, whatever the number of ε.
    """

    steps: int = 50
    learning_rate: float = 0.01
    initial_c: float = 1e-2
    search_steps: int = 5
    confidence: float = 0.0

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, least=2)
        check_whole("search_steps", self.search_steps)
        check_positive("learning_rate", self.learning_rate)
        check_positive("initial_c", self.initial_c)
        check_confidence(self.confidence)

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        margin, gradient = margin_gradient(detector, x, labels)
        found = exists(gradient)
        nearest = x.clone()
        right = (margin <= self.confidence).nonzero().flatten()
        if len(right):
            nearest[right], moved = self._minimise(detector, x[right], labels[right], margin[right], gradient[right])
            found[right] |= moved
        for epsilon in epsilons:
            yield epsilon, project(nearest, x, epsilon), found

    def _minimise(
        self,
        detector: nn.Module,
        x: torch.Tensor,
        labels: torch.Tensor,
        clean_margin: torch.Tensor,
        clean_gradient: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest images that err, and which samples had a gradient on the way."""
        per_sample = (-1,) + (1,) * (x.dim() - 1)
        nearest, least = x, torch.full_like(clean_margin, torch.inf)
        found = torch.zeros_like(least, dtype=torch.bool)
        c = torch.full_like(least, self.initial_c)
        too_small, large_enough = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(self.search_steps):
            adam, w, attacked = Adam(self.learning_rate), to_tanh_space(x), x
            margin, gradient = clean_margin, clean_gradient
            erred = torch.zeros_like(found)
            for _ in range(self.steps - 1):
                pull = torch.where(margin <= self.confidence, c, 0).to(x.dtype).view(per_sample)
                w = w - adam.step((2 * (attacked - x) - pull * gradient) * slope(w))
                w = w.clamp(-EDGE, EDGE)
                attacked = to_pixels(w)
                margin, gradient = margin_gradient(detector, attacked, labels)
                found |= exists(gradient)
                norm = (attacked - x).flatten(1).double().norm(dim=1)
                errs = margin > self.confidence
                nearer = errs & (norm < least)
                nearest, least = where(nearer, attacked, nearest), torch.where(nearer, norm, least)
                erred |= errs
            too_small, large_enough = torch.where(erred, too_small, c), torch.where(erred, c, large_enough)
            c = torch.where(large_enough.isinf(), 10 * c, (too_small + large_enough) / 2)
        return nearest, found
