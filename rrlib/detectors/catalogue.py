"""The one door to detectors: a dict from name to constructor, `build` for a new one, `load` for a trained one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from rrlib.detectors import checkpoints, deepfakebench, own
from rrlib.detectors import hub as hubs
from rrlib.detectors.backbones import efficientnet_b4, vit_b16
from rrlib.detectors.contract import Calibrated
from rrlib.detectors.keras import INPUT_SIZE, load_keras
from rrlib.detectors.labels import Labels
from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.detectors.resnet import ResNet
from rrlib.detectors.temporal import CNNGRU, FrameMean, ResNet3D
from rrlib.detectors.xception import Xception, load_xception
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
    **deepfakebench.ARCHITECTURES,
    "resnet": ResNet,
    "xception": Xception,
    "efficientnet-b4": efficientnet_b4,
    "vit-b16": vit_b16,
    "frame-mean-meso4": lambda input_size: FrameMean(Meso4(input_size), frames_at_once(input_size)),
    "frame-mean-resnet": lambda input_size: FrameMean(ResNet(input_size), frames_at_once(input_size)),
    "cnn-gru": CNNGRU,
    "resnet3d": ResNet3D,
}
# Those that take clips (N, T, 3, H, W), of any number of frames T; all others take images (N, 3, H, W).
CLIP_ARCHITECTURES = frozenset({"frame-mean-meso4", "frame-mean-resnet", "cnn-gru", "resnet3d"})
# Those with weights that others have published for torch, and how they are read.
PUBLISHED = {"xception": load_xception} | {
    name: partial(deepfakebench.load_meso, architecture=name) for name in deepfakebench.ARCHITECTURES
}
# Besides: a classifier of transformers, with its weights; a factory in a module of one's own. See `hub` and `own`.
HUB, OWN = "hub:", "python:"
KNOWN = (*ARCHITECTURES, "hub:FOLDER", "hub:OWNER/NAME@REVISION", "python:MODULE:FACTORY")


@dataclass(frozen=True)
class LoadedDetector:
    """A trained detector in eval mode, and what its file says about it (at least architecture, input_size)."""

    detector: nn.Module
    metadata: dict


def check(architecture: object, input_size: int, where: str, labels: Labels | None = None) -> None:
    """Raises InputError, beginning with `where`, for an architecture that `build` could not build.

    No weights are made or read: of a hub's model only its configuration is looked at, of a module of one's own only
    whether the factory is there.
    """
    if not (brings_weights(architecture) or (isinstance(architecture, str) and architecture in ARCHITECTURES)):
        raise InputError(f"{where}.architecture: {architecture} is not known; choose from {', '.join(KNOWN)}")
    if labels is not None and not _starts(architecture, HUB):
        raise InputError(f"{where}: labels is for {HUB} alone, not for {architecture}; leave it out")
    try:
        if _starts(architecture, HUB):
            source, revision = _hub_source(architecture)
            hubs.check_labels(hubs.read_config(source, revision), source, labels)
        elif _starts(architecture, OWN):
            own.factory(architecture.removeprefix(OWN))
        else:
            with torch.device("meta"):  # shapes alone
                ARCHITECTURES[architecture](input_size)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def takes_clips(architecture: str) -> bool:
    """Whether an architecture takes clips (N, T, 3, H, W); if not, it takes images (N, 3, H, W).

    >>> takes_clips("resnet"), takes_clips("resnet3d")
    (False, True)
    """
    if _starts(architecture, HUB):
        source, revision = _hub_source(architecture)
        return hubs.kind(hubs.read_config(source, revision), source) == "video"
    if _starts(architecture, OWN):
        return own.takes(own.factory(architecture.removeprefix(OWN))) == "clip"
    return architecture in CLIP_ARCHITECTURES


def frames(architecture: str) -> int | None:
    """How many frames a clip must have for an architecture; None if any number will do, and for images.

    >>> frames("resnet3d") is None
    True
    """
    if _starts(architecture, HUB):
        source, revision = _hub_source(architecture)
        config = hubs.read_config(source, revision)
        return config.get("num_frames") if hubs.kind(config, source) == "video" else None
    if _starts(architecture, OWN):
        return getattr(own.factory(architecture.removeprefix(OWN)), "frames", None)
    return None


def brings_weights(architecture: object) -> bool:
    """Whether `build` gives a detector that may be trained already: one of the hub, or one's own."""
    return _starts(architecture, HUB) or _starts(architecture, OWN)


