"""Signed gradient steps in the ball, computed once for all rules that want the same ones.

A trajectory begins at a random point of the ball (or at the clean image) and takes steps along the sign of a gradient,
each clamped to the ball: that of the margin of the wrong answer (an ascent) or its negative (a descent). `schedules`
says how long the steps are. Rules differ in what they keep, so each is an observer: it sees the iterates as they come
and remembers its own choice. The detector is asked once for each iterate, however many observers there are.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, cast

import torch

from rrlib.attacks.ball import Radius, at, like
from rrlib.attacks.gradients import Clean
from rrlib.attacks.protocol import Draw, Work
from rrlib.attacks.schedules import Iterate, Start, apgd, fixed, start


class Trajectory(NamedTuple):
    """What rules must have in common to be measured together."""

    steps: int
    random_start: bool
    one_batch: bool
    schedule: str = "fixed"  # one of SCHEDULES


class Observer(Protocol):
    """What a rule keeps of a trajectory."""

    def see(self, iterate: Iterate) -> None:
        """Look at the next point of one start's ascent, and of its descent too if that comes with it (`apgd`).

        The start, point 0, is shown once.
        """
        ...

    def kept(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The images, shaped like the batch, and has_gradient, (N,) bool."""
        ...


class Observing(Protocol):
    """A rule that is an observer's: how many starts it looks at, in which directions, and what it keeps.

    `ends` is for how many starts it asks for the margins at the last iterate, `clean_gradient` whether it asks for the
    clean batch's gradient, `looks` how many forwards and `refining` how many gradients of its own it may ask for at
    each ε. The observer of a rule of both directions is a `Descending` one.
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
    @property
    def refining(self) -> int: ...
    def observer(self, clean: Clean, epsilon: Radius) -> Observer: ...


class Descending(Observer, Protocol):
    """What a rule of both directions keeps: it also looks at descents, of those samples that can still gain by them."""

    def open_below(self) -> torch.Tensor:
        """Which samples a descent may still bring something, (N,) bool: the others are spared it."""
        ...

    def see_some(self, iterate: Iterate, rows: torch.Tensor) -> None:
        """Look at the next point of the descent of the samples with these numbers, (n,), in their order."""
        ...


Kept = list[tuple[torch.Tensor, torch.Tensor]]


def follow(
    rules: Sequence[Observing], trajectory: Trajectory, clean: Clean, epsilons: Sequence[float], draw: Draw
) -> Iterator[tuple[float, Kept]]:
    """For each ε what each of the rules keeps, in their order; all are rules of that trajectory.

    A rule of fewer restarts than another looks at the first ones.
    """
    noises: list[torch.Tensor | None] = [None]
    if trajectory.random_start:
        noises = [draw(restart) for restart in range(max(rule.restarts for rule in rules))]
    if not trajectory.one_batch:
        for epsilon in epsilons:
            yield epsilon, _at(rules, trajectory, clean, epsilon, noises)
        return
    if any(rule.clean_gradient for rule in rules):
        clean.gradient()  # once, before the batch is repeated
    times = len(epsilons)
    radius = torch.tensor(epsilons, dtype=clean.x.dtype, device=clean.x.device)
    radius = like(radius.repeat_interleave(len(clean.x)), clean.x)
    repeated = [None if noise is None else torch.cat([noise] * times) for noise in noises]
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
    gradients += sum(rule.refining for rule in rules)
    forwards = ends + sum(rule.looks for rule in rules)
    # samples that can no longer gain are spared a descent, and refining
    at_most = (descents > 0 and trajectory.schedule == "fixed") or any(rule.refining for rule in rules)
    return Work(int(clean) + gradients * epsilons, forwards * epsilons, at_most=at_most, clean=clean)


def _at(
    rules: Sequence[Observing],
    trajectory: Trajectory,
    clean: Clean,
    epsilon: Radius,
    noises: Sequence[torch.Tensor | None],
) -> Kept:
    """What the rules keep at one radius, or at one per sample."""
    observers = [rule.observer(clean, epsilon) for rule in rules]
    paired = list(zip(rules, observers, strict=True))
    for restart, noise in enumerate(noises):
        ascending = [observer for rule, observer in paired if restart < rule.restarts]
        descending = [
            cast(Descending, observer) for rule, observer in paired if restart < rule.restarts and rule.both_directions
        ]
        _from(clean, epsilon, trajectory, noise, ascending, descending)
    return [observer.kept() for observer in observers]


def _from(
    clean: Clean,
    epsilon: Radius,
    trajectory: Trajectory,
    noise: torch.Tensor | None,
    ascending: Sequence[Observer],
    descending: Sequence[Descending],
) -> None:
    """Show the iterates from one start."""
    begin = start(clean, epsilon, noise)
    _show(ascending, Iterate(clean, 0, *begin))
    if trajectory.schedule == "apgd":  # only rules of both directions have it
        for iterate in apgd(clean, epsilon, trajectory.steps, begin):
            _show(descending, iterate)
        return
    # the start is needed once more while a descent is to come
    here = begin._replace(images=begin.images.clone()) if descending else begin
    for iterate in fixed(clean, epsilon, trajectory.steps, 1, here):
        _show(ascending, iterate)
    if not descending:
        return
    open_below = torch.stack([observer.open_below() for observer in descending]).any(dim=0)
    rows = open_below.nonzero()[:, 0]  # a GPU is waited for here, once for each start
    if len(rows) == 0:
        return
    if len(rows) < len(clean.x):  # else a part would be a copy of it all
        clean, epsilon = clean.part(rows), at(epsilon, rows)
        begin = Start(begin.images[rows], begin.margins[rows], begin.direction[rows])
    for iterate in fixed(clean, epsilon, trajectory.steps, -1, begin):
        for observer in descending:
            observer.see_some(iterate, rows)


def _show(observers: Sequence[Observer], iterate: Iterate) -> None:
    for observer in observers:
        observer.see(iterate)
