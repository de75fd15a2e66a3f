"""One pass over a batch, of an attack or of several that share their gradients, for every epsilon."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import nn

from rrlib.attacks.adapter import PREFIX, TorchAttacks
from rrlib.attacks.frames import TouchedFrames
from rrlib.attacks.gradients import Clean
from rrlib.attacks.l2 import CWL2
from rrlib.attacks.protocol import Draw, Rule, Step, Work
from rrlib.attacks.random import uniform
from rrlib.attacks.rules import CW, FGSM, PGD, Noise
from rrlib.attacks.shift import Shift
from rrlib.attacks.square import Square
from rrlib.attacks.trajectory import Trajectory, follow, work
from rrlib.detectors import frozen
from rrlib.errors import InputError

RULES: dict[str, type[Noise | FGSM | PGD | CWL2 | Square]] = {
    "noise": Noise,
    "fgsm": FGSM,
    "pgd": PGD,
    "cw": CW,
    "cw_l2": CWL2,
    "shift": Shift,
    "square": Square,
}


class Attacked(NamedTuple):
    """One epsilon of a sweep.

    `images` is shaped like the input. `has_gradient`, (N,) bool, says which samples had a non-zero gradient; it is None
    where the attack asks for none (noise, ε = 0).
    """

    epsilon: float
    images: torch.Tensor
    has_gradient: torch.Tensor | None


def rule(name: str, /, **options: Any) -> Rule:
    """The attack called `name`, one of `RULES` or `torchattacks:NAME`, with its options checked.

    Each also takes `frames`: how many frames of a clip it may touch, chosen as `TouchedFrames` says; without it, all.

    >>> rule("pgd", steps=20)
    PGD(steps=20, random_start=True, restarts=1, one_batch=False)
    >>> rule("pgd", stepz=20)
    Traceback (most recent call last):
    rrlib.errors.InputError: pgd has no option stepz; its options are steps, random_start, restarts, one_batch, frames
    """
    if "frames" in options:
        frames = options.pop("frames")
        return TouchedFrames(rule(name, **options), frames)
    if name.startswith(PREFIX):
        return TorchAttacks(name.removeprefix(PREFIX), options)
    if name not in RULES:
        raise InputError(f"attack {name} is not known; choose from {', '.join(RULES)}, {PREFIX}NAME")
    allowed = [*(field.name for field in fields(RULES[name])), "frames"]
    for option in options:
        if option not in allowed:
            raise InputError(f"{name} has no option {option}; its options are {', '.join(allowed)}")
    return RULES[name](**options)


def check_epsilons(epsilons: Sequence[float], where: str = "epsilons") -> None:
    """Raise InputError unless `epsilons` is a non-empty, increasing sequence of numbers in [0, 1].

    >>> check_epsilons([0, 0.1, 0.05])
    Traceback (most recent call last):
    rrlib.errors.InputError: epsilons: 0.05 follows 0.1; list them in increasing order
    """
    if not isinstance(epsilons, Sequence) or isinstance(epsilons, str) or len(epsilons) == 0:
        raise InputError(f"{where}: {epsilons!r} is given; list at least one number in [0, 1]")
    for epsilon in epsilons:
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 <= epsilon <= 1:
            raise InputError(f"{where}: {epsilon!r} is given; epsilon is a number of pixel units in [0, 1]")
    for before, epsilon in itertools.pairwise(epsilons):
        if epsilon <= before:
            raise InputError(f"{where}: {epsilon} follows {before}; list them in increasing order")


def sweep(
    attack: str | Rule,
    detector: nn.Module,
    x: torch.Tensor,
    labels: torch.Tensor,
    epsilons: Sequence[float],
    *,
    seed: int = 0,
    samples: torch.Tensor | None = None,
    clean: Clean | None = None,
) -> Iterator[Attacked]:
    """Attack one batch at every epsilon, in order; ε = 0 is the clean input, and no attack runs.

    `x` (N, 3, H, W) or (N, T, 3, H, W), pixels in [0, 1]; `labels` (N,), 0 real, 1 fake. `samples` (N,), the samples'
    numbers in their data set, picks their random starts, so that results do not depend on how samples are batched;
    without it they are 0 … N−1. `clean`, a `Clean` of the same detector and batch, is what several sweeps of one batch
    share: one clean gradient then serves FGSM at every ε, the first step of PGD without a random start, and the clean
    probabilities. The detector's mode and gradients are the same after each epsilon as before.
    Raises InputError for pixels outside [0, 1], labels outside {0, 1}, wrong epsilons and unknown attacks.

    >>> from rrlib.detectors.catalogue import build
    >>> x, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 0, 1])
    >>> for attacked in sweep("fgsm", build("resnet", 32, seed=0), x, labels, [0, 0.1]):
    ...     print(attacked.epsilon, round(float((attacked.images - x).abs().max()), 4))
    0 0.0
    0.1 0.1
    """
    chosen = rule(attack) if isinstance(attack, str) else attack
    together = sweep_together({"": chosen}, detector, x, labels, epsilons, seed=seed, samples=samples, clean=clean)
    return (attacked[""] for _, attacked in together)


def sweep_together(
    rules: Mapping[str, Rule],
    detector: nn.Module,
    x: torch.Tensor,
    labels: torch.Tensor,
    epsilons: Sequence[float],
    *,
    seed: int = 0,
    samples: torch.Tensor | None = None,
    clean: Clean | None = None,
) -> Iterator[tuple[float, dict[str, Attacked]]]:
    """Attack one batch by several rules at every epsilon, in order: (ε, {name: its images}), names as in `rules`.

    Arguments, errors and results are those of `sweep`: what a rule gives here is bit for bit what it gives alone.
    The gradients are asked for once, by all rules that need the same ones. `pgd`, `cw` and `shift` (of the fixed
    schedule) of equal steps, random_start and one_batch see one trajectory, from which each takes what it keeps; so
    `cw` costs nothing beside `pgd`, and both cost nothing beside `shift`. `fgsm` and whoever else needs the clean
    gradient share that, and `noise` is where the trajectory starts. All other rules run as they would alone.
    `work_together` counts this.

    >>> from rrlib.detectors.catalogue import build
    >>> x, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 0, 1])
    >>> rules = {name: rule(name) for name in ("noise", "fgsm", "pgd", "cw")}
    >>> for epsilon, attacked in sweep_together(rules, build("resnet", 32, seed=0), x, labels, [0, 0.1]):
    ...     print(epsilon, *attacked, round(float((attacked["pgd"].images - x).abs().max()), 4))
    0 noise fgsm pgd cw 0.0
    0.1 noise fgsm pgd cw 0.1
    """
    check_epsilons(epsilons)
    _check_batch(x, labels)
    if samples is None:
        samples = torch.arange(len(x), device=x.device)
    numbers = samples.to(x.device)
    drawn: dict[int, torch.Tensor] = {}

    def draw(restart: int = 0) -> torch.Tensor:
        if restart not in drawn:
            drawn[restart] = uniform(x.shape, seed, numbers, restart).to(x.dtype)
        return drawn[restart]

    return _together(rules, clean or Clean(detector, x, labels), epsilons, draw)


def work_together(rules: Iterable[Rule], epsilons: int) -> Work | None:
    """What `sweep_together` of these rules asks the detector for so many ε > 0, per sample; None if one cannot say.

    >>> work_together([rule("noise"), rule("fgsm"), rule("pgd"), rule("cw")], epsilons=5)
    Work(gradients=51, forwards=0, at_most=False, clean=True, clean_logits=False)
    """
    shared, alone = _grouped({str(number): each for number, each in enumerate(rules)})
    parts = [work(list(group.values()), trajectory, epsilons) for trajectory, group in shared.items()]
    for each in alone.values():
        part = each.work(epsilons)
        if part is None:
            return None
        parts.append(part)
    clean, clean_logits = (sum(part.clean for part in parts), sum(part.clean_logits for part in parts))
    return Work(
        sum(part.gradients for part in parts) - max(0, clean - 1),
        sum(part.forwards for part in parts) - (clean_logits if clean else max(0, clean_logits - 1)),
        at_most=any(part.at_most for part in parts),
        clean=clean > 0,
        clean_logits=clean_logits > 0 and not clean,
    )


def _grouped(rules: Mapping[str, Rule]) -> tuple[dict[Trajectory, dict[str, PGD]], dict[str, Rule]]:
    """Those that share a trajectory, by trajectory, and those that run by themselves."""
    shared: dict[Trajectory, dict[str, PGD]] = {}
    alone: dict[str, Rule] = {}
    for name, each in rules.items():
        if isinstance(each, PGD):
            shared.setdefault(each.trajectory, {})[name] = each
        else:
            alone[name] = each
    return shared, alone


def _runs(
    rules: Mapping[str, Rule], clean: Clean, epsilons: Sequence[float], draw: Draw
) -> list[Iterator[dict[str, Step]]]:
    """One iterator over `epsilons` for each group of rules that are measured together."""
    shared, alone = _grouped(rules)
    followed = [_follow(group, trajectory, clean, epsilons, draw) for trajectory, group in shared.items()]
    # a black box last, as the clean gradient of any other rule brings the clean logits along
    ordered = sorted(alone.items(), key=lambda item: isinstance(item[1], Square))
    return followed + [_alone(name, each, clean, epsilons, draw) for name, each in ordered]


def _follow(
    group: Mapping[str, PGD], trajectory: Trajectory, clean: Clean, epsilons: Sequence[float], draw: Draw
) -> Iterator[dict[str, Step]]:
    for epsilon, kept in follow(list(group.values()), trajectory, clean, epsilons, draw):
        yield {name: (epsilon, *each) for name, each in zip(group, kept, strict=True)}


def _alone(name: str, chosen: Rule, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[dict[str, Step]]:
    for step in chosen.run(clean, epsilons, draw):
        yield {name: step}


def _together(
    rules: Mapping[str, Rule], clean: Clean, epsilons: Sequence[float], draw: Draw
) -> Iterator[tuple[float, dict[str, Attacked]]]:
    positive = [epsilon for epsilon in epsilons if epsilon > 0]
    runs = _runs(rules, clean, positive, draw) if positive else []
    for epsilon in epsilons:
        if epsilon == 0:
            yield epsilon, {name: Attacked(epsilon, clean.x, None) for name in rules}
            continue
        # frozen for one ε at a time, so that whoever consumes the sweep never holds a frozen detector
        with frozen(clean.detector), torch.inference_mode(False), torch.no_grad():
            steps = {name: step for run in runs for name, step in next(run).items()}
        attacked = {name: Attacked(*steps[name]) for name in rules}
        del steps
        for each in attacked.values():
            _check_finite(each, clean)
        yield epsilon, attacked
        del attacked  # so that the next ε does not find these images still in memory


def _check_finite(attacked: Attacked, clean: Clean) -> None:
    """The loops look at no value, so whether a gradient was NaN is asked here, once for each ε."""
    # pixels are clamped to [0, 1], so that NaN is all that can go wrong, and a maximum hands it on in one pass
    bad = attacked.images.amax(tuple(range(1, attacked.images.dim()))).isnan()
    if bad.any():
        clean.logits()  # a detector that gives NaN for clean images too is told as such
        raise InputError(
            f"the gradient of {clean.name} is NaN for {int(bad.sum())} of {len(bad)} samples at ε = "
            f"{attacked.epsilon:g}; check its weights and operations that have no slope, such as √0"
        )


def _check_batch(x: torch.Tensor, labels: torch.Tensor) -> None:
    if x.dim() not in (4, 5) or not x.is_floating_point():
        raise InputError(
            f"a batch of shape {tuple(x.shape)} and type {x.dtype} is given; "
            "images are (N, 3, H, W), clips (N, T, 3, H, W), floating point"
        )
    pixels = tuple(range(1, x.dim()))
    if not bool(((x.amin(pixels) >= 0) & (x.amax(pixels) <= 1)).all()):  # a NaN is neither
        raise InputError(
            f"pixels lie in [{float(x.min()):.4g}, {float(x.max()):.4g}]; scale them to [0, 1] without NaN "
            "and put the detector's normalisation inside the detector"
        )
    if labels.shape != x.shape[:1] or not bool(((labels == 0) | (labels == 1)).all()):
        raise InputError(
            f"labels of shape {tuple(labels.shape)} with values {sorted(set(labels.flatten().tolist()))[:5]} are "
            f"given; one of 0 (real) or 1 (fake) per sample is needed, here {len(x)}"
        )
