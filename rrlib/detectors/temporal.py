"""Detectors of clips: pixels (N, T, 3, H, W) in [0, 1] in, logits (N, 2), [real, fake], out."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rrlib.detectors.contract import check_logits
from rrlib.detectors.resnet import ResNet
from rrlib.errors import InputError


class FrameMean(nn.Module):
    """An image detector on clips: a clip's probability is the mean of its frames' probabilities, or of some frames'.

    The field's default: in DeepfakeBench (Yan et al. 2023, arXiv 2307.01426) a video's score is the mean of its frames'
    scores. The two logits are [log mean p_real, log mean p_fake], whose softmax is that mean. They are summed as
    logarithms, so that they stay apart, and keep their gradients, where all probabilities round to 0 or 1.

    At most `frames_at_once` frames are in `detector` at a time; if there are more, the backward pass computes each part
    again, so that the memory that gradients need does not grow with the clip. In train mode all frames go through
    together, as the statistics of batch norm would otherwise depend on the parts, and be updated twice.

    pool: "mean" of all frames, "median" of P(fake), or a whole number k ≥ 1: the mean of the k frames that look most
    fake, of all where there are fewer. Frames that do not count get no gradient.

    Raises InputError unless `frames_at_once` is a whole number ≥ 1, `pool` as above, the input is clips, and the
    detector returns two logits per frame.

    >>> FrameMean(ResNet(64), frames_at_once=8)(torch.rand(2, 5, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, detector: nn.Module, frames_at_once: int = 32, pool: str | int = "mean") -> None:
        super().__init__()
        if pool not in ("mean", "median") and (not isinstance(pool, int) or isinstance(pool, bool) or pool < 1):
            raise InputError(f"pool is {pool!r}; it is mean, median, or a whole number ≥ 1")
        if not isinstance(frames_at_once, int) or isinstance(frames_at_once, bool) or frames_at_once < 1:
            raise InputError(f"frames_at_once is {frames_at_once!r}; it is a whole number ≥ 1")
        self.detector = detector
        self.frames_at_once = frames_at_once
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, T, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]: logarithms of mean probabilities."""
        _check_clips(x, "FrameMean")
        frames = x.flatten(0, 1)
        if self.training or len(frames) <= self.frames_at_once:
            logits = self.detector(frames)
        else:
            parts = frames.split(self.frames_at_once)
            logits = torch.cat([self._again_when_backward(part) for part in parts])
        check_logits(logits, len(frames), type(self.detector).__name__)
        of_frames = self._chosen(logits.log_softmax(dim=1).unflatten(0, x.shape[:2]))
        return of_frames.logsumexp(dim=1) - math.log(of_frames.shape[1])

    def _chosen(self, of_frames: Tensor) -> Tensor:
        """Of the logarithms (N, T, 2) of real and fake, those of the frames that count: (N, k, 2)."""
        if self.pool == "mean":
            return of_frames
        rising, count = (of_frames[..., 1] - of_frames[..., 0]).argsort(dim=1, stable=True), of_frames.shape[1]
        middle = rising[:, (count - 1) // 2 : count // 2 + 1]
        chosen = middle if isinstance(self.pool, str) else rising[:, -self.pool :]
        return of_frames.gather(1, chosen.unsqueeze(2).expand(-1, -1, 2))

    def _again_when_backward(self, part: Tensor) -> Tensor:
        return checkpoint(self.detector, part, use_reentrant=False, preserve_rng_state=False)


class CNNGRU(nn.Module):
    """A CNN on each frame and a recurrent network over its features; the last state decides.

    After Güera and Delp (2018, AVSS, "Deepfake video detection using recurrent neural networks"), who put an LSTM of
    2048 units on InceptionV3's 2048 features, trained on ImageNet, and a dense layer of 512, with dropout. Here:
    `ResNet` without its dense layer (64 features, trained from nothing), a GRU of 64 units (Cho et al. 2014, arXiv
    1406.1078), one dense layer, no dropout. About 12 million multiply-adds a frame at 64 px. `input_size` as for
    `ResNet`.

    >>> CNNGRU(input_size=64)(torch.rand(2, 5, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 64) -> None:
        super().__init__()
        self.input_size = input_size
        self.frame = ResNet(input_size)
        width = self.frame.classifier.in_features
        self.frame.set_submodule("classifier", nn.Identity())
        # a cell, not nn.GRU: that one, on NVIDIA's GPUs, has no gradient in eval mode, where detectors are attacked
        self.cell = nn.GRUCell(width, width)
        self.classifier = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, T, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]."""
        _check_clips(x, "CNNGRU")
        features = self.frame(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        state = None
        for feature in features.unbind(dim=1):
            state = self.cell(feature, state)
        return self.classifier(state)


class ResNet3D(nn.Module):
    """A small residual network whose convolutions reach over time as well (R3D: Tran et al. 2018, arXiv 1711.11248).

    Stem 3×3×3 (3 → 16), one basic block each of widths 16, 32, 64, global average pooling, one dense layer. The stem
    and every block halve height and width; time keeps its length, so that a clip may be short. About 82 million
    multiply-adds for 8 frames of 64 px. Normalisation, (x − 0.5) / 0.25, is inside. `input_size` in pixels is at least
    32, else InputError; the weights do not depend on it.

    >>> ResNet3D(input_size=64)(torch.rand(2, 5, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(self, input_size: int = 64) -> None:
        super().__init__()
        if not isinstance(input_size, int) or input_size < 32:
            raise InputError(f"ResNet3D cannot be built for input_size {input_size!r}; choose 32 or more")
        self.input_size = input_size
        self.stem = nn.Sequential(*_convolution_norm(3, 16, kernel=3, stride=2), nn.ReLU())
        self.stages = nn.Sequential(_Block3D(16, 16), _Block3D(16, 32), _Block3D(32, 64))
        self.classifier = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, T, 3, H, W) in [0, 1] → logits (N, 2), [real, fake]."""
        _check_clips(x, "ResNet3D")
        channels_first = x.transpose(1, 2)
        features = self.stages(self.stem((channels_first - 0.5) / 0.25))
        return self.classifier(features.mean(dim=(2, 3, 4)))


class _Block3D(nn.Module):
    """Two 3×3×3 convolutions, the first with stride 2 in height and width, and a 1×1×1 projection as the shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution_norm(inputs, outputs, kernel=3, stride=2),
            nn.ReLU(),
            *_convolution_norm(outputs, outputs, kernel=3, stride=1),
        )
        self.shortcut = nn.Sequential(*_convolution_norm(inputs, outputs, kernel=1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


def _convolution_norm(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm3d(outputs)]


def _check_clips(x: Tensor, name: str) -> None:
    if x.dim() != 5 or x.shape[1] == 0 or x.shape[2] != 3:
        raise InputError(f"{name} takes clips (N, T, 3, H, W), not {tuple(x.shape)}; give each sample its frames")
