"""Any attack of torchattacks, made safe.

What torchattacks 3.5.1 does by itself, and what is done about it here:
- CW and other attacks without `eps` ignore the ball: they run once and their result is clipped to each ball.
- CW stops on the cost summed over the batch, and random starts depend on the batch: samples are attacked one by one,
  each with the seed of its own.
- CW's margin is zero when both logits are negative: the attack sees the logits with their smaller one moved to 1,
  which changes neither the softmax nor any gradient.
- A wrapped model is left in train mode: the wrapper is put in eval mode, and `sweep` restores the detector.
- The default step size cannot reach ε = 0.2 in ten steps: `alpha` is 2.5 ε / steps unless given.
- It fails inside no_grad, and clamps pixels outside [0, 1] silently: gradients are enabled here, `sweep` refuses those
  pixels, and a detector with one logit is refused by `check_logits`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from rrlib.attacks.ball import project
from rrlib.attacks.gradients import Clean
from rrlib.attacks.protocol import Draw, Step
from rrlib.detectors import check_logits
from rrlib.errors import InputError

PREFIX = "torchattacks:"


class _PositiveLogits(nn.Module):
    """The detector with a constant added to both logits, so that the smaller one is 1."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.detector = detector

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = check_logits(self.detector(x), len(x), type(self.detector).__name__)
        return logits - logits.detach().amin(dim=1, keepdim=True) + 1


def _constructor(name: str) -> Callable[..., Any]:
    try:
        import torchattacks
    except ImportError:
        raise InputError(
            f"{PREFIX}{name} needs torchattacks, which is not installed; "
            "install it with `pip install --no-deps torchattacks==3.5.1`"
        ) from None
    known = {
        key: value
        for key, value in vars(torchattacks).items()
        if inspect.isclass(value) and issubclass(value, torchattacks.attack.Attack)
    }
    if name not in known:
        raise InputError(f"{PREFIX}{name} is not known; choose from {', '.join(sorted(known))}")
    return known[name]


@dataclass(frozen=True)
class TorchAttacks:
    """The attack `name` of torchattacks with its own options; `eps` comes from the sweep."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    adversarial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        allowed = [key for key in self._parameters() if key not in ("model", "eps")]
        for option in self.options:
            if option not in allowed:
                raise InputError(
                    f"{PREFIX}{self.name} has no option {option}; its options are {', '.join(allowed) or 'none'}"
                )

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(_constructor(self.name)).parameters

    def _build(self, detector: nn.Module, epsilon: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        parameters, options = self._parameters(), dict(self.options)
        if "eps" in parameters:
            options["eps"] = epsilon
        if {"alpha", "steps", "eps"} <= set(parameters) and "alpha" not in options:
            options["alpha"] = 2.5 * epsilon / options.get("steps", parameters["steps"].default)
        attack: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = _constructor(self.name)(
            _PositiveLogits(detector).eval(), **options
        )
        return attack

    def _attack(self, clean: Clean, epsilon: float, seeds: list[int]) -> torch.Tensor:
        results = []
        with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
            try:
                for number, seed in enumerate(seeds):
                    sample = clean.part(torch.tensor([number], device=clean.x.device))
                    torch.manual_seed(seed)
                    attack = self._build(sample.detector, epsilon)
                    results.append(attack(sample.x.clone(), sample.labels.clone()).detach())
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    f"{PREFIX}{self.name} fails on a detector with two logits ({type(error).__name__}: {error}); "
                    "choose another attack or other options"
                ) from error
        return torch.cat(results)

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        """As `Rule.run` says; `has_gradient` tells which samples the attack moved at all."""
        seeds = (draw().flatten(1)[:, 0].double() * 2**31).long().abs().tolist()
        bounded = "eps" in self._parameters()
        found = torch.empty(0) if bounded else self._attack(clean, epsilons[-1], seeds)
        for epsilon in epsilons:
            if bounded:
                found = self._attack(clean, epsilon, seeds)
            attacked = project(found, clean.x, epsilon)
            yield epsilon, attacked, (attacked != clean.x).flatten(1).any(dim=1)

    def work(self, epsilons: int) -> None:
        """Not known: each attack of that library decides by itself."""
        return None
