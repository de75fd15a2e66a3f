"""What `sweep` asks of an attack."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch

from rrlib.attacks.gradients import Clean

Step = tuple[float, torch.Tensor, torch.Tensor | None]  # ε, images, has_gradient


class Draw(Protocol):
    """Where a rule's random numbers come from."""

    def __call__(self, restart: int = 0) -> torch.Tensor:
        """Numbers uniform on [−1, 1), shaped like the batch, of the seed, the sample and the restart alone."""
        ...


class Work(NamedTuple):
    """What a rule asks the detector for each sample, the clean batch's gradient and logits among it.

    Looking at the attacked images afterwards is not part of it. `at_most`: some samples may cost less. `clean`: the
    clean batch's gradient is one of the gradients, which rules that are measured together ask for once. `clean_logits`:
    without that gradient, the clean batch's logits are one of the forwards; with it they cost nothing.
    """

    gradients: int
    forwards: int = 0
    at_most: bool = False
    clean: bool = False
    clean_logits: bool = False


class Rule(Protocol):
    """An attack with its options.

    A detector is frozen and in eval mode while a rule runs (`sweep` sees to that). Loops ask for one gradient a step,
    look at no value (a GPU is never waited for) and go over the pixels as seldom as they can.
    """

    @property
    def adversarial(self) -> bool:
        """Whether it seeks to do harm: all do but random noise, which is the floor that they must beat."""
        ...

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        """(ε, images, has_gradient) for each of `epsilons`, all > 0, in order.

        `images` is shaped like `clean.x`, within ε of it and in [0, 1]; `has_gradient`, (N,) bool, tells whether the
        sample had a non-zero gradient, and is None where none is used.
        """
        ...

    def work(self, epsilons: int) -> Work | None:
        """What so many ε > 0 cost, said before anything runs; None where that is not known."""
        ...
