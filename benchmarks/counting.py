"""How often a detector is asked: gradients and forward passes, counted by hooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Passes:
    """`gradients`: backward passes through the logits. `forwards`: forward passes that no backward pass followed."""

    calls: int = 0
    followed: int = 0
    gradients: int = 0

    @property
    def forwards(self) -> int:
        return self.calls - self.followed


@contextmanager
def counted(detector: nn.Module) -> Iterator[Passes]:
    """Inside, the passes through `detector` are counted, whatever the size of their batch.

    >>> detector = nn.Linear(3, 2)
    >>> with counted(detector) as passes:
    ...     _ = detector(torch.rand(4, 3))
    ...     detector(torch.rand(4, 3)).sum().backward()
    >>> passes.gradients, passes.forwards
    (1, 1)
    """
    passes = Passes()

    def forward(module: nn.Module, inputs: tuple, logits: torch.Tensor) -> None:
        passes.calls += 1
        first = True

        def backward(gradient: torch.Tensor) -> None:
            nonlocal first
            passes.gradients += 1
            passes.followed += first
            first = False

        if logits.requires_grad:
            logits.register_hook(backward)

    handle = detector.register_forward_hook(forward)
    try:
        yield passes
    finally:
        handle.remove()