def build(architecture: str, input_size: int, seed: int, labels: Labels | None = None) -> nn.Module:
    """A new detector, in train mode, for images or frames of input_size × input_size pixels.

    Its weights depend on architecture, input_size and seed alone, or are those that it brings (`hub:`, in eval mode;
    `python:`, as its factory leaves it); torch's global generator stays as it was. `labels` says which of a hub's label
    names are real and fake, as in `labels.columns`. Raises InputError for an unknown architecture or a size that it
    cannot take, and as `hub.hub` and `own.make` do.

    >>> build("resnet", input_size=64, seed=0)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if _starts(architecture, HUB):
            source, revision = _hub_source(architecture)
            return hubs.hub(source, labels, revision)
        if _starts(architecture, OWN):
            return own.make(architecture.removeprefix(OWN), input_size)
        if architecture not in ARCHITECTURES:
            raise unknown("detectors", architecture, KNOWN)
        return ARCHITECTURES[architecture](input_size)


def describe(architecture: str, detector: nn.Module) -> dict:
    """What a checkpoint's metadata must hold besides architecture and input_size.

    For `hub:`, the whole configuration: the checkpoint is then enough, wherever the model came from. For `python:`,
    the hash of the module, so that a change of it can be told.
    """
    if _starts(architecture, HUB):
        return {"hub": hubs.describe(detector)}
    return {"module": module_hash(architecture)} if _starts(architecture, OWN) else {}


def module_hash(architecture: str) -> str | None:
    """SHA-256 of the file of one's own module, as it is now; None for every other architecture."""
    return own.sha256(architecture.removeprefix(OWN)) if _starts(architecture, OWN) else None


def load(path: Path, architecture: str | None = None, input_size: int | None = None) -> LoadedDetector:
    """The trained detector at `path`, ready to be attacked.

    A `.safetensors` file that the project wrote names its own architecture (giving another is an error) and its
    temperature, which is applied unless it is 1. A `.h5` file holds published MesoNet weights for 256 px and needs
    `architecture`. With an architecture of `PUBLISHED`, a `.pth` or any other `.safetensors` file holds published
    weights; those of xception do not say their `input_size`, so that may be given (256 px if not). Raises InputError
    for other suffixes, and as `checkpoints.load_into`, `keras.load_keras`, `load_xception` and `load_meso` do.
    """
    path = Path(path)
    if path.suffix == ".h5":
        if architecture is None:
            raise InputError(f"{path} does not say what it holds; give its architecture, meso4 or mesoinception4")
        detector = load_keras(path, architecture)
        return LoadedDetector(detector, {"architecture": architecture, "input_size": INPUT_SIZE})
    if architecture in PUBLISHED and not checkpoints.is_ours(path):
        detector = PUBLISHED[architecture](path)
        size = input_size if architecture == "xception" and input_size else detector.input_size
        return LoadedDetector(detector, {"architecture": architecture, "input_size": size})
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} cannot be loaded: a checkpoint ends in .safetensors or .h5 (pickles, such as .pt, can run "
            "code); convert it with rrlib.detectors.checkpoints.save"
        )
    _, metadata = checkpoints.read(path)
    if "hub" in metadata:
        detector = hubs.rebuild(metadata["hub"])
    else:
        detector = build(metadata["architecture"], metadata["input_size"], seed=0)
    checkpoints.load_into(path, detector, architecture or metadata["architecture"])
    temperature = metadata.get("temperature", 1)
    if temperature != 1:
        detector = Calibrated(detector, temperature)
    return LoadedDetector(detector.eval(), metadata)


def _starts(architecture: object, prefix: str) -> bool:
    return isinstance(architecture, str) and architecture.startswith(prefix)


def _hub_source(architecture: str) -> tuple[str, str | None]:
    """`hub:SOURCE` or `hub:SOURCE@REVISION`; a folder's own name may hold an @."""
    source = architecture.removeprefix(HUB)
    if not source:
        raise InputError(f"{HUB} names no model; write hub:FOLDER or hub:OWNER/NAME@REVISION")
    name, at, revision = source.rpartition("@")
    return (source, None) if not at or Path(source).is_dir() else (name, revision)
