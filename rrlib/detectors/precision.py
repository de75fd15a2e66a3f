"""Detectors in double precision, whose attacks end at the same place on every processor."""

from torch import Tensor, nn

PRECISIONS = ("single", "double")


class InDouble(nn.Module):
    """A detector whose weights and sums are float64; pixels come as float32, as for every detector.

    Processors add the terms of a convolution in different orders, and differ in the last digits of its sum. An attack
    follows the signs of a gradient. Where a detector takes the largest of nearly equal numbers, as max pooling does, a
    last digit decides which pixel a gradient belongs to, and ten steps may lead somewhere else. In double precision
    the differences are a billion times smaller. The detector that is given is changed to float64 itself.

    >>> import torch
    >>> InDouble(nn.Linear(2, 2))(torch.rand(3, 2)).dtype
    torch.float64
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.detector(x.double())
