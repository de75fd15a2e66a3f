"""Detectors by name: `build` for a new one, `load` for a trained one, `check` for one that is only meant."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rrlib.detectors import checkpoints, descriptions
from rrlib.detectors.architectures import ARCHITECTURES as ARCHITECTURES
from rrlib.detectors.architectures import HUB as HUB
from rrlib.detectors.architectures import OWN as OWN
from rrlib.detectors.architectures import architecture, around, built_in
from rrlib.detectors.contract import Calibrated
from rrlib.detectors.keras import INPUT_SIZE, SUFFIXES, load_keras
from rrlib.detectors.labels import Labels
from rrlib.detectors.trial import try_out
from rrlib.errors import InputError


@dataclass(frozen=True)
class LoadedDetector:
    """A trained detector in eval mode, and what its file says about it (at least architecture, input_size)."""

    detector: nn.Module
    metadata: dict


def check(name: object, input_size: int, where: str, labels: Labels | None = None) -> None:
    """Raises InputError, beginning with `where`, for an architecture that `build` could not build.

    No weights are made or read: of a hub's model only its configuration is looked at, of a module of one's own only
    whether the factory is there.
    """
    chosen = architecture(name, f"{where}.architecture: ")
    try:
        chosen.check(input_size, labels)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def build(name: str, input_size: int, seed: int, labels: Labels | None = None) -> nn.Module:
    """A new detector, in train mode, for images or frames of input_size × input_size pixels.

    Its weights depend on architecture, input_size and seed alone, or are those that it brings (`hub:`, in eval mode;
    `python:`, as its factory leaves it); the global generators of torch, NumPy and
    Python stay as they were. `labels` says which of a hub's label
    names are real and fake, as in `labels.columns`. Raises InputError for an unknown architecture or a size that it
    cannot take, and as `hub.hub` and `own.make` do.

    >>> build("resnet", input_size=64, seed=0)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """
    chosen = architecture(name)
    with _seeded(seed):
        return chosen.build(input_size, labels)


def try_architecture(name: str, input_size: int, labels: Labels | None = None) -> tuple[str, ...]:
    """What could not be tried of a detector of this architecture, a sentence each; InputError as `trial.try_out` says.

    It is built, tried, and its weights are given to another that is rebuilt as `load` does, from other random numbers:
    what would be lost in a checkpoint is told before anything is trained or measured.

    >>> try_architecture("resnet", 32)
    ()
    """
    chosen = architecture(name)
    detector = build(name, input_size, 0, labels)
    described = json.loads(json.dumps(chosen.describe(detector)))

    def again() -> nn.Module:
        with _seeded(1):
            return chosen.rebuild(described, input_size, name)

    return try_out(detector, input_size, chosen.modality, chosen.frames, name, again)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Inside, the global generators of torch, NumPy and Python begin at `seed`; afterwards they are as before."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002 (another's factory may draw from it)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)


def load(path: Path, architecture: str | None = None, input_size: int | None = None) -> LoadedDetector:
    """The trained detector at `path`, ready to be attacked.

    A `.safetensors` file that the project wrote says its architecture, its input_size and its temperature, which is
    applied unless it is 1. What it says is compared with `architecture` and `input_size`, where they are given, and
    never executed: without `architecture` it can be a built-in one alone, and `hub:` and `python:` have to be given.
    Whatever else is read from it is checked before it is used (`descriptions`).

    A `.h5` or `.hdf5` file holds published MesoNet weights for 256 px and needs `architecture`. With an architecture
    whose weights others have published, a `.pth` or any other `.safetensors` file holds those; some do not say their
    `input_size` (`BuiltIn.any_size`), so that may be given. Those of efficientnet-lite0-stage5 are ImageNet's: its two
    logits are 0 until it is trained.

    Of `frame-POOL-NAME` the file may hold NAME, a detector of images; the temperature that it brings is left out, as
    clips get one of their own. Raises InputError for other suffixes, for what differs
    from what was given, and as `checkpoints.read`, `keras.load_keras`, `load_xception` and `load_meso` do.
    """
    path = Path(path)
    pooled = built_in(architecture or "")
    if pooled and pooled.of_frames and not _holds(path, pooled.name):
        of_frames = load(path, pooled.of_frames, input_size)
        size = of_frames.metadata["input_size"]
        network = of_frames.detector.detector if isinstance(of_frames.detector, Calibrated) else of_frames.detector
        return LoadedDetector(
            around(network, size, pooled.pool).eval(), {"architecture": pooled.name, "input_size": size}
        )
    if path.suffix in SUFFIXES:
        if architecture is None:
            raise InputError(f"{path} does not say what it holds; give its architecture, meso4 or mesoinception4")
        return LoadedDetector(load_keras(path, architecture), {"architecture": architecture, "input_size": INPUT_SIZE})
    given = ARCHITECTURES.get(architecture or "")
    if given is not None and given.published and not checkpoints.is_ours(path):
        network = given.published(path)
        size = input_size if given.any_size and input_size else network.input_size
        return LoadedDetector(network, {"architecture": architecture, "input_size": size})
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} cannot be loaded: a checkpoint ends in .safetensors or .h5 (pickles, such as .pt, can run "
            "code); convert it with rrlib.detectors.checkpoints.save"
        )
    return _ours(path, architecture, input_size)


def _holds(path: Path, name: str) -> bool:
    """Whether a file of this project holds that architecture."""
    return checkpoints.is_ours(path) and checkpoints.read(path)[1]["architecture"] == name


def _ours(path: Path, name: str | None, size: int | None) -> LoadedDetector:
    """A checkpoint that this project wrote, or that says so; what its caller says decides, and nothing else runs."""
    state, metadata = checkpoints.read(path)
    found, where = metadata["architecture"], str(path)
    if name is None and (not isinstance(found, str) or found not in ARCHITECTURES):
        raise InputError(
            f"{path} says that it holds {descriptions.shown(found)}; a file may choose among the architectures that "
            "are built in alone, so give the one that you mean: load(path, architecture=...)"
        )
    if name is not None and found != name:
        said = found if isinstance(found, str) and found in ARCHITECTURES else descriptions.shown(found)
        raise InputError(f"{path} holds {said}, not {name}; give its own architecture or another file")
    chosen = architecture(found)
    its_size = descriptions.input_size(metadata["input_size"], where)
    if size is not None and size != its_size:
        raise InputError(f"{path} is for input_size {its_size}, not {size}; give that or another file")
    temperature = descriptions.temperature(metadata.get("temperature", 1), where)
    try:
        outline = chosen.outline(metadata, its_size, where)
    except InputError as error:  # of a size that it cannot take, which the network says without knowing the file
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from None
    if outline:
        checkpoints.check_fits(state, outline, chosen.name, where)
    network = chosen.rebuild(metadata, its_size, where)
    checkpoints.check_fits(state, network, chosen.name, where)
    network.load_state_dict(state)
    return LoadedDetector((Calibrated(network, temperature) if temperature != 1 else network).eval(), metadata)
