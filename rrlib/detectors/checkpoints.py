"""Weights and what is known about them in one safetensors file; the same detector gives the same bytes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rrlib.errors import InputError

REQUIRED = ("architecture", "input_size")  # what it takes to build the detector again


def save(path: Path, detector: nn.Module, metadata: dict) -> None:
    """Write a detector's weights and `metadata` to `path`, whole or not at all; makes the parent folder.

    Metadata values may be anything JSON can hold. `read` asks for "architecture" (what `catalogue.build` takes) and
    "input_size" (pixels); the project also writes "dataset", "seed", "temperature" (save the detector without its
    `Calibrated`), "report", the training report, and what `Architecture.describe` gives.

    >>> save(Path("resnet.safetensors"), nn.Linear(2, 2), {"seed": 0})
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: metadata for resnet.safetensors lacks architecture and input_size; add what is missing
    """
    path = Path(path)
    if missing := [key for key in REQUIRED if key not in metadata]:
        raise InputError(f"metadata for {path} lacks {' and '.join(missing)}; add what is missing")
    encoded = {key: json.dumps(value, sort_keys=True) for key, value in metadata.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(_in_order(safetensors.torch.save(tensors, encoded)))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(state dict, metadata) of a checkpoint that `save` wrote.

    Raises InputError for an absent file, a pickle, a file cut short or otherwise invalid, and one without the
    metadata that `save` writes.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; train a detector or give the path of a .safetensors checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            encoded = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        if _is_pickle(path):
            raise InputError(
                f"{path} is a pickle, which can run code when it is read; give a safetensors file instead"
            ) from None
        raise InputError(f"{path} is not a whole safetensors file ({error}); fetch or train it again") from error
    try:
        metadata = {key: json.loads(value) for key, value in encoded.items()}
    except ValueError:  # another program's metadata, such as {"format": "pt"}
        metadata = {}
    if missing := [key for key in REQUIRED if key not in metadata]:
        raise InputError(
            f"{path} does not say its {' and '.join(missing)}; write it with rrlib.detectors.checkpoints.save"
        )
    return state, metadata


def is_ours(path: Path) -> bool:
    """Whether `path` is a safetensors file with the metadata that `save` writes."""
    try:
        read(path)
    except InputError:
        return False
    return True


def load_into(path: Path, detector: nn.Module, architecture: str) -> dict:
    """Fill `detector`, which is of this architecture, with the weights at `path`; returns the metadata.

    Raises InputError as `read` does, if the file holds another architecture, and if names or shapes differ;
    the detector is then unchanged.
    """
    state, metadata = read(path)
    if metadata["architecture"] != architecture:
        raise InputError(
            f"{path} holds {metadata['architecture']}, not {architecture}; give its own architecture or another file"
        )
    if found := differences(state, detector.state_dict(), architecture):
        raise InputError(
            f"{path} does not fit {architecture} of this input_size: {found}; train it again or give another file"
        )
    detector.load_state_dict(state)
    return metadata


def differences(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], architecture: str) -> str:
    """The first three differences of names and shapes between two state dicts, and how many more; "" if there are none.

    >>> import torch
    >>> differences({"a": torch.zeros(2), "c": torch.zeros(1)}, {"a": torch.zeros(3), "b": torch.zeros(1)}, "resnet")
    'a has shape (2,), not (3,); b is missing; c is not part of resnet'
    """
    found = [f"{name} is missing" for name in wanted.keys() - state.keys()]
    found += [f"{name} is not part of {architecture}" for name in state.keys() - wanted.keys()]
    found += [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted.keys() & state.keys()
        if state[name].shape != wanted[name].shape
    ]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(sorted(found)[:3]) + more


def _in_order(file: bytes) -> bytes:
    """The same safetensors file with its header's keys sorted: the library writes metadata in random order.

    The format is an 8-byte little-endian header length, the header as JSON padded with spaces, the tensors;
    offsets count from the header's end, so that reordering it moves nothing.
    """
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    ordered = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + file[8 + length :]


def _is_pickle(path: Path) -> bool:
    """By its first bytes: torch.save's zip archive, or the protocol mark of a raw pickle."""
    with path.open("rb") as file:
        start = file.read(4)
    return start == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05")
