"""What a published model wants done to an image, as a function of pixels that has a gradient."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rrlib.errors import InputError

# frames are drawn by the data set, and pixels are RGB already
KNOWN = frozenset({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_sample_frames"})
LARGEST_SIZE = 8192  # pixels
RESAMPLING = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


@dataclass(frozen=True)
class Preprocessing:
    """Resize, centre crop, and (x − mean) / std by channel, on pixels in [0, 1]; None leaves a step out.

    `resize` and `crop` are (height, width) in pixels, or `resize` the length of the shorter side. Resizing is
    antialiased, as Pillow's is, and bicubic values are cut off at 0 and 1.

    >>> Preprocessing(resize=(4, 4), mean=(0.5,) * 3, std=(0.5,) * 3)(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 3, 4, 4])
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: tuple[int, int] | int | None = None
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
        size = self.resize
        if isinstance(size, int):
            shorter = min(height, width)
            size = (int(size * height / shorter), int(size * width / shorter))
        if tuple(size) == (height, width):
            return x
        x = F.interpolate(x, tuple(size), mode=self.mode, antialias=True)
        return x.clamp(0, 1) if self.mode == "bicubic" else x


def from_config(config: Mapping, where: str) -> Preprocessing:
    """The preprocessing that a `preprocessor_config.json` of transformers describes.

    Raises InputError, beginning with `where`, for steps that are not known here and for values that are missing.

    >>> config = {"size": 224, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    >>> from_config(config, "mine").resize
    (224, 224)
    """
    unknown = [key for key, value in config.items() if key.startswith("do_") and value and key not in KNOWN]
    if unknown:
        raise InputError(f"{where} asks for {', '.join(unknown)}, which is not known here; use a model without it")
    try:
        resize, crop = _geometry(config)
        mean, std = _affine(config)
        mode = RESAMPLING[config.get("resample", 2)]
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(
            f"{where} does not say how to prepare an image ({type(error).__name__}: {error}); it needs size, "
            "image_mean, image_std and, as resample, 2 (bilinear) or 3 (bicubic)"
        ) from None
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


def _geometry(config: Mapping) -> tuple[tuple[int, int] | int | None, tuple[int, int] | None]:
    resize = crop = None
    if config.get("do_resize", True):
        size = config["size"]
        resize = int(size["shortest_edge"]) if _has_edge(size) else _square(size)
        if "crop_pct" in config and _has_edge(size):  # ConvNeXT
            if resize < 384:
                resize, crop = int(resize / config["crop_pct"]), (resize, resize)
            else:
                resize = (resize, resize)
    if config.get("do_center_crop", False):
        crop = _square(config["crop_size"])
    return resize, crop


def _has_edge(size: object) -> bool:
    return isinstance(size, Mapping) and "shortest_edge" in size


def _square(size: object) -> tuple[int, int]:
    return (int(size["height"]), int(size["width"])) if isinstance(size, Mapping) else (int(size), int(size))


def _affine(config: Mapping) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and std that do at once what rescaling from [0, 255] and normalising do one after the other."""
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255.0
    offset = 1 if config.get("offset") or config.get("rescale_offset") else 0  # ViViT, EfficientNet
    normalised = config.get("do_normalize", True)
    mean = _three(config["image_mean"]) if normalised else (0.0,) * 3
    std = _three(config["image_std"]) if normalised else (1.0,) * 3
    if config.get("include_top"):  # EfficientNet divides by the standard deviation twice
        std = tuple(s * t for s, t in zip(std, _three(config["image_std"]), strict=True))
    return tuple((m + offset) / scale for m in mean), tuple(s / scale for s in std)


def _three(values: object) -> tuple[float, float, float]:
    values = tuple(float(value) for value in values)
    if len(values) != 3:
        raise ValueError(f"{len(values)} numbers where three are needed")
    return values
