"""What a published model wants done to an image, as a function of pixels that has a gradient."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from rrlib.detectors.processors import PROCESSORS, name_of
from rrlib.errors import InputError

# frames are drawn by the data set, and pixels are RGB already
KNOWN = frozenset({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_sample_frames"})
LARGEST_SIZE = 8192  # pixels
LARGEST_MADE = 4096  # of a side that a processor makes; the largest of published classifiers is 1024
RESAMPLING = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
Three: TypeAlias = tuple[float, float, float]
Resize: TypeAlias = tuple[int, int] | int | None


@dataclass(frozen=True)
class Preprocessing:
    """Resize, centre crop, and (x − mean) / std by channel, on pixels in [0, 1]; None leaves a step out.

    `resize` and `crop` are (height, width) in pixels, or `resize` the length of the shorter side. Resizing is
    antialiased, as Pillow's is, and bicubic values are cut off at 0 and 1.

    >>> Preprocessing(resize=(4, 4), mean=(0.5,) * 3, std=(0.5,) * 3)(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 3, 4, 4])
    """

    mean: Three
    std: Three
    resize: Resize = None
    crop: tuple[int, int] | None = None
    mode: str = "bilinear"

    def __call__(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) in [0, 1] → what the model takes, (N, 3, H′, W′)."""
        if self.resize is not None:
            x = self._resized(x)
        if self.crop is not None:
            top, left = ((have - want) // 2 for have, want in zip(x.shape[2:], self.crop, strict=True))
            x = x[:, :, top : top + self.crop[0], left : left + self.crop[1]]
        mean, std = (torch.tensor(each, dtype=x.dtype, device=x.device).view(3, 1, 1) for each in (self.mean, self.std))
        return (x - mean) / std

    def _resized(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if isinstance(self.resize, int):
            shorter = min(height, width)
            size = (int(self.resize * height / shorter), int(self.resize * width / shorter))
        else:
            size = self.resize or (height, width)
        if size == (height, width):
            return x
        x = F.interpolate(x, size, mode=self.mode, antialias=True)
        return x.clamp(0, 1) if self.mode == "bicubic" else x


def from_config(config: Mapping[str, Any], where: str, processor: str | None = None) -> Preprocessing:
    """The preprocessing that a `preprocessor_config.json` of transformers describes.

    What it leaves open is as transformers' processor of that type has it; `processor` is the type where the file names
    none. Raises InputError, beginning with `where`, for types and steps that are not known here, and for values that
    are missing.

    >>> config = {"size": 224, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    >>> from_config(config, "mine").resize
    (224, 224)
    >>> from_config({"image_processor_type": "LevitImageProcessor"}, "mine").resize
    256
    """
    name = name_of(config) or processor or ("ConvNextImageProcessor" if "crop_pct" in config else None)
    if name is not None and name not in PROCESSORS:
        raise InputError(f"{where} is of type {name}, which is not known here; use a model with another processor")
    given = {key: each for key, each in config.items() if each is not None or key.startswith("do_")}
    config = {**PROCESSORS.get(name or "", {}), **given}
    unknown = [key for key, value in config.items() if key.startswith("do_") and value and key not in KNOWN]
    if unknown:
        raise InputError(f"{where} asks for {', '.join(unknown)}, which is not known here; use a model without it")
    try:
        resize, crop = _geometry(config, name)
        mean, std = _affine(config)
        mode = RESAMPLING[config.get("resample", 2)]
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError) as error:
        raise InputError(
            f"{where} does not say how to prepare an image ({type(error).__name__}: {error}); it needs size, "
            "image_mean, image_std and, as resample, 2 (bilinear) or 3 (bicubic)"
        ) from None
    sides = [*(resize if isinstance(resize, tuple) else (resize,)), *(crop or ())]
    if wrong := [side for side in sides if side is not None and not 1 <= side <= LARGEST_MADE]:
        raise InputError(f"{where} asks for a side of {wrong[0]} pixels; a picture is made of 1 to {LARGEST_MADE}")
    smaller = resize if isinstance(resize, int) else min(resize or crop or (0,))
    if crop and max(crop) > smaller and resize is not None:
        raise InputError(f"{where} crops {crop} from a smaller image; use a model that pads nothing")
    return Preprocessing(mean, std, resize, crop, mode)


def from_fields(value: object, where: str) -> Preprocessing:
    """The preprocessing whose fields a checkpoint holds as JSON; InputError, beginning with `where`, for other fields.

    >>> from_fields({"mean": [0, 0, 0], "std": [1, 1, 1], "resize": 32, "crop": None, "mode": "bicubic"}, "a").resize
    32
    """
    found = value if isinstance(value, dict) else {}
    mean, std, resize, crop = (_tupled(found.get(name)) for name in ("mean", "std", "resize", "crop"))
    right = (
        set(found) == {field.name for field in fields(Preprocessing)}
        and _numbers(mean, -LARGEST_SIZE)
        and _numbers(std, 1e-6)
        and (resize is None or _pixels(resize) or _sides(resize))
        and (crop is None or _sides(crop))
        and found["mode"] in RESAMPLING.values()
    )
    if not right:
        raise InputError(f"{where} describes a preprocessing that is not known here; make the checkpoint again")
    return Preprocessing(mean, std, resize, crop, found["mode"])


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _numbers(value: object, least: float) -> bool:
    """Three numbers."""
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and all(isinstance(each, int | float) and least <= each <= LARGEST_SIZE for each in value)
    )


