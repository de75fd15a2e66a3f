"""What an architecture's name stands for: one built in here, a model of the hub, or a module of one's own."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeAlias, cast

import torch
from torch import nn

from rrlib.detectors import deepfakebench, efficientnet, own
from rrlib.detectors import hub as hubs
from rrlib.detectors.backbones import efficientnet_b4, vit_b16
from rrlib.detectors.contract import Modality
from rrlib.detectors.labels import Labels
from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.detectors.resnet import ResNet
from rrlib.detectors.temporal import CNNGRU, FrameMean, ResNet3D
from rrlib.detectors.xception import Xception, load_xception
from rrlib.errors import InputError

HUB, OWN = "hub:", "python:"


@dataclass(frozen=True)
class BuiltIn:
    """A network of this project: `constructor` takes input_size, the height and width of its pixels.

    `published` reads weights that others have published for torch; `any_size`: they do not say their input_size;
    `backbone`: they know other classes alone, so that they tell no fake from real until they are trained on. Video is
    taken with any number of frames. One that asks a detector of images about each frame has `of_frames`, that
    detector's name, and pools as `pool` says.
    """

    name: str
    constructor: Callable[[int], nn.Module]
    modality: Modality = "image"
    published: Callable[[Path], nn.Module] | None = None
    of_frames: str = ""
    pool: str | int = "mean"
    any_size: bool = False
    backbone: bool = False
    frames: ClassVar[None] = None
    brings_weights: ClassVar[bool] = False

    def check(self, input_size: int, labels: Labels | None = None) -> None:
        """Raises InputError for a size that it cannot take, and for `labels`; no weights are made."""
        _refuse_labels(self.name, labels)
        self.outline({}, input_size, self.name)

    def build(self, input_size: int, labels: Labels | None = None) -> nn.Module:
        """A new detector in train mode, its weights from torch's global generator."""
        _refuse_labels(self.name, labels)
        return self.constructor(input_size)

    def outline(self, metadata: dict, input_size: int, where: str) -> nn.Module | None:
        """What `rebuild` gives, without numbers: names and shapes alone, which take no memory, whatever their size."""
        with torch.device("meta"):
            return self.constructor(input_size)

    def describe(self, detector: nn.Module) -> dict:
        """What a checkpoint's metadata must hold besides architecture and input_size: nothing."""
        return {}

    def rebuild(self, metadata: dict, input_size: int, where: str) -> nn.Module:
        """The detector that a checkpoint's weights go into."""
        return self.constructor(input_size)

    def module_hash(self) -> str | None:
        """Of the user's code that it runs: there is none."""
        return None


@dataclass(frozen=True)
class HubModel:
    """A classifier of transformers with its weights: a folder, or a repository of the hub at a revision."""

    name: str
    source: str
    revision: str | None
    brings_weights: ClassVar[bool] = True

    @property
    def modality(self) -> Modality:
        """By its `config.json`; InputError as `hub.read_config` says."""
        return hubs.modality(self._config(), self.source)

    @property
    def frames(self) -> int | None:
        """How many frames a clip must have; None for images, and if any number will do."""
        return hubs.frames(self._config(), self.source)

    def check(self, input_size: int, labels: Labels | None = None) -> None:
        """Raises InputError for what its `config.json` alone shows: another kind of model, labels that do not tell."""
        hubs.check_labels(self._config(), self.source, labels)

    def build(self, input_size: int, labels: Labels | None = None) -> nn.Module:
        """The detector with its weights, in eval mode; InputError as `hub.hub` says."""
        return hubs.hub(self.source, labels, self.revision)

    def describe(self, detector: nn.Module) -> dict:
        """The whole configuration: a checkpoint is then enough, wherever the model came from."""
        return {"hub": hubs.describe(cast(hubs.Hub, detector))}

    def rebuild(self, metadata: dict, input_size: int, where: str) -> nn.Module:
        """The detector that `describe` described, with random weights; its source need not be there any more."""
        return hubs.rebuild(metadata.get("hub"), where)

    def outline(self, metadata: dict, input_size: int, where: str) -> nn.Module | None:
        """What `rebuild` gives, without numbers: names and shapes alone, which take no memory, whatever their size."""
        with torch.device("meta"):
            return self.rebuild(metadata, input_size, where)

    def module_hash(self) -> str | None:
        """Of the user's code that it runs: there is none."""
        return None

    def _config(self) -> dict:
        return hubs.read_config(self.source, self.revision)


@dataclass(frozen=True)
class OwnModule:
    """A factory in a module of one's own, `package.module:factory`."""

    name: str
    factory: str
    brings_weights: ClassVar[bool] = True

    @property
    def modality(self) -> Modality:
        """What the factory says; InputError as `own.factory` says."""
        return own.modality(own.factory(self.factory))

    @property
    def frames(self) -> int | None:
        """How many frames a clip must have, if the factory says so."""
        return getattr(own.factory(self.factory), "frames", None)

    def check(self, input_size: int, labels: Labels | None = None) -> None:
        """Raises InputError if there is no such factory, and for `labels`; nothing is built."""
        _refuse_labels(self.name, labels)
        own.factory(self.factory)

    def build(self, input_size: int, labels: Labels | None = None) -> nn.Module:
        """What the factory makes; InputError as `own.make` says."""
        _refuse_labels(self.name, labels)
        return own.make(self.factory, input_size)

    def describe(self, detector: nn.Module) -> dict:
        """The hash of the module, so that a change of it can be told."""
        return {"module": self.module_hash()}

    def rebuild(self, metadata: dict, input_size: int, where: str) -> nn.Module:
        """The detector that a checkpoint's weights go into."""
        return self.build(input_size)

    def outline(self, metadata: dict, input_size: int, where: str) -> nn.Module | None:
        """Nothing: one's own code is run as it is."""
        return None

    def module_hash(self) -> str | None:
        """SHA-256 of the module's file, as it is now."""
        return own.sha256(self.factory)


