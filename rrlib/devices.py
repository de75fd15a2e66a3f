"""Where tensors live, chosen by name, with the settings that make a result repeatable there."""

import os

import torch
from torch import nn

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
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


def place(detector: nn.Module, device: torch.device | str) -> nn.Module:
    """The detector, moved to `device`, its convolutions' images and clips laid out channels last.

    The same sums in another order: convolutions of few channels take 0.5 to 0.8 of the time on a processor
    (`benchmarks/`), and results move by float32 rounding.
    """
    detector = detector.to(device)
    layouts = {nn.Conv2d: torch.channels_last, nn.Conv3d: torch.channels_last_3d}
    for module in detector.modules():
        if type(module) in layouts:
            module.to(memory_format=layouts[type(module)])
    return detector


def place_batch(x: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A batch on `device`, images laid out as `place` lays out the detector that looks at them."""
    x = x.to(device, non_blocking=True)
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
