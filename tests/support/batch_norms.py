"""Batch norms that do something: with statistics of their own, and by their formula."""

import torch
from torch import Tensor, nn


def with_statistics(make: type[nn.Module], size: int) -> nn.Module:
    """A detector of images, in eval mode, whose batch norms have statistics, so that its answers differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = make(size)
        with torch.no_grad():
            for _ in range(10):
                detector(torch.rand(4, 3, size, size))
            for norm in detector.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.weight.uniform_(0.7, 1.3)
                    norm.bias.normal_(0, 0.1)
    return detector.eval()


def normed(weights: dict[str, Tensor], x: Tensor, name: str, epsilon: float) -> Tensor:
    """What batch norm `name` makes of x (N, C, H, W) in eval mode (Ioffe and Szegedy 2015, algorithm 2)."""
    mean, variance, scale, shift = (
        weights[f"{name}.{what}"][:, None, None] for what in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + epsilon).sqrt() * scale + shift
