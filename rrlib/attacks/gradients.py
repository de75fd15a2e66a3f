"""The gradient that every rule climbs."""

import torch
from torch import nn

from rrlib.detectors.contract import check_logits


def margin_gradient(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Margin of the wrong answer, (N,), and its gradient with respect to the pixels, shaped like `x`.

    The margin is float64, but on Apple's GPUs, which have only float32.

    The margin is z_wrong − z_true; the prediction is wrong when it is positive. For two logits the gradient of the
    cross-entropy is softmax(z)_wrong times this one (differentiate −log softmax(z)_true): the same signs, but this one
    does not vanish when the softmax saturates, and adding a constant to both logits changes nothing.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        margins = _margin(detector, x, labels)
        (gradient,) = torch.autograd.grad(margins.sum(), x)
    return margins.detach(), gradient


def margin(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same margin, (N,), without its gradient."""
    with torch.no_grad():
        return _margin(detector, x, labels)


def _margin(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    # float64, as probabilities are computed from logits elsewhere; a difference passes gradients on unrounded
    logits = check_logits(detector(x), len(x), type(detector).__name__)
    logits = logits if logits.device.type == "mps" else logits.double()
    difference = logits[:, 1] - logits[:, 0]
    return torch.where(labels == 1, -difference, difference)


def exists(gradient: torch.Tensor) -> torch.Tensor:
    """Which samples have a gradient that is not zero everywhere: (N, …) → (N,) bool."""
    return gradient.flatten(1).ne(0).any(dim=1)
