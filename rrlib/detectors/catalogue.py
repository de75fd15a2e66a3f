"""The one door to detectors: a dict from name to constructor, `build` for a new one, `load` for a trained one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from rrlib.detectors import checkpoints
from rrlib.detectors.contract import Calibrated
from rrlib.detectors.keras import INPUT_SIZE, load_keras
from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.detectors.resnet import ResNet
from rrlib.detectors.temporal import CNNGRU, FrameMean, ResNet3D
from rrlib.errors import InputError, unknown


def frames_at_once(input_size: int) -> int:
    """How many frames a frame-wise detector takes at a time: as many pixels as 32 frames of 256 px have.

    >>> frames_at_once(256), frames_at_once(64)
    (32, 512)
    """
    return max(1, 32 * 256**2 // input_size**2)


# Each takes input_size, the height and width of its images or frames in pixels.
ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {
    "meso4": Meso4,
    "mesoinception4": MesoInception4,
    "resnet": ResNet,
    "frame-mean-meso4": lambda input_size: FrameMean(Meso4(input_size), frames_at_once(input_size)),
    "frame-mean-resnet": lambda input_size: FrameMean(ResNet(input_size), frames_at_once(input_size)),
    "cnn-gru": CNNGRU,
    "resnet3d": ResNet3D,
}
# Those that take clips (N, T, 3, H, W), of any number of frames T; all others take images (N, 3, H, W).
CLIP_ARCHITECTURES = frozenset({"frame-mean-meso4", "frame-mean-resnet", "cnn-gru", "resnet3d"})


@dataclass(frozen=True)
class LoadedDetector:
    """A trained detector in eval mode, and what its file says about it (at least architecture, input_size)."""

    detector: nn.Module
    metadata: dict


def build(architecture: str, input_size: int, seed: int) -> nn.Module:
    """A new detector, in train mode, for images or frames of input_size × input_size pixels.

    Its weights depend on architecture, input_size and seed alone; torch's global generator stays as it was.
    Raises InputError for an unknown architecture or a size that it cannot take.

    >>> build("resnet", input_size=64, seed=0)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """
    if architecture not in ARCHITECTURES:
        raise unknown("detectors", architecture, ARCHITECTURES)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return ARCHITECTURES[architecture](input_size)


def load(path: Path, architecture: str | None = None) -> LoadedDetector:
    """The trained detector at `path`, ready to be attacked.

    A `.safetensors` file names its own architecture (giving another is an error) and its temperature, which is
    applied unless it is 1. A `.h5` file holds published MesoNet weights for 256 px and needs `architecture`.
    Raises InputError for other suffixes, and as `checkpoints.load_into` and `keras.load_keras` do.
    """
    path = Path(path)
    if path.suffix == ".h5":
        if architecture is None:
            raise InputError(f"{path} does not say what it holds; give its architecture, meso4 or mesoinception4")
        detector = load_keras(path, architecture)
        return LoadedDetector(detector, {"architecture": architecture, "input_size": INPUT_SIZE})
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} cannot be loaded: a checkpoint ends in .safetensors or .h5 (pickles, such as .pt, can run "
            "code); convert it with rrlib.detectors.checkpoints.save"
        )
    _, metadata = checkpoints.read(path)
    detector = build(metadata["architecture"], metadata["input_size"], seed=0)
    checkpoints.load_into(path, detector, architecture or metadata["architecture"])
    temperature = metadata.get("temperature", 1)
    if temperature != 1:
        detector = Calibrated(detector, temperature)
    return LoadedDetector(detector.eval(), metadata)
