"""What a training image may suffer before it is learnt from, so that few images teach more than their own pixels."""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from rrlib.errors import InputError

BEST_JPEG = 95  # Pillow's own advice: above it files grow and pixels do not


@dataclass(frozen=True)
class Augmentation:
    """Random square crops, brightness, and JPEG and resizing of every `share`-th image, drawn from one generator.

    crop: the least share of the side that a crop keeps, in (0, 1]; training images are read so much larger that the
    smallest crop needs no enlarging (`size`). brightness: pixels are multiplied by a number within ± this of 1, and a
    number within ± half of this is added, in [0, 1]; 0 for none. jpeg: the lowest quality, from 1 to 95; None for none.
    resize: the least share of the side to which an image is made smaller and then larger again, in (0, 1]; 1 for none.
    share: of images, in [0, 1], to which JPEG is done, and, drawn anew, resizing.

    >>> Augmentation(crop=0.8).size(64)
    80
    """

    crop: float = 1.0
    brightness: float = 0.0
    jpeg: int | None = None
    resize: float = 1.0
    share: float = 0.3

    def __post_init__(self) -> None:
        for name, lowest in (("crop", "> 0"), ("resize", "> 0"), ("brightness", "≥ 0"), ("share", "≥ 0")):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value <= 1 or (value == 0 and lowest == "> 0"):
                raise InputError(f"augmentation.{name} is {value!r}; it is a number {lowest} and at most 1")
        if self.jpeg is not None and (type(self.jpeg) is not int or not 1 <= self.jpeg <= BEST_JPEG):
            raise InputError(f"augmentation.jpeg is {self.jpeg!r}; it is a whole number from 1 to {BEST_JPEG}")

    def size(self, input_size: int) -> int:
        """The side in pixels at which training images are read for a detector of `input_size`."""
        return math.ceil(input_size / self.crop)

    def __call__(self, x: Tensor, input_size: int, generator: torch.Generator) -> Tensor:
        """A batch (N, …, 3, S, S) of pixels in [0, 1] → (N, …, 3, input_size, input_size); each image by itself.

        All frames of a clip are treated alike. The same generator state gives the same pixels.

        >>> x = torch.rand(2, 3, 80, 80)
        >>> Augmentation(crop=0.8, jpeg=70)(x, 64, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 64, 64])
        """
        found = [self._one(each.reshape(-1, *each.shape[-3:]), input_size, generator) for each in x]
        return torch.stack(found).reshape(*x.shape[:-2], input_size, input_size)

    def _one(self, x: Tensor, input_size: int, generator: torch.Generator) -> Tensor:
        """One image as (1, 3, S, S), or the frames of a clip."""

        def between(low: int, high: int) -> int:
            return int(torch.randint(low, high + 1, (1,), generator=generator))

        def chosen() -> bool:
            return bool(torch.rand(1, generator=generator) < self.share)

        side = x.shape[-1]
        kept = between(math.ceil(self.crop * side), side)
        top, left = between(0, side - kept), between(0, side - kept)
        x = _resized(x[..., top : top + kept, left : left + kept], input_size)
        if self.resize < 1 and chosen():
            x = _resized(_resized(x, between(math.ceil(self.resize * input_size), input_size)), input_size)
        if self.jpeg is not None and chosen():
            quality = between(self.jpeg, BEST_JPEG)
            x = torch.stack([_through_jpeg(frame, quality) for frame in x])
        if self.brightness:
            gain, offset = self.brightness * (2 * torch.rand(2, generator=generator) - 1)
            x = (x * (1 + gain) + offset / 2).clamp(0, 1)
        return x


def _resized(x: Tensor, side: int) -> Tensor:
    if x.shape[-1] == side:
        return x
    found = interpolate(x, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
    return found.clamp(0, 1)  # weights that add up to one do so up to rounding


def _through_jpeg(frame: Tensor, quality: int) -> Tensor:
    pixels = frame.mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(held))).permute(2, 0, 1).to(frame.dtype).div(255)
