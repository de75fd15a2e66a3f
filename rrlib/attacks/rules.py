"""Noise, the single signed step, and the iterated ones: each a small dataclass of its options (see `protocol.Rule`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from rrlib.attacks.ball import Radius, add_step, where
from rrlib.attacks.gradients import Clean, exists
from rrlib.attacks.options import check_confidence, check_whole
from rrlib.attacks.protocol import Draw, Step, Work
from rrlib.attacks.schedules import Iterate
from rrlib.attacks.trajectory import Observer, Trajectory, follow, work
from rrlib.errors import InputError


@dataclass(frozen=True)
class Noise:
    """Uniform noise in the ball: the floor that every attack must beat."""

    adversarial: ClassVar[bool] = False

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        direction = draw()
        for epsilon in epsilons:
            yield epsilon, add_step(clean.x.clone(), direction, epsilon).clamp_(0, 1), None

    def work(self, epsilons: int) -> Work:
        """Nothing is asked."""
        return Work(0)


@dataclass(frozen=True)
class FGSM:
    """Fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): x + ε sign ∇L, clipped to [0, 1].

    One gradient at the clean input serves every ε.
    """

    adversarial: ClassVar[bool] = True

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        _, gradient = clean.gradient()
        sign, found = gradient.sign(), exists(gradient)
        for epsilon in epsilons:
            yield epsilon, add_step(clean.x.clone(), sign, epsilon).clamp_(0, 1), found

    def work(self, epsilons: int) -> Work:
        """One gradient, whatever the number of ε."""
        return Work(1, clean=True)


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

    adversarial: ClassVar[bool] = True
    both_directions: ClassVar[bool] = False

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

    @property
    def trajectory(self) -> Trajectory:
        """Rules of one trajectory are measured together."""
        return Trajectory(self.steps, self.random_start, self.one_batch)

    @property
    def ends(self) -> int:
        """The last iterates of restarts are compared; that of a single start is not looked at."""
        return self.restarts if self.restarts > 1 else 0

    @property
    def looks(self) -> int:
        """None of its own."""
        return 0

    @property
    def refining(self) -> int:
        """It does not."""
        return 0

    @property
    def clean_gradient(self) -> bool:
        """Without a random start the first step follows the clean gradient."""
        return not self.random_start

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        for epsilon, ((images, found),) in follow([self], self.trajectory, clean, epsilons, draw):
            yield epsilon, images, found

    def work(self, epsilons: int) -> Work:
        """A gradient a step; the first of them is shared by all ε where there is no random start."""
        return work([self], self.trajectory, epsilons)

    def observer(self, clean: Clean, epsilon: Radius) -> Observer:
        """Keeps the last iterate."""
        return _Last(self)


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

    def observer(self, clean: Clean, epsilon: Radius) -> Observer:
        """Keeps the first iterate beyond the border."""
        return _FirstAcross(self, self.confidence)


class _Last:
    """The last iterate of each start, and of several starts the one with the largest margin there."""

    def __init__(self, rule: PGD):
        self.rule = rule
        self.images: torch.Tensor | None = None
        self.found: torch.Tensor | None = None

    def see(self, iterate: Iterate) -> None:
        if iterate.number == 0:  # a sample without a gradient stays where it is, and so without one
            found = iterate.has_gradient()
            self.found = found if self.found is None else self.found | found
        if iterate.number == self.rule.steps:
            self._end(iterate.images, iterate.margins() if self.rule.ends else None)

    def _end(self, images: torch.Tensor, margins: torch.Tensor | None) -> None:
        """A start's candidate is complete; margins are given where there is another to compare it with."""
        if self.images is None or margins is None:
            self.images, self.largest = images, margins
            return
        assert self.largest is not None
        self.images = where(margins > self.largest, images, self.images)
        self.largest = torch.maximum(margins, self.largest)

    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.images is not None
        assert self.found is not None
        return self.images, self.found


class _FirstAcross(_Last):
    """The first iterate of each start whose margin is above `confidence`; the last one where there is none."""

    def __init__(self, rule: PGD, confidence: float):
        super().__init__(rule)
        self.confidence = confidence

    def see(self, iterate: Iterate) -> None:
        if iterate.number == 0:
            found = iterate.has_gradient()
            self.found = found if self.found is None else self.found | found
            self.stopped = torch.zeros_like(found)
            self.first, self.margins = iterate.images.clone(), iterate.margins()
        else:
            self.first = where(self.stopped, self.first, iterate.images)
        if iterate.number < self.rule.steps:
            self.margins = torch.where(self.stopped, self.margins, iterate.margins())
            self.stopped = self.stopped | (self.margins > self.confidence)
        elif self.rule.ends:
            self._end(self.first, torch.where(self.stopped, self.margins, iterate.margins()))
        else:
            self._end(self.first, None)
