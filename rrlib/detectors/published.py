"""Weights that others have published for torch: read without running code, and loaded without a gap."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from rrlib.detectors import checkpoints
from rrlib.detectors.contract import said
from rrlib.errors import InputError

# torch.compile's and DataParallel's, one within the other
WRAPPED = ("_orig_mod.", "module.", "_orig_mod.")
Detector = TypeVar("Detector", bound=nn.Module)


def read(source: Path | str | Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str]:
    """A state dict, and what to call it in a message: a `.safetensors` or `.pth` file, or a state dict as it is.

    A `.pth` is read without running what a pickle may hold (`torch.load(weights_only=True)`). Raises InputError for
    another suffix, and for a file that is absent, damaged, or holds anything but names with tensors.
    """
    if isinstance(source, Mapping):
        return source, "the state dict"
    path = Path(source)
    if path.suffix not in (".safetensors", ".pth"):
        raise InputError(f"{path} cannot be read as published weights; give a .safetensors or a .pth file")
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of a .safetensors or a .pth file")
    return (_safetensors(path) if path.suffix == ".safetensors" else _pth(path)), str(path)


def fill(detector: Detector, state: Mapping[str, Tensor], architecture: str, where: str, remedy: str) -> Detector:
    """The detector in eval mode with these weights; InputError with the names or shapes that differ, if any do.

    Only torch's counts of batches may be missing: no answer depends on them, and older files lack them.
    """
    own = detector.state_dict()
    state = {name: own[name] for name in own if name.endswith("num_batches_tracked")} | dict(state)
    if differences := checkpoints.differences(state, own, architecture):
        raise InputError(f"{where} does not fit {architecture}: {differences}; {remedy}")
    detector.load_state_dict(state)
    return detector.eval()


def _safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # whatever a damaged or foreign file makes of safetensors
        raise InputError(f"{path} is not a whole safetensors file ({error}); fetch it again") from error


def without_prefixes(state: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """A state dict without the names of what a network was wrapped in, in this order; each only if all names have it.

    >>> list(without_prefixes({"module.backbone.fc.bias": torch.zeros(2)}, "module.", "backbone."))
    ['fc.bias']
    """
    found = dict(state)
    for prefix in prefixes:
        if found and all(isinstance(name, str) and name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _pth(path: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} holds more than tensors, or is no file of torch.save, and was not run; give a state dict"
        ) from None
    except Exception as error:  # whatever a damaged file makes of torch
        raise InputError(f"{path} is not a whole file of torch.save ({said(error)}); fetch it again") from None
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path} does not hold a state dict, names with tensors; save model.state_dict() alone")
    return state
