"""Images whose class is their brightness, which a detector learns in one epoch or is given weights for."""

from pathlib import Path

import numpy as np
from PIL import Image


def dark_and_bright(count: int) -> None:
    """So many dark real and so many brighter fake images of 24 px, in images/real and images/fake."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("real", "fake")):
        Path("images", name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(60, 120, (24, 24, 3)) + 80 * label
            Image.fromarray(pixels.astype(np.uint8)).save(f"images/{name}/{name}{number}.png")
