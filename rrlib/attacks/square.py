"""A black box: random search that asks for answers only, to see whether gradients hide what the ball holds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from rrlib.attacks.ball import where
from rrlib.attacks.gradients import Clean, log_shift, margin, margin_of
from rrlib.attacks.options import check_whole
from rrlib.attacks.protocol import Draw, Step, Work

FIRST_SHARE = 0.05  # p of the paper: the share of the picture that the first squares cover
HALVINGS = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries: when p is halved


@dataclass(frozen=True)
class Square:
    """Square attack (Andriushchenko et al. 2020, arXiv 1912.00049, L∞) on the shift of the probabilities.

    It begins with vertical stripes x ± ε. Each query offers x + ε · sign in a random square, one sign for each colour
    (and frame), and a sample takes what shifts its probability of fake further than before, up or down. Squares become
    smaller as the search goes on. It needs many queries, and is here to check attacks that follow gradients: where it
    shifts a sample further than they do, their gradients are not to be trusted.
    """

    queries: int = 500

    adversarial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("queries", self.queries)

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        for epsilon in epsilons:
            yield epsilon, self._search(clean, epsilon, _Numbers(draw)), None

    def work(self, epsilons: int) -> Work:
        """No gradients; the clean answer once, then a forward a query."""
        return Work(0, 1 + self.queries * epsilons, clean_logits=True)

    def _search(self, clean: Clean, epsilon: float, numbers: "_Numbers") -> torch.Tensor:
        x = clean.x
        height, width = x.shape[-2:]
        planes = x.shape[1:-2].numel()  # colours, of all frames
        real = torch.zeros_like(clean.labels)  # the margin of real is z_fake − z_real
        before = margin_of(clean.logits(), real)

        def moved(signs: torch.Tensor) -> torch.Tensor:
            """x ± ε for signs (N, planes · k), one for each plane and each of k columns (all columns if k = 1)."""
            signs = signs.view(len(x), *x.shape[1:-2], 1, -1).to(x.dtype)
            return (x + epsilon * signs).clamp_(0, 1)

        best = moved(_signs(numbers.take(planes * width)))
        largest = log_shift(before, margin(clean.detector, best, real))
        for query in range(1, self.queries):
            side = max(1, round(math.sqrt(_share(query, self.queries) * height * width)))
            place = numbers.take(2).add(1).div(2)
            inside = _inside(place[:, 0], side, height)[:, :, None] & _inside(place[:, 1], side, width)[:, None, :]
            inside = inside.view(len(x), *[1] * (x.dim() - 3), height, width)
            offered = torch.where(inside, moved(_signs(numbers.take(planes))), best)
            shift = log_shift(before, margin(clean.detector, offered, real))
            further = shift > largest
            best, largest = where(further, offered, best), torch.where(further, shift, largest)
        return best


class _Numbers:
    """A sample's random numbers, one after the other, from as many draws as it takes."""

    def __init__(self, draw: Draw):
        self._draw, self._restart = draw, 0
        self._left = draw().flatten(1)

    def take(self, count: int) -> torch.Tensor:
        """The next so many of each sample, (N, count), uniform on [−1, 1)."""
        while self._left.shape[1] < count:
            self._restart += 1
            self._left = torch.cat([self._left, self._draw(self._restart).flatten(1)], dim=1)
        taken, self._left = self._left[:, :count], self._left[:, count:]
        return taken


def _signs(numbers: torch.Tensor) -> torch.Tensor:
    return torch.where(numbers < 0, -1.0, 1.0)


def _share(query: int, queries: int) -> float:
    """The share of the picture that a square covers, halved on the schedule of the paper's section 3."""
    passed = 10_000 * query / queries
    return FIRST_SHARE / 2.0 ** sum(passed > each for each in HALVINGS)


def _inside(place: torch.Tensor, side: int, length: int) -> torch.Tensor:
    """Which of `length` pixels a square of `side` covers that lies at `place` in [0, 1): (N,) → (N, length)."""
    first = (place * (length - min(side, length) + 1)).floor()
    pixels = torch.arange(length, device=place.device)
    return (pixels >= first[:, None]) & (pixels < first[:, None] + side)
