"""A search that begins where signed steps ended: each step follows the gradients of all before it, and is shorter."""

import math
from collections.abc import Iterator

import torch

from rrlib.attacks.ball import Radius, bounds, like
from rrlib.attacks.gradients import Clean, margin_gradient
from rrlib.attacks.schedules import Iterate

MOMENTUM = 0.5  # μ of Dong et al.
FIRST, LAST = 2.0, 0.01  # the first and the last step, in units of ε, and a constant ratio between


def refined(clean: Clean, epsilon: Radius, steps: int, sign: torch.Tensor, images: torch.Tensor) -> Iterator[Iterate]:
    """Steps from `images` (N, …) up the margin where `sign` (N,) is 1, down where it is −1.

    x ← Π(x + α sign g) with g ← μ g + ∇m / mean |∇m|: the momentum of Dong et al. (2018, arXiv 1710.06081, equations 6
    and 7), whose sum forgets the kinks of the margin that turn a single gradient's signs at every step. The step α
    falls from 2 ε to ε / 100, so that the search first leaves where it begins and then settles.

    Shows the iterates 1 … `steps`, and asks for a gradient at the start and at each of them but the last.
    """
    lowest, highest = bounds(clean.x, epsilon)
    _, gradient = margin_gradient(clean.detector, images, clean.labels)
    pixels = tuple(range(1, images.dim()))
    smallest = torch.finfo(gradient.dtype).tiny  # a gradient of zeros stays one
    up = like(sign, images).to(images.dtype)
    followed = torch.zeros_like(images)
    for number in range(1, steps + 1):
        mean = gradient.abs().mean(pixels).clamp_min(smallest)
        followed.mul_(MOMENTUM).addcdiv_(gradient, like(mean, images))
        images = images.addcmul(followed.sign().mul_(up), _size(number, steps) * epsilon * torch.ones_like(up))
        images.clamp_(lowest, highest)
        if number == steps:
            yield Iterate(clean, number, images)
            return
        margins, gradient = margin_gradient(clean.detector, images, clean.labels)
        yield Iterate(clean, number, images, margins, gradient)


def _size(number: int, steps: int) -> float:
    """The step's length in units of ε."""
    return FIRST * math.exp(math.log(LAST / FIRST) * (number - 1) / max(1, steps - 1))
