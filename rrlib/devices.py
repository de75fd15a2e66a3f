"""The device, chosen by name, with the settings that make a result repeatable there."""

import os

import torch

from rrlib.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve(name: str) -> torch.device:
    """The device called `name`; "auto" takes a GPU where there is one.

    Also switches reduced precision and algorithms chosen by timing off, so that one machine gives one result.
    Raises InputError for an unknown name and for a device that this machine lacks.

    >>> resolve("cpu")
    device(type='cpu')
    """
    if name not in DEVICES:
        raise InputError(f"device {name!r} is not known; choose from {', '.join(DEVICES)}")
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if present[device])
    if not present[name]:
        raise InputError(f"device {name} is asked for, but this machine has none; set device: auto or cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats its sums only with this
    torch.set_deterministic_debug_mode("warn")  # `use_deterministic_algorithms` does this and imports a compiler, 2 s
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)
