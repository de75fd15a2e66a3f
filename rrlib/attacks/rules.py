"""The attacks: each a small dataclass of its options, whose `run` serves all epsilons of one batch.

`run(clean, epsilons, draw)` yields (ε, attacked, gradient) per ε > 0: `attacked` shaped like `clean.x`, within ε of it
and in [0, 1]; `gradient` (N,) bool, whether the sample had a non-zero gradient, or None where none is used.
`draw(restart)` gives numbers uniform on [−1, 1), shaped like `clean.x`, that depend on the seed, the sample and the
restart only; `draw()` is `draw(0)`.
`work(epsilons)` says, before anything runs, what so many ε > 0 cost: see `Work`.
The detector is frozen and in eval mode while a rule runs (`sweep` sees to that). Loops ask for one gradient a step,
look at no value (a GPU is never waited for) and go over the pixels as seldom as they can.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from rrlib.attacks.gradients import Clean, exists, margin, margin_gradient
from rrlib.attacks.options import check_confidence, check_whole
from rrlib.errors import InputError


class Draw(Protocol):
    """Where a rule's random numbers come from."""

    def __call__(self, restart: int = 0) -> torch.Tensor: ...


class Work(NamedTuple):
    """What a rule asks the detector for each sample, the clean batch's gradient and logits among it.

    Looking at the attacked images afterwards is not part of it. `at_most`: some samples may cost less.
    """

    gradients: int
    forwards: int = 0
    at_most: bool = False


Step = tuple[float, torch.Tensor, torch.Tensor | None]
Radius = float | torch.Tensor  # ε of all samples, or of each: shaped to multiply with images


def project(attacked: torch.Tensor, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The nearest point of the ε-ball round x that is still a picture."""
    return (attacked - x).clamp_(-epsilon, epsilon).add_(x).clamp_(0, 1)


def ball(x: torch.Tensor, epsilon: Radius) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and the highest value that each pixel may take: `project` as a clamp, for use in a loop."""
    return (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)


def walk(x: torch.Tensor, direction: torch.Tensor, length: Radius) -> torch.Tensor:
    """`x`, moved in place by so much along `direction`."""
    # one pass over the pixels, where a product and a sum would be two
    return x.addcmul_(direction, length) if isinstance(length, torch.Tensor) else x.add_(direction, alpha=length)


def where(chosen: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """`new` for the samples that `chosen`, (N,) bool, names and `old` for the others: (N, …), (N, …) → (N, …)."""
    return torch.where(like(chosen, new), new, old)


def like(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One value per sample, (N,), shaped so that it multiplies with `x`, (N, …)."""
    return values.view(-1, *[1] * (x.dim() - 1))


@dataclass(frozen=True)
class Noise:
    """Uniform noise in the ball: the floor that every attack must beat."""

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        direction = draw()
        for epsilon in epsilons:
            yield epsilon, walk(clean.x.clone(), direction, epsilon).clamp_(0, 1), None

    def work(self, epsilons: int) -> Work:
        """Nothing is asked."""
        return Work(0)


@dataclass(frozen=True)
class FGSM:
    """Fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): x + ε sign ∇L, clipped to [0, 1].

    One gradient at the clean input serves every ε.
    """

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        _, gradient = clean.gradient()
        sign, found = gradient.sign(), exists(gradient)
        for epsilon in epsilons:
            yield epsilon, walk(clean.x.clone(), sign, epsilon).clamp_(0, 1), found

    def work(self, epsilons: int) -> Work:
        """One gradient, whatever the number of ε."""
        return Work(1)


@dataclass(frozen=True)
class PGD:
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083): signed steps of 2.5 ε / steps, last iterate.

    Of several restarts, each from a random start of its own, a sample keeps the one that ends with the largest margin.
    Without a random start the first step is the clean gradient's, and it serves every ε.

    `one_batch` attacks at all ε together, in a batch as many times larger: the same rows, more memory. It is faster
    while batches are small or a GPU is not full, and slower otherwise (`benchmarks/one_batch.py`: on one processor core
    0.6 of the time for a batch of one image, 1.3 for 64).
    """

    steps: int = 10
    random_start: bool = True
    restarts: int = 1
    one_batch: bool = False

    def __post_init__(self) -> None:
        check_whole("steps", self.steps)
        check_whole("restarts", self.restarts)
        for name in ("random_start", "one_batch"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {getattr(self, name)!r}; it is true or false")
        if self.restarts > 1 and not self.random_start:
            raise InputError(
                f"restarts is {self.restarts} without random_start, so that all would start alike; "
                "set restarts to 1 or random_start to true"
            )

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        starts = [draw(restart) for restart in range(self.restarts)] if self.random_start else [None]
        if self.one_batch:
            if not self.random_start:
                clean.gradient()  # once, before the batch is repeated
            times = len(epsilons)
            radius = torch.tensor(epsilons, dtype=clean.x.dtype, device=clean.x.device)
            radius = like(radius.repeat_interleave(len(clean.x)), clean.x)
            repeated = [None if start is None else torch.cat([start] * times) for start in starts]
            attacked, found = self.attack(clean.repeated(times), radius, repeated)
            yield from zip(epsilons, attacked.chunk(times), found.chunk(times), strict=True)
            return
        for epsilon in epsilons:
            yield epsilon, *self.attack(clean, epsilon, starts)

    def work(self, epsilons: int) -> Work:
        """A gradient a step; the first of them is shared by all ε where there is no random start."""
        if not self.random_start:
            return Work(1 + (self.steps - 1) * epsilons)
        compared = self.restarts if self.restarts > 1 else 0
        return Work(self.steps * self.restarts * epsilons, compared * epsilons)

    def attack(
        self, clean: Clean, epsilon: Radius, starts: Sequence[torch.Tensor | None]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The images at one radius (or at one per sample), and which samples had a gradient on the way."""
        first, *others = starts
        attacked, found = self._climb(clean, epsilon, first)
        if others:
            largest = margin(clean.detector, attacked, clean.labels)
        for start in others:
            other, found_too = self._climb(clean, epsilon, start)
            margins = margin(clean.detector, other, clean.labels)
            attacked, found = where(margins > largest, other, attacked), found | found_too
            largest = torch.maximum(margins, largest)
        return attacked, found

    def _climb(self, clean: Clean, epsilon: Radius, start: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The last iterate from one start, a direction in [−1, 1) that ε scales; None starts at the clean image."""
        lowest, highest = ball(clean.x, epsilon)
        attacked = clean.x.clone()
        if start is not None:
            walk(attacked, start, epsilon).clamp_(0, 1)
        for number in range(self.steps):
            if start is None and number == 0:
                margins, gradient = clean.gradient()
                direction = gradient.sign()
            else:
                margins, gradient = margin_gradient(clean.detector, attacked, clean.labels)
                direction = gradient.sign_()
            if number == 0:
                found = exists(direction)  # a sample without a gradient stays where it is, and so without one
            walk(attacked, self._moving(direction, margins), 2.5 * epsilon / self.steps).clamp_(lowest, highest)
        return attacked, found

    def _moving(self, direction: torch.Tensor, margins: torch.Tensor) -> torch.Tensor:
        """The directions of the samples that go on, and zero for the others: all go on."""
        return direction


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

    def _moving(self, direction: torch.Tensor, margins: torch.Tensor) -> torch.Tensor:
        """Those go on whose wrong answer does not yet lead by more than `confidence`."""
        return direction.mul_(like(margins <= self.confidence, direction))
