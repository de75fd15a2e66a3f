"""The adversary of the robust ratio: it moves the probabilities, whichever way they can be moved further."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import logsigmoid

from rrlib.attacks.ball import Radius, add_step, at, where
from rrlib.attacks.gradients import Clean, exists, log_shift, margin
from rrlib.attacks.options import check_whole
from rrlib.attacks.refining import refined
from rrlib.attacks.rules import PGD
from rrlib.attacks.schedules import SCHEDULES, Iterate, apgd_from
from rrlib.attacks.trajectory import Observer, Trajectory
from rrlib.errors import InputError

_Search = Callable[[Clean, Radius, int, torch.Tensor, torch.Tensor], Iterator[Iterate]]
SATURATED = 1e-3  # of |p′ − p|: who could still gain less than this is left alone
CURVED = 4e-3, 0.1  # of |p′ − p|, and as a share of it: so much a search must promise to be begun


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

    A probability p moves by max(p, 1 − p) at most. So with the fixed `schedule` a sample that has gone one way is
    spared the other if that can no longer win (|p′ − p| ≥ p for the way down, ≥ 1 − p for the way up). No result
    changes by it.

    `refine` searches on, in the direction that moved the sample most: two fifths as many steps of APGD from each of
    three corners of the ball, whose long first ones may lead to other hills than the ways', and then so many of
    `refining.refined` from the best point of all, to the top of its hill. The corners are the two single steps, and one
    drawn once for all samples. Samples to which it cannot matter are left alone.
    `SATURATED`: less than 1e-3 of |p′ − p| is still to be had, so that no sample gives up more by it. Nearly linear in
    the ball: the ways and the single step moved p alike, up to `CURVED`.
    It only adds to what was found. A GPU is waited for a few times at each ε, to find those samples.

    With the schedule `apgd` each sample adapts its steps, and spends them all in the direction that can still win (see
    `schedules.apgd`): as many gradients, and on large images a larger shift. `pgd` and `cw` are then no part of it; a
    worst case over attacks takes them in.
    """

    schedule: str = "fixed"
    refine: int = 0

    both_directions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("refine", self.refine, least=0)
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

    @property
    def looks(self) -> int:
        """At the two single steps, and at the last point of the four searches."""
        return 6 if self.refine else 2

    @property
    def refining(self) -> int:
        """A gradient a step of all four searches."""
        return 3 * _shorter(self.refine) + self.refine

    def observer(self, clean: Clean, epsilon: Radius) -> Observer:
        """Keeps the point that shifted most."""
        return _Furthest(clean, epsilon, self.refine)


class _Furthest:
    """Of all points seen, the one with the largest shift; of equal ones, that with the larger probability of fake."""

    def __init__(self, clean: Clean, epsilon: Radius, refine: int):
        margins, gradient = clean.gradient()
        self.clean, self.epsilon, self.refine = clean, epsilon, refine
        self._towards_fake = torch.where(clean.labels == 1, -1.0, 1.0).to(margins.dtype)
        self.before = margins * self._towards_fake
        self.images, self.difference = clean.x, torch.full_like(margins, -torch.inf)
        self.largest = torch.full_like(margins, -torch.inf)  # the logarithm of the shift
        self.found = exists(gradient)
        for size in (epsilon, -epsilon):
            corner = add_step(clean.x.clone(), gradient.sign(), size).clamp_(0, 1)
            self._consider(corner, margin(clean.detector, corner, clean.labels), None)
        self.of_single_step = self.largest
        self.of_ways = torch.full_like(margins, -torch.inf)

    def see(self, iterate: Iterate) -> None:
        self.of_ways = torch.maximum(self.of_ways, self._consider(iterate.images, iterate.margins(), None))
        self.found = self.found | iterate.has_gradient()

    def open_below(self) -> torch.Tensor:
        """A descent of the margin lowers z for a label of real and raises it for fake, to 0 or 1 at most."""
        return self.largest < logsigmoid(self.before * self._towards_fake)

    def see_some(self, iterate: Iterate, rows: torch.Tensor) -> None:
        shift = self._consider(iterate.images, iterate.margins(), rows)
        self.of_ways[rows] = torch.maximum(self.of_ways[rows], shift)
        self.found[rows] = self.found[rows] | iterate.has_gradient()

    def _consider(self, images: torch.Tensor, margins: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        """Keep what is further than before, of all samples or of those with these numbers; their shifts' logarithms."""
        here = slice(None) if rows is None else rows
        difference = margins * self._towards_fake[here]  # z_fake − z_real, whichever answer is the wrong one
        shift, largest = log_shift(self.before[here], difference), self.largest[here]
        # the tie is broken by the point itself, as which direction comes first depends on the label
        further = (shift > largest) | ((shift == largest) & (difference > self.difference[here]))
        further = further | shift.isnan()  # kept for good, so that it is told and not passed over
        best = where(further, images, self.images[here])
        difference = torch.where(further, difference, self.difference[here])
        largest = torch.where(further, shift, largest)
        if rows is None:
            self.images, self.difference, self.largest = best, difference, largest
        else:
            self.images[rows], self.difference[rows], self.largest[rows] = best, difference, largest
        return shift

    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.refine:
            curved = _unlike(self.of_ways, self.of_single_step)
            if steps := _shorter(self.refine):
                _, gradient = self.clean.gradient()
                for corner in (gradient.sign(), -gradient.sign(), _drawn_corner(self.clean.x)):
                    self._search_on(curved, apgd_from, steps, corner)
            self._search_on(curved, refined, self.refine, None)
        return self.images, self.found

    def _search_on(self, chosen: torch.Tensor, search: _Search, steps: int, corner: torch.Tensor | None) -> None:
        """For those of `chosen`, (N,) bool, that are not saturated, in the direction in which they moved furthest.

        The search begins at x + ε · corner, (N, …), or at the best point of all.
        """
        most = self.before.abs().sigmoid()  # max(p, 1 − p)
        rows = (chosen & (most - self.largest.exp() > SATURATED)).nonzero()[:, 0]
        if len(rows) == 0:
            return
        up = torch.where(self.difference >= self.before, 1.0, -1.0).to(self.before.dtype) * self._towards_fake
        up, part, epsilon = up[rows], self.clean.part(rows), at(self.epsilon, rows)
        begin = self.images[rows] if corner is None else add_step(part.x.clone(), corner[rows], epsilon).clamp_(0, 1)
        for iterate in search(part, epsilon, steps, up, begin):
            self._consider(iterate.images, iterate.margins(), rows)


def _shorter(refine: int) -> int:
    """The steps of each search that looks for another hill."""
    return 2 * refine // 5


def _drawn_corner(x: torch.Tensor) -> torch.Tensor:
    """Signs, the same for all samples, so that none depends on the others: shaped like `x`, (N, …)."""
    drawn = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(0))
    return (drawn - 0.5).sign().to(x).expand_as(x)


def _unlike(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Where two shifts, given by their logarithms, differ by more than `CURVED`, in |p′ − p| or as a share of it."""
    apart, share = CURVED
    return ((one.exp() - other.exp()).abs() > apart) | ((one - other).abs() > share)
