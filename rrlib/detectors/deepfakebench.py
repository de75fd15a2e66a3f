"""Meso4 and MesoInception4 in the dialect of DeepfakeBench (Yan et al. 2023, arXiv 2307.01426), names as in its files.

Not the original networks (`meso.py`): convolutions have no bias, batch norm's epsilon is 1e-5, one batch norm serves
convolutions 1 and 2 and another 3 and 4 (in MesoInception4 one serves both plain convolutions), nothing stands between
the convolutions of an inception branch, and the dense layers take (channel, height, width) and give two logits. The
normalisation, (x − 0.5) / 0.5, is inside.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrlib.detectors import published
from rrlib.errors import InputError

REDUCTION = 32  # the four max pools, 2 · 2 · 2 · 4, in both networks


class Meso4Bench(nn.Module):
    """Meso4 as DeepfakeBench has it: widths 8, 8, 16, 16, kernels 3, 5, 5, 5; 27,898 weights at 256 px.

    `input_size` in pixels is a positive multiple of 32 (DeepfakeBench: 256); anything else is an InputError.

    >>> Meso4Bench(input_size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 256) -> None:
        super().__init__()
        _check_size(input_size, "meso4-deepfakebench")
        self.input_size = input_size
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 5, padding=2, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(8, 16, 5, padding=2, bias=False)
        self.conv4 = nn.Conv2d(16, 16, 5, padding=2, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(16 * (input_size // REDUCTION) ** 2, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, input_size, input_size) in [0, 1] → logits (N, 2), [real, fake]; else InputError."""
        x = _normalised(x, self.input_size, "meso4-deepfakebench")
        x = F.max_pool2d(self.bn1(self.conv1(x).relu()), 2)
        x = F.max_pool2d(self.bn1(self.conv2(x).relu()), 2)
        x = F.max_pool2d(self.bn2(self.conv3(x).relu()), 2)
        x = F.max_pool2d(self.bn2(self.conv4(x).relu()), 4)
        return _dense(self, x)


class MesoInception4Bench(nn.Module):
    """MesoInception4 as DeepfakeBench has it; 28,525 weights at 256 px. `input_size` as for `Meso4Bench`.

    >>> MesoInception4Bench(input_size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 256) -> None:
        super().__init__()
        _check_size(input_size, "mesoinception4-deepfakebench")
        self.input_size = input_size
        for block, inputs, widths in ((1, 3, (1, 4, 4, 2)), (2, 11, (2, 4, 4, 2))):
            prefix = f"Incption{block}_"  # sic
            self.add_module(f"{prefix}conv1", nn.Conv2d(inputs, widths[0], 1, bias=False))
            for branch, width in enumerate(widths[1:], start=2):
                wide = nn.Conv2d(width, width, 3, padding=branch - 1, dilation=branch - 1, bias=False)
                self.add_module(f"{prefix}conv{branch}_1", nn.Conv2d(inputs, width, 1, bias=False))
                self.add_module(f"{prefix}conv{branch}_2", wide)
            self.add_module(f"{prefix}bn", nn.BatchNorm2d(sum(widths)))
        self.conv1 = nn.Conv2d(12, 16, 5, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 5, padding=2, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(16 * (input_size // REDUCTION) ** 2, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, input_size, input_size) in [0, 1] → logits (N, 2), [real, fake]; else InputError."""
        x = _normalised(x, self.input_size, "mesoinception4-deepfakebench")
        for block in (1, 2):
            layer = {name: module for name, module in self.named_children() if name.startswith(f"Incption{block}_")}
            part = f"Incption{block}_conv"
            branches = [layer[f"{part}1"](x)]
            branches += [layer[f"{part}{branch}_2"](layer[f"{part}{branch}_1"](x)) for branch in (2, 3, 4)]
            x = F.max_pool2d(layer[f"Incption{block}_bn"](torch.cat(branches, dim=1)), 2)
        x = F.max_pool2d(self.bn1(self.conv1(x).relu()), 2)
        x = F.max_pool2d(self.bn1(self.conv2(x).relu()), 4)
        return _dense(self, x)


ARCHITECTURES: dict[str, type[Meso4Bench] | type[MesoInception4Bench]] = {
    "meso4-deepfakebench": Meso4Bench,
    "mesoinception4-deepfakebench": MesoInception4Bench,
}


def load_meso(source: Path | str | Mapping[str, Tensor], architecture: str) -> Meso4Bench | MesoInception4Bench:
    """The network of that name in eval mode with DeepfakeBench's weights for 256 px, a file or a state dict.

    All names in it begin with `backbone.`, or with `module.backbone.` as DataParallel saves them; two outputs, real
    before fake. Raises InputError as `published.read` and `published.fill` do, with the names or shapes that differ.
    """
    state, where = published.read(source)
    state = published.without_prefixes(state, *published.WRAPPED, "backbone.")
    remedy = f"give weights that DeepfakeBench trained, and their own name, {' or '.join(ARCHITECTURES)}"
    return published.fill(ARCHITECTURES[architecture](), state, architecture, where, remedy)


def _check_size(input_size: object, name: str) -> None:
    if not isinstance(input_size, int) or input_size < REDUCTION or input_size % REDUCTION:
        raise InputError(
            f"{name} cannot be built for input_size {input_size!r}; choose a positive multiple of {REDUCTION}"
        )


def _normalised(x: Tensor, input_size: int, name: str) -> Tensor:
    if tuple(x.shape[1:]) != (3, input_size, input_size):
        raise InputError(
            f"{name} was built for images (3, {input_size}, {input_size}), not {tuple(x.shape[1:])}; "
            "resize the images or build it for their size"
        )
    return (x - 0.5) / 0.5


def _dense(network: Meso4Bench | MesoInception4Bench, x: Tensor) -> Tensor:
    x = F.leaky_relu(network.fc1(network.dropout(x.flatten(1))), 0.1)
    return network.fc2(network.dropout(x))