Architecture: TypeAlias = BuiltIn | HubModel | OwnModule


def frames_at_once(input_size: int) -> int:
    """How many frames a frame-wise detector takes at a time: as many pixels as 32 frames of 256 px have.

    >>> frames_at_once(256), frames_at_once(64)
    (32, 512)
    """
    return max(1, 32 * 256**2 // input_size**2)


ARCHITECTURES = {
    each.name: each
    for each in (
        BuiltIn("meso4", Meso4),
        BuiltIn("mesoinception4", MesoInception4),
        *(
            BuiltIn(name, network, published=partial(deepfakebench.load_meso, architecture=name))
            for name, network in deepfakebench.ARCHITECTURES.items()
        ),
        BuiltIn("resnet", ResNet),
        BuiltIn("xception", Xception, published=load_xception, any_size=True),
        BuiltIn(
            efficientnet.NAME,
            efficientnet.EfficientNetLite,
            published=efficientnet.load_efficientnet,
            any_size=True,
            backbone=True,
        ),
        BuiltIn("efficientnet-b4", efficientnet_b4),
        BuiltIn("vit-b16", vit_b16),
        BuiltIn("frame-mean-meso4", lambda size: FrameMean(Meso4(size), frames_at_once(size)), "video", None, "meso4"),
        BuiltIn(
            "frame-mean-resnet", lambda size: FrameMean(ResNet(size), frames_at_once(size)), "video", None, "resnet"
        ),
        BuiltIn("cnn-gru", CNNGRU, "video"),
        BuiltIn("resnet3d", ResNet3D, "video"),
    )
}
POOLED = re.compile(r"frame-(?P<pool>mean|median|top[1-9][0-9]{0,2})-(?P<of>.+)")
KNOWN = (
    *ARCHITECTURES,
    "frame-mean-NAME",
    "frame-median-NAME",
    "frame-top3-NAME",
    "hub:FOLDER",
    "hub:OWNER/NAME@REVISION",
    "python:MODULE:FACTORY",
)


def architecture(name: object, where: str = "detectors.") -> Architecture:
    """What `name` stands for: a name of `ARCHITECTURES`, `hub:FOLDER`, `hub:OWNER/NAME@REVISION`, `python:MODULE:NAME`.

    Nothing is imported, read or built. Raises InputError, beginning with `where`, for any other name.

    >>> architecture("resnet").modality, architecture("resnet3d").modality
    ('image', 'video')
    >>> architecture("python:mine:Net").brings_weights
    True
    """
    if isinstance(name, str):
        if name.startswith(HUB):
            return HubModel(name, *_hub_source(name.removeprefix(HUB), where))
        if name.startswith(OWN):
            return OwnModule(name, name.removeprefix(OWN))
        if found := built_in(name):
            return found
    raise InputError(f"{where}{name} is not known; choose from {', '.join(KNOWN)}")


def built_in(name: str) -> BuiltIn | None:
    """One of `ARCHITECTURES`, or `frame-POOL-NAME` of one of them for images; None for any other name.

    POOL is mean, median or topK, K a whole number, as `FrameMean` takes it.

    >>> found = built_in("frame-top3-xception")
    >>> found.modality, found.of_frames, found.pool
    ('video', 'xception', 3)
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    match = POOLED.fullmatch(name)
    inner = ARCHITECTURES.get(match["of"]) if match else None
    if not match or not inner or inner.modality != "image":
        return None
    pool = match["pool"] if match["pool"] in ("mean", "median") else int(match["pool"].removeprefix("top"))
    return BuiltIn(
        name,
        lambda size: around(inner.constructor(size), size, pool),
        "video",
        of_frames=inner.name,
        pool=pool,
        backbone=inner.backbone,
    )


def around(detector: nn.Module, input_size: int, pool: str | int = "mean") -> FrameMean:
    """A detector of images, asked about each frame of a clip."""
    return FrameMean(detector, frames_at_once(input_size), pool)


def _hub_source(source: str, where: str) -> tuple[str, str | None]:
    """SOURCE or SOURCE@REVISION; a folder's own name may hold an @."""
    if not source:
        raise InputError(f"{where}{HUB} names no model; write hub:FOLDER or hub:OWNER/NAME@REVISION")
    name, at, revision = source.rpartition("@")
    return (source, None) if not at or Path(source).is_dir() else (name, revision)


def _refuse_labels(name: str, labels: Labels | None) -> None:
    if labels is not None:
        raise InputError(f"labels is for {HUB} alone, not for {name}; leave it out")
