"""The adversary of the robust ratio: it moves the probabilities, whichever way they can be moved further."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from rrlib.attacks.gradients import exists, margin, margin_gradient
from rrlib.attacks.rules import PGD, Draw, Step, project, where


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
    as many steps and one restart end, so that none of them shifts a sample further.
    """

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        starts = self.starts(x, draw)
        clean = margin(detector, x, torch.zeros_like(labels))
        for epsilon in epsilons:
            furthest, largest = x, torch.full_like(clean, -torch.inf)
            found = torch.zeros(len(x), dtype=torch.bool, device=x.device)
            for start in starts:
                for attacked, difference, moved in self._visited(detector, x, epsilon, start):
                    shift = log_shift(clean, difference)
                    furthest, found = where(shift > largest, attacked, furthest), found | moved
                    largest = torch.maximum(shift, largest)
            yield epsilon, furthest, found

    def _visited(
        self, detector: nn.Module, x: torch.Tensor, epsilon: float, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Every point of the two ways from `start`, z_fake − z_real there, and which samples had a gradient there."""
        real = torch.zeros(len(x), dtype=torch.long, device=x.device)  # the margin of real is z_fake − z_real
        alpha = 2.5 * epsilon / self.steps
        start = (x + epsilon * start).clamp(0, 1)
        difference, uphill = margin_gradient(detector, start, real)
        yield start, difference, exists(uphill)
        for sign in (1, -1):
            attacked, gradient = start, uphill
            for _ in range(self.steps - 1):
                attacked = project(attacked + sign * alpha * gradient.sign(), x, epsilon)
                difference, gradient = margin_gradient(detector, attacked, real)
                yield attacked, difference, exists(gradient)
            attacked = project(attacked + sign * alpha * gradient.sign(), x, epsilon)
            yield attacked, margin(detector, attacked, real), torch.zeros_like(real, dtype=torch.bool)
