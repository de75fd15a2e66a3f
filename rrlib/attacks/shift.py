"""The adversary of the robust ratio: it moves the probabilities, whichever way they can be moved further."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from rrlib.attacks.ball import Radius, add_step, where
from rrlib.attacks.gradients import Clean, exists, log_shift, margin
from rrlib.attacks.rules import PGD
from rrlib.attacks.schedules import SCHEDULES, Iterate
from rrlib.attacks.trajectory import Observer, Trajectory
from rrlib.errors import InputError


@dataclass(frozen=True)
class Shift(PGD):
    """The shift itself as objective: an ascent and a descent of z_fake − z_real, of which it keeps what shifted most.

    The probability of fake is σ(z_fake − z_real), so its largest and its smallest value in the ball are the largest
    and the smallest difference of the logits, and one of the two is the largest shift |p′ − p|. For two classes `linf`,
    `tv` and `l2` are |p′ − p| up to a factor; `js` grows with it on either side of p, but may rank the two sides
    otherwise. The label plays no part: an answer that is wrong already is moved as well, and may be moved to the right
    one, so this attack is made for RR and its RA is no worst case.

    Every iterate counts. From the same seed the start is `noise`, and with the fixed `schedule` one of the two
    directions is the trajectory of `pgd` and `cw` of as many steps and one restart. One large step may beat many small
    ones, so the two points x ± ε sign ∇ of the clean gradient, of which `fgsm` takes one, count as well. None of the
    four then shifts a sample further.

    With the schedule `apgd` each sample adapts its steps, and spends them all in the direction that can still win (see
    `schedules.apgd`): as many gradients, and on large images a larger shift. `pgd` and `cw` are then no part of it; a
    worst case over attacks takes them in.
    """

    schedule: str = "fixed"

    both_directions: ClassVar[bool] = True
    looks: ClassVar[int] = 2  # at the two single steps

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule is {self.schedule!r}; choose from {', '.join(SCHEDULES)}")

    @property
    def trajectory(self) -> Trajectory:
        """That of `pgd`, if the schedule is fixed."""
        return super().trajectory._replace(schedule=self.schedule)

    @property
    def ends(self) -> int:
        """Every last iterate is looked at."""
        return self.restarts

    @property
    def clean_gradient(self) -> bool:
        """The single steps follow the clean gradient."""
        return True

    def observer(self, clean: Clean, epsilon: Radius) -> Observer:
        """Keeps the point that shifted most."""
        return _Furthest(clean, epsilon)


class _Furthest:
    """Of all points seen, the one with the largest shift; of equal ones, that with the larger probability of fake."""

    def __init__(self, clean: Clean, epsilon: Radius):
        margins, gradient = clean.gradient()
        self._towards_fake = torch.where(clean.labels == 1, -1.0, 1.0).to(margins.dtype)
        self.before = margins * self._towards_fake
        self.images, self.difference = clean.x, torch.full_like(margins, -torch.inf)
        self.largest = torch.full_like(margins, -torch.inf)
        self.found = exists(gradient)
        for size in (epsilon, -epsilon):
            corner = add_step(clean.x.clone(), gradient.sign(), size).clamp_(0, 1)
            self._consider(corner, margin(clean.detector, corner, clean.labels))

    def see(self, iterate: Iterate) -> None:
        self._consider(iterate.images, iterate.margins())
        self.found = self.found | iterate.has_gradient()

    def _consider(self, images: torch.Tensor, margins: torch.Tensor) -> None:
        difference = margins * self._towards_fake  # z_fake − z_real, whichever answer is the wrong one
        shift = log_shift(self.before, difference)
        # the tie is broken by the point itself, as which direction comes first depends on the label
        further = (shift > self.largest) | ((shift == self.largest) & (difference > self.difference))
        further = further | shift.isnan()  # kept for good, so that it is told and not passed over
        self.images = where(further, images, self.images)
        self.difference = torch.where(further, difference, self.difference)
        self.largest = torch.where(further, shift, self.largest)

    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images, self.found
