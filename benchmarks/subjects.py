"""The detectors that are attacked, each with one batch.

Their own answers are the labels: an attack has work to do on every sample.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from rrlib.datasets.images import decode, resize
from rrlib.datasets.synthetic import write
from rrlib.detectors.catalogue import ARCHITECTURES, build, load
from rrlib.detectors.contract import Calibrated

REPOSITORY = Path(__file__).resolve().parents[1]
REAL = REPOSITORY.parent / "shared" / "real"  # published weights and photographs; may not be part of the project
TRAINED = REPOSITORY / "outputs" / "checkpoints"  # what `make` trains
MARGIN = 4.0  # in logits: sure, but not saturated


@dataclass(frozen=True)
class Subject:
    """A detector in eval mode; `x` (N, 3, H, W) or (N, T, 3, H, W); `labels` (N,), its answers to `x`."""

    name: str
    weights: str
    detector: nn.Module
    x: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """How large the input is, in pixels, samples and frames (0 for images), and where weights may lie."""

    size: int
    batch: int
    frames: int = 0
    weights: Path | None = None


PLANS = {
    "meso4": Plan(256, 4, weights=REAL / "mesonet" / "weights" / "Meso4_DF.h5"),
    "resnet": Plan(64, 16, weights=TRAINED / "synthetic" / "resnet-madry.safetensors"),
    "xception": Plan(96, 1),
    "cnn-gru": Plan(48, 3, frames=8, weights=TRAINED / "synthetic-clips" / "cnn-gru.safetensors"),
}


def known() -> list[str]:
    """The subjects whose architecture the catalogue has."""
    return [name for name in PLANS if name in ARCHITECTURES]


def subject(name: str, device: torch.device, plan: Plan | None = None) -> Subject:
    """The subject called `name`, one of `known()`: with real weights and photographs where they are.

    Another `plan` than its own may ask for another size or batch.
    """
    chosen = plan or PLANS[name]
    faces = _photographs if chosen.weights and chosen.weights.is_relative_to(REAL) and REAL.is_dir() else _drawn
    x = faces(chosen.batch, chosen.size)
    if chosen.frames:  # a camera that moves by one pixel a frame
        x = torch.stack([x.roll(frame, dims=-1) for frame in range(chosen.frames)], dim=1)
    if chosen.weights and chosen.weights.is_file():
        detector, weights = load(chosen.weights, name).detector, chosen.weights.name
    else:
        detector, weights = untrained(name, chosen.size, x), "random, seed 0"
    detector = detector.eval().to(device)
    x = x.to(device)
    with torch.no_grad():
        return Subject(name, weights, detector, x, detector(x).argmax(dim=1))


def untrained(name: str, size: int, x: torch.Tensor) -> nn.Module:
    """New weights, made to answer as if they were trained: otherwise all logits are nearly alike.

    Batch norm knows the statistics of `x`, and a temperature brings the mean margin to `MARGIN`.
    """
    detector = build(name, size, seed=0)
    for module in detector.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain mean over passes
    with torch.no_grad():
        detector.train()(x)
        margins = detector.eval()(x).diff(dim=1).abs()
    return Calibrated(detector, float(margins.mean()) / MARGIN).eval()


def _drawn(count: int, size: int) -> torch.Tensor:
    """Images of the study's simulator, half of them forged."""
    with TemporaryDirectory() as folder:
        drawn = write(Path(folder), size=size, images={"test": count}, seed=1, strength=0.6, workers=1)
        return _pixels([decode(Path(folder, path)) for path in drawn["path"]])


def _photographs(count: int, size: int) -> torch.Tensor:
    """Photographs, half of them forged: MesoNet's own test images first, then portraits."""
    paths = []
    for kind, share in (("real", count - count // 2), ("fake", count // 2)):
        paths += [path for folder in ("mesonet", "faces") for path in sorted((REAL / folder / kind).iterdir())][:share]
    return _pixels([resize(decode(path), size) for path in paths])


def _pixels(images: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().float().div(255)