def _pixels(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIZE


def _sides(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(_pixels(each) for each in value)


def _geometry(config: Mapping[str, Any], name: str | None) -> tuple[Resize, tuple[int, int] | None]:
    resize: Resize = None
    crop = None
    if config.get("do_resize", True):
        size = config["size"]
        if isinstance(size, int) and not config.get("default_to_square", True):
            size = {"shortest_edge": size}
        resize = _edge(size) if isinstance(size, Mapping) and "shortest_edge" in size else _square(size)
        if name == "LevitImageProcessor" and isinstance(resize, int):
            resize = int(256 / 224 * resize)
        elif "crop_pct" in config and isinstance(resize, int):  # ConvNeXT's
            if resize < 384:
                resize, crop = int(resize / config["crop_pct"]), (resize, resize)
            else:
                resize = (resize, resize)
    if config.get("do_center_crop", False):
        crop = _square(config["crop_size"])
    return resize, crop


def _edge(size: Mapping[str, Any]) -> int:
    if "longest_edge" in size:
        raise ValueError("it bounds the longer side, too")
    return int(size["shortest_edge"])


def _square(size: Any) -> tuple[int, int]:
    return (int(size["height"]), int(size["width"])) if isinstance(size, Mapping) else (int(size), int(size))


def _affine(config: Mapping[str, Any]) -> tuple[Three, Three]:
    """The mean and std that do at once what rescaling from [0, 255] and normalising do one after the other."""
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255.0
    offset = 1 if config.get("offset") or config.get("rescale_offset") else 0  # ViViT, EfficientNet
    normalised = config.get("do_normalize", True)
    mean = _three(config["image_mean"]) if normalised else (0.0,) * 3
    std = _three(config["image_std"]) if normalised else (1.0,) * 3
    if config.get("include_top"):  # EfficientNet divides by the standard deviation twice
        std = _each(zip(std, _three(config["image_std"]), strict=True), lambda pair: pair[0] * pair[1])
    return _each(mean, lambda each: (each + offset) / scale), _each(std, lambda each: each / scale)


def _each(values: Iterable[Any], function: Callable[[Any], float]) -> Three:
    one, two, three = map(function, values)
    return one, two, three


def _three(values: Any) -> Three:
    values = [values] * 3 if isinstance(values, int | float) else list(values)
    if len(values) != 3:
        raise ValueError(f"{len(values)} numbers where three are needed")
    return _each(values, float)
