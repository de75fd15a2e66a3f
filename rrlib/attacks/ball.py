"""The threat model in tensors: an L∞ ball round the clean pixels, cut to [0, 1], and how attacks move inside it."""

import torch

Radius = float | torch.Tensor  # ε of all samples, or of each: shaped to multiply with images


def at(epsilon: Radius, rows: torch.Tensor) -> Radius:
    """The radius of the samples with these numbers."""
    return epsilon[rows] if isinstance(epsilon, torch.Tensor) else epsilon


def project(attacked: torch.Tensor, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The nearest point of the ε-ball round x that is still a picture."""
    return (attacked - x).clamp_(-epsilon, epsilon).add_(x).clamp_(0, 1)


def bounds(x: torch.Tensor, epsilon: Radius) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and the highest value that each pixel may take: `project` as a clamp, for use in a loop."""
    return (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)


def add_step(x: torch.Tensor, direction: torch.Tensor, size: Radius) -> torch.Tensor:
    """`x`, moved in place by `size` times `direction`."""
    # one pass over the pixels, where a product and a sum would be two
    return x.addcmul_(direction, size) if isinstance(size, torch.Tensor) else x.add_(direction, alpha=size)


def where(chosen: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """`new` for the samples that `chosen`, (N,) bool, names and `old` for the others: (N, …), (N, …) → (N, …)."""
    return torch.where(like(chosen, new), new, old)


def like(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One value per sample, (N,), shaped so that it multiplies with `x`, (N, …)."""
    return values.view(-1, *[1] * (x.dim() - 1))
