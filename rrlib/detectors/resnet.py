"""A small residual network for faces of about 64 px, cheap enough to train and attack on two CPU cores."""

import torch.nn.functional as F
from torch import Tensor, nn

from rrlib.errors import InputError


class ResNet(nn.Module):
    """Three stages of one basic block each (He et al. 2016, section 4.2), halved once by the stem.

    Stem 3×3 with stride 2 (3 → 16), blocks of widths 16, 32, 64 with strides 1, 2, 2, global average pooling,
    one dense layer: about 12 million multiply-adds at 64 px. Normalisation, (x − 0.5) / 0.25, is inside.
    `input_size` in pixels is at least 32, else InputError; the weights do not depend on it.

    >>> import torch
    >>> ResNet(input_size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 64) -> None:
        super().__init__()
        if not isinstance(input_size, int) or input_size < 32:
            raise InputError(f"ResNet cannot be built for input_size {input_size!r}; choose 32 or more")
        self.input_size = input_size
        self.stem = nn.Sequential(*_convolution_norm(3, 16, kernel=3, stride=2), nn.ReLU())
        self.stages = nn.Sequential(
            _BasicBlock(16, 16, stride=1), _BasicBlock(16, 32, stride=2), _BasicBlock(32, 64, stride=2)
        )
        self.classifier = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]."""
        x = self.stages(self.stem((x - 0.5) / 0.25))
        return self.classifier(x.mean(dim=(2, 3)))


class _BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut, a 1×1 projection where the shape changes (He et al. 2016, fig. 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution_norm(inputs, outputs, kernel=3, stride=stride),
            nn.ReLU(),
            *_convolution_norm(outputs, outputs, kernel=3, stride=1),
        )
        same_shape = inputs == outputs and stride == 1
        self.shortcut = nn.Sequential(
            *([] if same_shape else _convolution_norm(inputs, outputs, kernel=1, stride=stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


def _convolution_norm(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]
