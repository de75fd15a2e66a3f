"""Signed gradient steps in the ball, computed once for all rules that want the same ones.

A trajectory begins at a random point of the ball (or at the clean image) and takes steps of α = 2.5 ε / steps along the
sign of a gradient, each clamped to the ball: that of the margin of the wrong answer (an ascent) or its negative (a
descent). Rules differ in what they keep of it, so each is an observer: it sees the iterates as they come and remembers
its own choice. The detector is asked once for each iterate, however many observers there are.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch

from rrlib.attacks.ball import Radius, add_step, bounds, like
from rrlib.attacks.gradients import Clean, exists, margin, margin_gradient
from rrlib.attacks.protocol import Draw, Work


class Trajectory(NamedTuple):
    """What rules must have in common to be measured together."""

    steps: int
    random_start: bool
    one_batch: bool


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


class Observer(Protocol):
    """What a rule keeps of a trajectory."""

    def see(self, iterate: Iterate) -> None:
        """Look at the next point: all of one start's ascent, then, for rules of both directions, of its descent.

        The descent has no point 0, as it is the ascent's.
        """
        ...

    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The images, shaped like the batch, and has_gradient, (N,) bool."""
        ...


class Observing(Protocol):
    """A rule that is an observer's: how many starts it looks at, in which directions, and what it keeps.

    `ends` is for how many starts it asks for the margins at the last iterate, `clean_gradient` whether it asks for the
    clean batch's gradient, `looks` how many forwards of its own it makes for each ε.
    """

    @property
    def trajectory(self) -> Trajectory | None: ...
    @property
    def restarts(self) -> int: ...
    @property
    def both_directions(self) -> bool: ...
    @property
    def ends(self) -> int: ...
    @property
    def clean_gradient(self) -> bool: ...
    @property
    def looks(self) -> int: ...
    def observer(self, clean: Clean, epsilon: Radius) -> Observer: ...


Kept = list[tuple[torch.Tensor, torch.Tensor]]


def follow(
    rules: Sequence[Observing], trajectory: Trajectory, clean: Clean, epsilons: Sequence[float], draw: Draw
) -> Iterator[tuple[float, Kept]]:
    """For each ε what each of the rules keeps, in their order; all are rules of that trajectory.

    A rule of fewer restarts than another looks at the first ones.
    """
    starts: list[torch.Tensor | None] = [None]
    if trajectory.random_start:
        starts = [draw(restart) for restart in range(max(rule.restarts for rule in rules))]
    if not trajectory.one_batch:
        for epsilon in epsilons:
            yield epsilon, _at(rules, trajectory, clean, epsilon, starts)
        return
    if any(rule.clean_gradient for rule in rules):
        clean.gradient()  # once, before the batch is repeated
    times = len(epsilons)
    radius = torch.tensor(epsilons, dtype=clean.x.dtype, device=clean.x.device)
    radius = like(radius.repeat_interleave(len(clean.x)), clean.x)
    repeated = [None if start is None else torch.cat([start] * times) for start in starts]
    kept = _at(rules, trajectory, clean.repeated(times), radius, repeated)
    parts = [(images.chunk(times), found.chunk(times)) for images, found in kept]
    for number, epsilon in enumerate(epsilons):
        yield epsilon, [(images[number], found[number]) for images, found in parts]


def work(rules: Sequence[Observing], trajectory: Trajectory, epsilons: int) -> Work:
    """What `follow` asks the detector for so many ε."""
    steps = trajectory.steps
    ascents = max(rule.restarts for rule in rules)
    descents = max((rule.restarts for rule in rules if rule.both_directions), default=0)
    ends = max(rule.ends for rule in rules) + descents
    clean = any(rule.clean_gradient for rule in rules)
    # both directions share the gradient at their start, and all ε that of the clean image
    gradients = (ascents + descents) * (steps - 1) + (ascents if trajectory.random_start else 0)
    forwards = ends + sum(rule.looks for rule in rules)
    return Work(int(clean) + gradients * epsilons, forwards * epsilons, clean=clean)


def _at(
    rules: Sequence[Observing],
    trajectory: Trajectory,
    clean: Clean,
    epsilon: Radius,
    starts: Sequence[torch.Tensor | None],
) -> Kept:
    """What the rules keep at one radius, or at one per sample."""
    observers = [rule.observer(clean, epsilon) for rule in rules]
    paired = list(zip(rules, observers, strict=True))
    for restart, start in enumerate(starts):
        ascending = [observer for rule, observer in paired if restart < rule.restarts]
        descending = [observer for rule, observer in paired if restart < rule.restarts and rule.both_directions]
        _from(clean, epsilon, trajectory.steps, start, ascending, descending)
    return [observer.kept() for observer in observers]


def _from(
    clean: Clean,
    epsilon: Radius,
    steps: int,
    start: torch.Tensor | None,
    ascending: Sequence[Observer],
    descending: Sequence[Observer],
) -> None:
    """Show the iterates from one start, a direction in [−1, 1) that ε scales; None starts at the clean image."""
    lowest, highest = bounds(clean.x, epsilon)
    images = clean.x.clone()
    if start is None:
        margins, gradient = clean.gradient()
        direction = gradient.sign()
    else:
        add_step(images, start, epsilon).clamp_(0, 1)
        margins, gradient = margin_gradient(clean.detector, images, clean.labels)
        direction = gradient.sign_()
    _show(ascending, Iterate(clean, 0, images, margins, direction))
    for observers, sign in ((ascending, 1), (descending, -1)):
        if not observers:
            continue
        size = sign * 2.5 * epsilon / steps
        # the start is needed once more while a descent is to come
        attacked = images.clone() if sign == 1 and descending else images
        heading = direction
        for number in range(1, steps + 1):
            add_step(attacked, heading, size).clamp_(lowest, highest)
            if number == steps:
                _show(observers, Iterate(clean, number, attacked))
            else:
                margins, gradient = margin_gradient(clean.detector, attacked, clean.labels)
                heading = gradient.sign_()
                _show(observers, Iterate(clean, number, attacked, margins, heading))


def _show(observers: Sequence[Observer], iterate: Iterate) -> None:
    for observer in observers:
        observer.see(iterate)
