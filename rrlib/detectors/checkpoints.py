"""Weights and what is known about them in one safetensors file; the same detector gives the same bytes."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from rrlib import files
from rrlib.errors import InputError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REQUIRED = ("architecture", "input_size")  # what it takes to build the detector again


def save(path: Path, detector: nn.Module, metadata: dict) -> None:
    """Write a detector's weights and `metadata` to `path`, whole or not at all; makes the parent folder.

    Metadata values may be anything JSON can hold. `read` asks for "architecture" (what `catalogue.build` takes) and
    "input_size" (pixels); the project also writes "dataset", "seed", "temperature" (save the detector without its
    `Calibrated`), "report", the training report, and what `Architecture.describe` gives.
    Raises InputError as `tensors` does.

    >>> save(Path("resnet.safetensors"), nn.Linear(2, 2), {"seed": 0})
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: metadata for resnet.safetensors lacks architecture and input_size; add what is missing
    """
    path = Path(path)
    if missing := [key for key in REQUIRED if key not in metadata]:
        raise InputError(f"metadata for {path} lacks {' and '.join(missing)}; add what is missing")
    encoded = {key: json.dumps(value, sort_keys=True) for key, value in metadata.items()}
    held = tensors(detector, str(path))
    with files.whole(path) as unfinished:
        unfinished.write_bytes(_in_order(safetensors.torch.save(held, encoded)))


def tensors(detector: nn.Module, where: str) -> dict[str, Tensor]:
    """A detector's state dict as a checkpoint holds it: on the processor, contiguous, each with memory of its own.

    Weights that two modules share are written twice, and read into both. Raises InputError, beginning with `where`, for
    what is no ordinary tensor, such as the packed weights of a quantised layer.
    """
    held, seen = {}, set()
    for name, value in detector.state_dict().items():
        what = unusual(value) if isinstance(value, Tensor) else f"is a {type(value).__name__}"
        if what:
            raise InputError(
                f"{where} cannot be written: {name} {what}, and a checkpoint holds plain tensors alone; give the "
                "detector before it was quantised or made sparse"
            )
        tensor = value.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        held[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return held


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
    except Exception as error:  # whatever a damaged or foreign file makes of safetensors
        if _is_pickle(path):
            raise InputError(
                f"{path} is a pickle, which can run code when it is read; give a safetensors file instead"
            ) from None
        raise InputError(f"{path} is not a whole safetensors file ({error}); fetch or train it again") from error
    try:
        metadata = {key: json.loads(value) for key, value in encoded.items()}
    except (ValueError, RecursionError):  # another program's metadata, such as {"format": "pt"}
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

    Raises InputError as `read` does, if the file holds another architecture, and if names, shapes or kinds of numbers
    differ; the detector is then unchanged.
    """
    state, metadata = read(path)
    if metadata["architecture"] != architecture:
        raise InputError(
            f"{path} holds {metadata['architecture']}, not {architecture}; give its own architecture or another file"
        )
    check_fits(state, detector, architecture, str(path))
    detector.load_state_dict(state)
    return metadata


def check_fits(state: Mapping[str, Tensor], detector: nn.Module, architecture: str, where: str) -> None:
    """Raises InputError, beginning with `where`, unless a state dict has a detector's names, shapes and numbers."""
    if found := differences(state, detector.state_dict(), architecture):
        raise InputError(
            f"{where} does not fit {architecture} of this input_size: {found}; train it again or give another file"
        )


def differences(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], architecture: str) -> str:
    """The first three differences between two state dicts, and how many more; "" if there are none.

    Names and shapes are compared, and that both hold ordinary numbers of one kind. Floating-point numbers of 16 to 64
    bits are one kind: quantised ones are not, as torch would take their codes for the weights.

    >>> import torch
    >>> differences({"a": torch.zeros(2), "c": torch.zeros(1)}, {"a": torch.zeros(3), "b": torch.zeros(1)}, "resnet")
    'a has shape (2,), not (3,); b is missing; c is not part of resnet'
    >>> differences({"a": torch.zeros(2, dtype=torch.int8)}, {"a": torch.zeros(2)}, "resnet")
    'a holds int8, not float32'
    """
    found = [f"{name} is missing" for name in wanted.keys() - state.keys()]
    found += [f"{name} is not part of {architecture}" for name in state.keys() - wanted.keys()]
    for name in wanted.keys() & state.keys():
        if state[name].shape != wanted[name].shape:
            found.append(f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}")
        elif said := unusual(state[name]):
            found.append(f"{name} {said}")
        elif _kind(state[name]) != _kind(wanted[name]):
            found.append(f"{name} holds {_number(state[name])}, not {_number(wanted[name])}")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(sorted(found)[:3]) + more


def unusual(tensor: Tensor) -> str:
    """Why a tensor holds no ordinary numbers; "" if it does.

    >>> import torch
    >>> unusual(torch.eye(2).to_sparse()), unusual(torch.eye(2))
    ('is sparse', '')
    """
    if tensor.is_quantized:
        return "is quantised"
    if tensor.is_meta:
        return "holds no numbers (torch's meta device)"
    return "" if tensor.layout == torch.strided else "is sparse"


def _kind(tensor: Tensor) -> str:
    return "float" if tensor.dtype in FLOATS else _number(tensor)


def _number(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


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
