"""A short measurement on this machine: what one gradient of each architecture takes, in time and in memory."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from rrlib.detectors import InDouble, batch_to_device, surrogate, to_device
from rrlib.detectors import catalogue as detectors
from rrlib.devices import resolve
from rrlib.errors import parsing
from rrlib.sources import owner
from rrlib.study import Detector, Study

SECONDS = 4.0  # for all detectors together: none is begun after it
ENOUGH = 0.2  # seconds that one detector is measured for, unless a single gradient takes longer
LARGER = 8  # samples in the batch on which a fast detector is measured
FRAMES = 16  # of a clip, where the data set does not say
LARGEST = 20_000  # of any number of a transformer: a layer of it would still fit into memory


@dataclass(frozen=True)
class Timing:
    """Of one detector: seconds per sample of a gradient and of a forward, the activations that a gradient keeps (bytes
    per sample), the bytes of its weights, and how that was found."""

    gradient: float
    forward: float
    activations: int
    weights: int
    how: str = "measured"


@dataclass(frozen=True)
class Transformer:
    """The size of a transformer encoder, which is nearly all of its work."""

    layers: int
    width: int
    heads: int
    tokens: int


def measure(study: Study) -> dict[tuple[str, int], Timing | str]:
    """The timing of each detector on the clips of each length, with random weights; 0 frames for images.

    Where a detector could not be measured, a text says why.
    """
    device, begun = resolve(study.device), time.perf_counter()
    timings: dict[tuple[str, int], Timing | str] = {}
    seen: dict[Transformer | tuple[str, int, str, int], Timing | str] = {}
    for half in (study.image, study.video):
        lengths = sorted({entry.frames_each for entry in half.datasets.values()}) or [FRAMES]
        for name, entry in half.detectors.items():
            for frames in lengths if half is study.video else [0]:
                same = transformer_of(entry, study) or (entry.architecture, entry.input_size, entry.precision, frames)
                if same not in seen:
                    late = time.perf_counter() - begun > SECONDS
                    seen[same] = "not measured: out of time" if late else _of(entry, study, frames, device)
                timings[name, frames] = seen[same]
    return timings


def _of(entry: Detector, study: Study, frames: int, device: torch.device) -> Timing | str:
    if size := transformer_of(entry, study):
        return _of_transformer(size, device)
    if entry.architecture.startswith(detectors.HUB):
        return "not measured: it is not here"
    network = detectors.build(entry.architecture, entry.input_size, entry.seed).eval()
    if entry.precision == "double":
        network = InDouble(network)
    shape = (*([frames] if frames else []), 3, entry.input_size, entry.input_size)
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    network = to_device(network, device, x[0])
    x = batch_to_device(x, device, network)
    followed = surrogate(network, x).detector if study.fold else network.requires_grad_(False)
    return _timed(followed, x, lambda logits: (logits[:, 1] - logits[:, 0]).sum())


def transformer_of(entry: Detector, study: Study) -> Transformer | None:
    """The size of a detector that is a plain vision transformer: by its config.json, else by the catalogue."""
    if entry.architecture == "vit-b16":
        return Transformer(layers=12, width=768, heads=12, tokens=(entry.input_size // 16) ** 2 + 1)
    if not entry.architecture.startswith(detectors.HUB):
        return None
    folder = Path(entry.architecture.removeprefix(detectors.HUB))
    config = folder / "config.json"
    if config.is_file():
        with parsing(config, "valid JSON", "fetch the model again"):
            found = json.loads(config.read_text(encoding="utf-8"))
        return _of_config(found)
    source = owner(folder, study.sources.values())
    return Transformer(**source.transformer) if source and source.transformer else None


def _of_config(config: Any) -> Transformer | None:
    """The size that a config.json says, None for another kind of network; numbers that no network has are not built."""
    if not isinstance(config, dict):
        return None
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "image_size", "patch_size")
    numbers = [config.get(name) for name in names]
    frames = [config["num_frames"], config["tubelet_size"]] if {"num_frames", "tubelet_size"} <= config.keys() else []
    if not all(type(number) is int and 1 <= number <= LARGEST for number in numbers + frames):
        return None
    layers, width, heads, side, patch = (int(number) for number in numbers if number is not None)
    tokens = (side // patch) ** 2 * (frames[0] // frames[1] if frames else 1)
    if width % heads or not 1 <= tokens <= LARGEST:
        return None
    return Transformer(layers, width, heads, tokens)


def _of_transformer(size: Transformer, device: torch.device) -> Timing:
    """One layer is built and measured."""
    layer = nn.TransformerEncoderLayer(size.width, size.heads, 4 * size.width, 0.0, "gelu", batch_first=True)
    x = torch.rand(1, size.tokens, size.width, generator=torch.Generator().manual_seed(0)).to(device)
    one = _timed(layer.to(device).eval().requires_grad_(False), x, Tensor.sum)
    return Timing(
        gradient=size.layers * one.gradient,
        forward=size.layers * one.forward,
        activations=size.layers * one.activations,
        weights=size.layers * one.weights,
        how=f"one of its {size.layers} layers was measured",
    )


def _timed(network: nn.Module, x: Tensor, scalar: Callable[[Tensor], Tensor]) -> Timing:
    """The fastest of a few runs, the first of which, slower, counts only where one is all there is time for."""
    weights = [*network.parameters(), *network.buffers()]
    held = {tensor.untyped_storage().data_ptr() for tensor in weights}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        runs = [_once(network, x, scalar)]
    if sum(runs[0]) < 2 * ENOUGH:
        runs = [_once(network, x, scalar)]
    x = x.repeat(LARGER, *[1] * (x.dim() - 1)) if sum(runs[0]) < ENOUGH / LARGER else x
    begun = time.perf_counter()
    while time.perf_counter() - begun + sum(runs[-1]) * len(x) < ENOUGH:
        runs.append(_once(network, x, scalar))
    forward, backward = min(runs, key=sum)
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights)
    return Timing(forward + backward, forward, sum(kept.values()), size)


def _once(network: nn.Module, x: Tensor, scalar: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Seconds per sample of the forward half and of the backward half of one gradient."""
    x = x.detach().requires_grad_()
    begun = time.perf_counter()
    total = scalar(network(x))
    total.item()  # a GPU is waited for
    middle = time.perf_counter()
    (gradient,) = torch.autograd.grad(total, x)
    gradient.flatten()[0].item()
    return (middle - begun) / len(x), (time.perf_counter() - middle) / len(x)
