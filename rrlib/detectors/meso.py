"""Meso4 and MesoInception4 (Afchar et al. 2018, arXiv 1809.00888, figures 4 and 5), in their original dialect.

As the authors' Keras code has them: convolution with bias, ReLU, batch norm, max pool, in that order; 'same'
padding; batch norm epsilon 1e-3; raw pixels, without normalisation. The one departure is the sign of the
output: the original's one logit is of real, here it is of fake, returned as [0, z].
"""

import torch
from torch import Tensor, nn

from rrlib.detectors.contract import two_logits
from rrlib.errors import InputError

REDUCTION = 32  # the four max pools, 2 · 2 · 2 · 4, in both networks


class _Meso(nn.Module):
    """What both networks share: features, then two dense layers on all of them."""

    def __init__(self, input_size: int, features: nn.Sequential) -> None:
        super().__init__()
        if not isinstance(input_size, int) or input_size < REDUCTION or input_size % REDUCTION:
            raise InputError(
                f"{type(self).__name__} cannot be built for input_size {input_size!r}; "
                f"choose a positive multiple of {REDUCTION}"
            )
        self.input_size = input_size
        self.features = features
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(16 * (input_size // REDUCTION) ** 2, 16),
            nn.LeakyReLU(0.1),
            nn.Dropout(0.5),
            nn.Linear(16, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, input_size, input_size) in [0, 1] → logits (N, 2); InputError for another size."""
        if tuple(x.shape[1:]) != (3, self.input_size, self.input_size):
            raise InputError(
                f"{type(self).__name__} was built for images (3, {self.input_size}, {self.input_size}), "
                f"not {tuple(x.shape[1:])}; resize the images or build it for their size"
            )
        # Keras flattens (height, width, channel): published dense kernels need this order.
        flat = self.features(x).permute(0, 2, 3, 1).flatten(1)
        return two_logits(self.classifier(flat))


class Meso4(_Meso):
    """Meso4: four convolutions of widths 8, 8, 16, 16 and kernels 3, 5, 5, 5; 27,977 weights at 256 px.

    `input_size` in pixels is a positive multiple of 32 (the original: 256); anything else is an InputError.

    >>> Meso4(input_size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 256) -> None:
        features = nn.Sequential(
            *_convolution(3, 8, kernel=3),
            *_norm_pool(8, pool=2),
            *_convolution(8, 8, kernel=5),
            *_norm_pool(8, pool=2),
            *_convolution(8, 16, kernel=5),
            *_norm_pool(16, pool=2),
            *_convolution(16, 16, kernel=5),
            *_norm_pool(16, pool=4),
        )
        super().__init__(input_size, features)


class MesoInception4(_Meso):
    """MesoInception4: Meso4 with its first two convolutions as inception blocks; 28,615 weights at 256 px.

    `input_size` in pixels is a positive multiple of 32 (the original: 256); anything else is an InputError.

    >>> MesoInception4(input_size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 256) -> None:
        features = nn.Sequential(
            _Inception(3, (1, 4, 4, 2)),
            *_norm_pool(11, pool=2),
            _Inception(11, (2, 4, 4, 2)),
            *_norm_pool(12, pool=2),
            *_convolution(12, 16, kernel=5),
            *_norm_pool(16, pool=2),
            *_convolution(16, 16, kernel=5),
            *_norm_pool(16, pool=4),
        )
        super().__init__(input_size, features)


class _Inception(nn.Module):
    """Four branches side by side: 1×1 alone, and 1×1 then 3×3 at dilation 1, 2 and 3."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(*_convolution(inputs, widths[0], kernel=1))])
        for dilation, width in enumerate(widths[1:], start=1):
            self.branches.append(
                nn.Sequential(
                    *_convolution(inputs, width, kernel=1),
                    *_convolution(width, width, kernel=3, dilation=dilation),
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, dilation=dilation, padding="same"), nn.ReLU()]


def _norm_pool(width: int, pool: int) -> list[nn.Module]:
    # Keras averages batch statistics over some 100 steps (torch momentum 0.01). Training here is a few hundred
    # steps long, so torch's default of 0.1 stays; published statistics are loaded and do not depend on it.
    return [nn.BatchNorm2d(width, eps=1e-3), nn.MaxPool2d(pool)]
