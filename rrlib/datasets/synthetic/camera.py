"""The camera that takes every picture, real or forged: blur, sensor noise, JPEG."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


@dataclass(frozen=True)
class Camera:
    """What one camera does to a picture."""

    blur: float  # standard deviation of the lens's Gaussian, in pixels of a 64-pixel picture
    noise: float  # standard deviation of the sensor's Gaussian noise; pixels are in [0, 1]
    quality: int  # JPEG quality, 1 to 95

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Camera":
        """A random camera; the same generator state gives the same camera.

        >>> camera = Camera.draw(np.random.default_rng(0))
        >>> 70 <= camera.quality <= 95
        True
        """
        return cls(rng.uniform(0.25, 0.65), rng.uniform(0.004, 0.016), int(rng.integers(70, 96)))


def shoot(picture: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """The photograph of `picture` (H, W, 3), in [0, 1]: uint8, same shape, decoded from its JPEG file.

    `rng` draws the noise alone, so that one camera can take the many frames of a clip.

    >>> shoot(np.full((32, 32, 3), 0.5), Camera(0.5, 0.01, 90), np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    sigma = camera.blur * len(picture) / 64
    seen = gaussian_filter(picture, (sigma, sigma, 0)) + camera.noise * rng.standard_normal(picture.shape)
    developed = Image.fromarray(np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8))
    file = io.BytesIO()
    developed.save(file, "JPEG", quality=camera.quality)
    return np.array(Image.open(file).convert("RGB"))
