"""Carlini and Wagner's minimum-norm L2 attack, clipped to each ball: a replication, kept beside the bounded `cw`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.optim.adam import adam

from rrlib.attacks.ball import like, project
from rrlib.attacks.gradients import Clean, exists, margin_gradient
from rrlib.attacks.options import check_confidence, check_positive, check_whole
from rrlib.attacks.protocol import Draw, Step, Work

# w of a white pixel, −EDGE that of a black one. In the paper it is infinite, where tanh has no slope and such a pixel
# could never move; at 2 a white pixel moves 7 % as far as a grey one.
EDGE = 2.0


def to_pixels(w: torch.Tensor) -> torch.Tensor:
    """½ (1 + tanh(w) / tanh(EDGE)): [−EDGE, EDGE] → [0, 1]."""
    return (w.tanh() / (2 * math.tanh(EDGE)) + 0.5).clamp(0, 1)


def to_tanh_space(x: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_pixels`.

    >>> to_tanh_space(torch.tensor([0.0, 0.5, 1.0]))
    tensor([-2.,  0.,  2.])
    """
    return ((2 * x - 1) * math.tanh(EDGE)).atanh().clamp(-EDGE, EDGE)


class Search:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) on w, for x′ = `to_pixels(w)`: every pixel is on its own.

    A step goes over the pixels as seldom as it can: these passes are what the attack costs besides its gradients. `x`
    may lie beyond [0, 1] by rounding, 1e-7.
    """

    def __init__(self, x: torch.Tensor, learning_rate: float):
        self.w = to_tanh_space(x)
        self.tanh, self.x = self.w.tanh(), x.clone()
        self._half = x.new_tensor(0.5)
        self._learning_rate = learning_rate
        self._moments = torch.zeros_like(x), torch.zeros_like(x)
        self._steps = torch.zeros((), device=x.device)

    def step(self, half: torch.Tensor) -> None:
        """Move w, and with it `x`, against a gradient with respect to x, of which `half` is given and used up."""
        # times the slope of tanh, 1 − tanh² w; that of to_pixels is 1 / (2 tanh(EDGE)) times as large
        gradient = torch.ops.aten.tanh_backward.grad_input(half, self.tanh, grad_input=half)
        first, second = self._moments
        # the step of torch.optim.Adam without its bookkeeping, which takes as long as the step of a small batch
        adam(
            [self.w],
            [gradient],
            [first],
            [second],
            [],
            [self._steps],
            lr=self._learning_rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8 * math.tanh(EDGE),  # as `gradient` is tanh(EDGE) times the gradient with respect to w
            weight_decay=0,
            amsgrad=False,
            maximize=False,
            fused=True,
        )
        torch.tanh(self.w.clamp_(-EDGE, EDGE), out=self.tanh)
        torch.add(self._half, self.tanh, alpha=1 / (2 * math.tanh(EDGE)), out=self.x)


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

    adversarial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("steps", self.steps, least=2)
        check_whole("search_steps", self.search_steps)
        check_positive("learning_rate", self.learning_rate)
        check_positive("initial_c", self.initial_c)
        check_confidence(self.confidence)

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        margins, gradient = clean.gradient()
        # a sample without a gradient stays where it is, and so without one
        nearest, found = clean.x.clone(), exists(gradient)
        right = (margins <= self.confidence).nonzero().flatten()
        if len(right) == len(margins):
            nearest = self._minimise(clean)
        elif len(right):
            nearest[right] = self._minimise(clean.part(right))
        for epsilon in epsilons:
            yield epsilon, project(nearest, clean.x, epsilon), found

    def work(self, epsilons: int) -> Work:
        """The most there can be, whatever the number of ε: a sample that errs from the start costs one gradient."""
        return Work(1 + self.search_steps * (self.steps - 1), at_most=True, clean=True)

    def _minimise(self, clean: Clean) -> torch.Tensor:
        """The nearest images that err; the clean one where none was seen."""
        x, (clean_margin, clean_gradient) = clean.x, clean.gradient()
        pixels = tuple(range(1, x.dim()))
        nearest, least = x.clone(), torch.full_like(clean_margin, torch.inf)
        c = torch.full_like(least, self.initial_c)
        too_small, large_enough = torch.zeros_like(c), torch.full_like(c, torch.inf)
        difference = torch.empty_like(x)
        for _ in range(self.search_steps):
            search, erred = Search(x, self.learning_rate), torch.zeros_like(least, dtype=torch.bool)
            margin, gradient = clean_margin, clean_gradient
            difference.zero_()
            for _ in range(self.steps - 1):
                pull = torch.where(margin <= self.confidence, c / 2, 0).to(x.dtype)
                search.step(difference.addcmul_(gradient, like(pull, x), value=-1))
                margin, gradient = margin_gradient(clean.detector, search.x, clean.labels)
                torch.sub(search.x, x, out=difference)
                norm = torch.linalg.vector_norm(difference, dim=pixels).to(least.dtype)
                errs = margin > self.confidence
                nearer = errs & (norm < least)
                nearest.lerp_(search.x, like(nearer.to(x.dtype), x))  # one or the other, in half the time of a choice
                least = torch.where(nearer, norm, least)
                erred |= errs
            too_small, large_enough = torch.where(erred, too_small, c), torch.where(erred, c, large_enough)
            c = torch.where(large_enough.isinf(), 10 * c, (too_small + large_enough) / 2)
        return nearest
