"""Xception (Chollet 2017, arXiv 1610.02357, figure 5), its weights named as in timm's `legacy_xception`."""

from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from rrlib.detectors import published
from rrlib.errors import InputError


class Xception(nn.Module):
    """Thirty-six convolutions, most of them depthwise separable, in fourteen parts; 20,811,050 parameters.

    Entry flow: two convolutions (32, 64) and blocks of 128, 256 and 728; middle flow: eight blocks of 728; exit flow: a
    block of 1024, two separable convolutions (1536, 2048), global average pooling, one dense layer. Normalisation,
    (x − 0.5) / 0.5, is inside. `input_size` in pixels is at least 32, else InputError; the weights do not depend on it
    (ImageNet's are for 299, DeepfakeBench's for 256).

    >>> import torch
    >>> Xception(input_size=64).eval()(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 256) -> None:
        super().__init__()
        if not isinstance(input_size, int) or input_size < 32:
            raise InputError(f"Xception cannot be built for input_size {input_size!r}; choose 32 or more")
        self.input_size = input_size
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.block1 = _Block(64, (128, 128), stride=2, relu_first=False)
        self.block2 = _Block(128, (256, 256), stride=2)
        self.block3 = _Block(256, (728, 728), stride=2)
        for number in range(4, 12):
            self.add_module(f"block{number}", _Block(728, (728, 728, 728), stride=1))
        self.block12 = _Block(728, (728, 1024), stride=2)
        self.conv3 = _Separable(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = _Separable(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.fc = nn.Linear(2048, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]."""
        x = F.relu(self.bn1(self.conv1((x - 0.5) / 0.5)))
        x = F.relu(self.bn2(self.conv2(x)))
        for number in range(1, 13):
            x = self.get_submodule(f"block{number}")(x)
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        return self.fc(x.mean(dim=(2, 3)))


def load_xception(source: Path | str | Mapping[str, Tensor]) -> Xception:
    """Xception in eval mode with published weights: a `.safetensors` or `.pth` file, or a state dict.

    Two dialects are known: timm's `legacy_xception`, and DeepfakeBench's (Yan et al. 2023, arXiv 2307.01426), which
    prefixes everything with `backbone.`, calls the dense layer `last_linear`, and carries a layer `adjust_channel` that
    its Xception does not use and that is left out here. DataParallel may have put `module.` before all names. Both must
    have two outputs, real before fake. Raises InputError as `published.read` and `published.fill` do, with the names or
    shapes that differ.

    >>> import torch
    >>> load_xception({"backbone.fc.bias": torch.zeros(2)})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: the state dict does not fit xception: block1.rep.0.conv1.weight is missing; ...
    """
    state, where = published.read(source)
    state = published.without_prefixes(state, *published.WRAPPED, "backbone.")
    state = {_timm_name(name): tensor for name, tensor in state.items() if ".adjust_channel." not in f".{name}"}
    remedy = "give weights of timm's legacy_xception or of DeepfakeBench's xception with two outputs"
    return published.fill(Xception(), state, "xception", where, remedy)


def _timm_name(name: str) -> str:
    return f"fc.{name.removeprefix('last_linear.')}" if name.startswith("last_linear.") else name


class _Separable(nn.Module):
    """A 3×3 convolution of each channel, then a 1×1 convolution across channels, nothing between."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.conv1(x))


class _Block(nn.Module):
    """ReLU, separable convolution, batch norm, as often as there are widths; a max pool if strided; a shortcut."""

    def __init__(self, inputs: int, widths: tuple[int, ...], stride: int, relu_first: bool = True) -> None:
        super().__init__()
        layers = []
        for before, after in zip((inputs, *widths), widths, strict=False):
            layers += [nn.ReLU(), _Separable(before, after), nn.BatchNorm2d(after)]
        layers = layers if relu_first else layers[1:]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers)
        self.skip: nn.Conv2d | None = None
        self.skipbn: nn.BatchNorm2d | None = None
        if stride > 1 or widths[-1] != inputs:
            self.skip = nn.Conv2d(inputs, widths[-1], 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.rep(x) + (x if self.skip is None or self.skipbn is None else self.skipbn(self.skip(x)))
