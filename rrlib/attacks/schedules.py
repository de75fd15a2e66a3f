"""Signed steps from a start: of a fixed length, or of one that each sample adapts to its own progress (APGD)."""

import itertools
import math
from collections.abc import Generator, Iterator
from typing import NamedTuple

import torch
from torch.nn.functional import logsigmoid

from rrlib.attacks.ball import Radius, add_step, bounds, like, where
from rrlib.attacks.gradients import Clean, exists, log_shift, margin, margin_gradient, margin_of

SCHEDULES = ("fixed", "apgd")
MOMENTUM = 0.75  # α of Croce and Hein: the share of the new step, 1 − α being that of the last one
RISING = 0.75  # ρ: the share of steps that must raise the objective for the step size to stay


class Iterate:
    """One point of a trajectory: `number` 0 is the start, `steps` the last.

    `images` (N, …) are overwritten by the next step, but for the last iterate's: an observer copies what it keeps.
    """

    def __init__(
        self,
        clean: Clean,
        number: int,
        images: torch.Tensor,
        margins: torch.Tensor | None = None,
        direction: torch.Tensor | None = None,
    ):
        self.number, self.images = number, images
        self._clean, self._margins, self._direction = clean, margins, direction
        self._exists: torch.Tensor | None = None

    def margins(self) -> torch.Tensor:
        """Margin of the wrong answer, (N,): a forward at the last iterate, and only if somebody asks; else known."""
        if self._margins is None:
            self._margins = margin(self._clean.detector, self.images, self._clean.labels)
        return self._margins

    def has_gradient(self) -> torch.Tensor:
        """Which samples have a gradient here, (N,) bool; none at the last iterate, where it is not computed."""
        if self._exists is None:
            if self._direction is None:
                self._exists = torch.zeros(len(self.images), dtype=torch.bool, device=self.images.device)
            else:
                self._exists = exists(self._direction)
        return self._exists


class Start(NamedTuple):
    """Where a trajectory begins, the margin of the wrong answer there, (N,), and the sign of its gradient."""

    images: torch.Tensor
    margins: torch.Tensor
    direction: torch.Tensor


def start(clean: Clean, epsilon: Radius, noise: torch.Tensor | None) -> Start:
    """The start in the direction of `noise` in [−1, 1), which ε scales; None starts at the clean image."""
    images = clean.x.clone()
    if noise is None:
        margins, gradient = clean.gradient()
        return Start(images, margins, gradient.sign())
    add_step(images, noise, epsilon).clamp_(0, 1)
    margins, gradient = margin_gradient(clean.detector, images, clean.labels)
    return Start(images, margins, gradient.sign())


def fixed(clean: Clean, epsilon: Radius, steps: int, sign: int, begin: Start) -> Iterator[Iterate]:
    """Steps of 2.5 ε / steps, `sign` 1 up the margin and −1 down. `begin.images` are used up."""
    lowest, highest = bounds(clean.x, epsilon)
    images, size, direction = begin.images, sign * 2.5 * epsilon / steps, begin.direction
    for number in range(1, steps + 1):
        add_step(images, direction, size).clamp_(lowest, highest)
        if number == steps:
            yield Iterate(clean, number, images)
            return
        margins, gradient = margin_gradient(clean.detector, images, clean.labels)
        direction = gradient.sign()
        yield Iterate(clean, number, images, margins, direction)


class Best(NamedTuple):
    """Per sample: the point with the largest objective that has a gradient, that objective and the gradient's sign.

    `size` is the step size, in units of 2 ε. Images shaped like the batch, the rest (N,).
    """

    images: torch.Tensor
    objective: torch.Tensor
    direction: torch.Tensor
    size: torch.Tensor


