"""The published MesoNet weights (github.com/DariusAf/MesoNet, `weights/*.h5`): no Keras, no pickle.

Keras stores convolution kernels as (height, width, in, out) and dense kernels as (in, out), and numbers its
layers of each kind in the order in which they were made.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rrlib.detectors import hdf5
from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.errors import InputError

PUBLISHED: dict[str, type[Meso4] | type[MesoInception4]] = {"meso4": Meso4, "mesoinception4": MesoInception4}
INPUT_SIZE = 256
SUFFIXES = (".h5", ".hdf5")
KINDS = {nn.Conv2d: "conv2d", nn.BatchNorm2d: "batch_normalization", nn.Linear: "dense"}
# Keras's name of a weight → torch's; kernels need their axes turned as well.
NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def load_keras(path: Path, architecture: str) -> Meso4 | MesoInception4:
    """The published detector in the file at `path`, for 256 px, in eval mode, its logit turned from real to fake.

    The file is what Keras's `save_weights` or `save` wrote as HDF5, whatever its suffix.

    `architecture` is "meso4" or "mesoinception4". Every layer of the file must have its place and shape in that
    network, and the other way round. Raises InputError for another architecture, an absent file, one that is not
    HDF5 or is cut short, and one whose layers differ (which says where).

    >>> load_keras("Meso4_DF.h5", "resnet")
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: Meso4_DF.h5: no Keras weights are published for resnet; choose meso4 or mesoinception4
    """
    if architecture not in PUBLISHED:
        raise InputError(f"{path}: no Keras weights are published for {architecture}; choose {' or '.join(PUBLISHED)}")
    return filled(path, architecture, _read(Path(path)))


def filled(path: Path, architecture: str, stored: dict[str, dict[str, Tensor]]) -> Meso4 | MesoInception4:
    """The detector with the weights that `path` held, as `arranged` gives them; InputError where they do not fit."""
    detector = PUBLISHED[architecture](INPUT_SIZE)
    layers = _layers(detector)
    if differences := _differences(layers, stored):
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise InputError(
            f"{path} does not hold {architecture}: {'; '.join(differences[:3])}{more}; "
            f"give the architecture it was written for ({' or '.join(PUBLISHED)})"
        )
    for name, layer in layers.items():
        layer.load_state_dict(stored[name], strict=False)  # strict but for torch's own count of batches
    with torch.no_grad():  # the published output is the logit of real, ours of fake
        for parameter in detector.classifier[-1].parameters():
            parameter.neg_()
    return detector.eval()


def _layers(detector: nn.Module) -> dict[str, nn.Module]:
    """The layers that have weights, as "conv2d 1", "conv2d 2", … "dense 2", in the order of their making."""
    counts: Counter[str] = Counter()
    layers = {}
    for module in detector.modules():
        if kind := KINDS.get(type(module)):
            counts[kind] += 1
            layers[f"{kind} {counts[kind]}"] = module
    return layers


def _read(path: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of each layer under the names of `_layers` and of torch, axes in torch's order."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of a published .h5")
    try:
        found = hdf5.arrays(path)
    except hdf5.UnreadableError as error:
        raise InputError(f"{path} is not a whole HDF5 file of Keras weights ({error}); fetch it again") from error
    return arranged(found)


def arranged(found: Mapping[str, np.ndarray]) -> dict[str, dict[str, Tensor]]:
    """The arrays by layer under the names of `_layers` and of torch, axes in torch's order."""
    weights: dict[str, dict[str, np.ndarray]] = {}
    for name, array in found.items():
        layer, _, last = name.rpartition("/")
        weights.setdefault(layer, {})[last] = array
    counts: Counter[str] = Counter()
    layers = {}
    for layer in sorted(weights, key=lambda layer: (_number(layer), layer)):
        kind = re.sub(r"_\d+$", "", layer)
        counts[kind] += 1
        layers[f"{kind} {counts[kind]}"] = {
            NAMES.get(name, name): torch.from_numpy(_torch_order(array)) for name, array in weights[layer].items()
        }
    return layers


def _number(layer: str) -> int:
    """Keras counts on through a session, so a file may begin at conv2d_5; only the order means anything."""
    digits = re.search(r"_(\d+)$", layer)
    return int(digits[1]) if digits else 0


def _torch_order(array: np.ndarray) -> np.ndarray:
    """(height, width, in, out) → (out, in, height, width); (in, out) → (out, in); vectors as they are."""
    turned = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return np.ascontiguousarray(turned)


def _differences(layers: dict[str, nn.Module], stored: dict[str, dict[str, Tensor]]) -> list[str]:
    differences = [f"{name} is missing" for name in layers if name not in stored]
    differences += [f"{name} is not part of it" for name in stored if name not in layers]
    for name in (name for name in layers if name in stored):
        wanted = {key: tuple(value.shape) for key, value in layers[name].state_dict().items()}
        wanted.pop("num_batches_tracked", None)
        found = {key: tuple(stored[name][key].shape) for key in [*wanted, *stored[name]] if key in stored[name]}
        if found != wanted:
            differences.append(f"{name} has {found}, not {wanted}")
    return differences
