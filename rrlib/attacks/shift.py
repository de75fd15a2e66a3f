"""The adversary of the robust ratio: it moves the probabilities, whichever way they can be moved further."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid

from rrlib.attacks.gradients import Clean, exists, margin, margin_gradient, margin_of
from rrlib.attacks.rules import PGD, Draw, Radius, Step, Work, ball, like, walk, where


def log_shift(z: torch.Tensor, z_attacked: torch.Tensor) -> torch.Tensor:
    """log |σ(z′) − σ(z)|, from logit differences z = z_fake − z_real: (N,), (N,) → (N,), −∞ where they are equal.

    σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)), and for a ≥ b each factor has a logarithm that does not saturate, so two
    shifts can be told apart where both probabilities round to 1.

    >>> z = torch.tensor([0.0, 60.0], dtype=torch.float64)
    >>> log_shift(z, z + 1)  # σ(1) − ½, and e⁻⁶⁰ (1 − e⁻¹)
    tensor([ -1.4651, -60.4587], dtype=torch.float64)
    """
    low, high = torch.minimum(z, z_attacked), torch.maximum(z, z_attacked)
    return logsigmoid(high) + logsigmoid(-low) + torch.log(-torch.expm1(low - high))


@dataclass(frozen=True)
class Shift(PGD):
    """PGD on the shift itself: it climbs z_fake − z_real and descends it, and keeps the point that shifted most.

    The probability of fake is σ(z_fake − z_real), so its largest and its smallest value in the ball are the largest
    and the smallest difference of the logits, and one of the two is the largest shift |p′ − p|. For two classes `linf`,
    `tv` and `l2` are |p′ − p| up to a factor; `js` grows with it on either side of p, but may rank the two sides
    otherwise. The label plays no part: an answer that is wrong already is moved as well, and may be moved to the right
    one, so this attack is made for RR and its RA is no worst case.

    Every point on the way counts. From the same seed the way begins at `noise` and passes wherever `pgd` and `cw` of
    as many steps and one restart end. One large step may beat many small ones, so the two points x ± ε sign ∇ of the
    clean gradient, of which `fgsm` takes one, count as well. None of the four then shifts a sample further.
    """

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        clean.gradient()  # once, before `one_batch` repeats what is known
        yield from super().run(clean, epsilons, draw)

    def work(self, epsilons: int) -> Work:
        """The clean gradient, then two ways from each start; a way's last point, and a single step, take a forward."""
        ways = 2 * self.restarts * epsilons
        starts = self.restarts * epsilons if self.random_start else 0
        return Work(1 + starts + ways * (self.steps - 1), 2 * epsilons + ways)

    def attack(
        self, clean: Clean, epsilon: Radius, starts: Sequence[torch.Tensor | None]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The points that shifted most, and which samples had a gradient on the way."""
        before = margin_of(clean.logits(), torch.zeros_like(clean.labels))
        furthest, largest = clean.x, torch.full_like(before, -torch.inf)
        found = torch.zeros(len(before), dtype=torch.bool, device=before.device)
        ways = (self._visited(clean, epsilon, start) for start in starts)
        for attacked, difference, moved in itertools.chain(_single_steps(clean, epsilon), *ways):
            shift = log_shift(before, difference)
            furthest, found = where(shift > largest, attacked, furthest), found | moved
            largest = torch.maximum(shift, largest)
        return furthest, found

    def _visited(
        self, clean: Clean, epsilon: Radius, start: torch.Tensor | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Every point of the two ways from `start`, z_fake − z_real there, and which samples had a gradient there."""
        real = torch.zeros_like(clean.labels)  # the margin of real is z_fake − z_real
        lowest, highest = ball(clean.x, epsilon)
        alpha = 2.5 * epsilon / self.steps
        if start is None:
            start = clean.x
            difference, uphill = _of_fake(clean)
        else:
            start = walk(clean.x.clone(), start, epsilon).clamp_(0, 1)
            difference, uphill = margin_gradient(clean.detector, start, real)
        yield start, difference, exists(uphill)
        for sign in (1, -1):
            attacked, gradient = start.clone(), uphill
            for _ in range(self.steps - 1):
                walk(attacked, gradient.sign(), sign * alpha).clamp_(lowest, highest)
                difference, gradient = margin_gradient(clean.detector, attacked, real)
                yield attacked, difference, exists(gradient)
            walk(attacked, gradient.sign(), sign * alpha).clamp_(lowest, highest)
            yield attacked, margin(clean.detector, attacked, real), torch.zeros_like(real, dtype=torch.bool)


def _single_steps(clean: Clean, epsilon: Radius) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The corners that the clean gradient points to and away from, as `Shift._visited` gives its points."""
    _, uphill = _of_fake(clean)
    real, found = torch.zeros_like(clean.labels), exists(uphill)
    for sign in (1, -1):
        corner = walk(clean.x.clone(), uphill.sign().mul_(sign), epsilon).clamp_(0, 1)
        yield corner, margin(clean.detector, corner, real), found


def _of_fake(clean: Clean) -> tuple[torch.Tensor, torch.Tensor]:
    """z_fake − z_real and its gradient at the clean batch, from the margin of whichever answer is wrong there."""
    margins, gradient = clean.gradient()
    towards_fake = torch.where(clean.labels == 1, -1.0, 1.0)
    return margins * towards_fake, gradient * like(towards_fake, gradient)