def apgd(clean: Clean, epsilon: Radius, steps: int, begin: Start) -> Iterator[Iterate]:
    """Two runs of Auto-PGD (Croce and Hein 2020, arXiv 2003.01690) from one start: both directions, where both can win.

    The first run moves away from the clean answer, where the probability has further to go. If it has moved it already
    by more than the other direction could at most, |σ(z) − σ(z′)| < σ(−|z|), the second run goes on from the first
    one's best point; else it takes the other direction from the start. Each sample decides by itself.
    """
    towards_fake = torch.where(clean.labels == 1, -1.0, 1.0).to(begin.margins.dtype)
    before = margin_of(clean.logits(), clean.labels) * towards_fake  # z_fake − z_real
    upwards = torch.where(before > 0, -1.0, 1.0).to(before.dtype)  # by z, so that the label plays no part
    sign = upwards * towards_fake
    fresh = Best(begin.images, sign * begin.margins, begin.direction, torch.ones_like(sign))
    best, last = yield from _run(clean, epsilon, steps, sign, fresh)
    reached = log_shift(before, upwards * torch.maximum(best.objective, sign * last.margins()))
    on = reached >= logsigmoid(-before.abs())
    yield from _run(
        clean,
        epsilon,
        steps,
        torch.where(on, sign, -sign),
        Best(
            where(on, best.images, fresh.images),
            torch.where(on, best.objective, -fresh.objective),
            where(on, best.direction, fresh.direction),
            torch.where(on, best.size, fresh.size),
        ),
    )


def apgd_from(clean: Clean, epsilon: Radius, steps: int, sign: torch.Tensor, images: torch.Tensor) -> Iterator[Iterate]:
    """One run of Auto-PGD from `images` (N, …): up the margin where `sign` (N,) is 1, down where it is −1."""
    margins, gradient = margin_gradient(clean.detector, images, clean.labels)
    yield from _run(clean, epsilon, steps, sign, Best(images, sign * margins, gradient.sign(), torch.ones_like(sign)))


def _run(
    clean: Clean, epsilon: Radius, steps: int, sign: torch.Tensor, begin: Best
) -> Generator[Iterate, None, tuple[Best, Iterate]]:
    """Algorithm 1 of the paper on sign · margin: steps from 2 ε on with momentum, halved where a sample is stuck.

    It is stuck if, at a checkpoint, fewer than ρ = 0.75 of the steps since the last one raised its objective, or if the
    best objective is that of the last checkpoint although the step was not halved there. It then goes back to its best
    point, without momentum. Shows the iterates, and returns the best of those with a gradient and the last one.
    """
    lowest, highest = bounds(clean.x, epsilon)
    marks, last_mark = checkpoints(steps), 0
    images, objective, direction, size = begin
    previous, best, best_objective, best_direction = images, images, objective, direction
    at_last_mark, rises = objective, torch.zeros_like(objective)
    halved = torch.ones_like(objective, dtype=torch.bool)  # the first checkpoint has none before it
    for number in itertools.count(1):
        length = like(2 * sign * size, images).to(images.dtype) * epsilon
        stepped = images.addcmul(direction, length).clamp_(lowest, highest)
        if number > 1:
            # z of the paper is `stepped`: x + α (z − x) + (1 − α) (x − x₋₁)
            stepped.mul_(MOMENTUM).add_(images, alpha=2 * (1 - MOMENTUM)).sub_(previous, alpha=1 - MOMENTUM)
            stepped.clamp_(lowest, highest)
        previous, images = images, stepped
        if number == steps:
            break
        margins, gradient = margin_gradient(clean.detector, images, clean.labels)
        direction = gradient.sign()
        yield Iterate(clean, number, images, margins, direction)
        rises = rises + (sign * margins > objective)
        objective = sign * margins
        better = objective > best_objective
        best, best_direction = where(better, images, best), where(better, direction, best_direction)
        best_objective = torch.where(better, objective, best_objective)
        if number in marks:
            stuck = (rises < RISING * (number - last_mark)) | (~halved & (best_objective == at_last_mark))
            size = torch.where(stuck, size / 2, size)
            images, previous = where(stuck, best, images), where(stuck, best, previous)
            direction = where(stuck, best_direction, direction)
            objective = torch.where(stuck, best_objective, objective)
            halved, at_last_mark, rises, last_mark = stuck, best_objective, torch.zeros_like(rises), number
    last = Iterate(clean, steps, images)
    yield last
    return Best(best, best_objective, best_direction, size), last


def checkpoints(steps: int) -> list[int]:
    """After which steps APGD looks back: ⌈pⱼ · steps⌉ of section 3.1, closer together as the search goes on.

    >>> checkpoints(100)
    [22, 41, 57, 70, 80, 87, 93, 99]
    """
    share, width, found = 0.22, 0.22, []
    while share < 1:
        found.append(math.ceil(round(share * steps, 9)))
        width = max(width - 0.03, 0.06)
        share += width
    return sorted(set(found))
