"""Draws the images, and writes each as a PNG file."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rrlib import files
from rrlib.datasets.synthetic import plan
from rrlib.datasets.synthetic.camera import Camera, shoot
from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.forgery import FAMILIES, Flaws
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.plan import Shot, generator
from rrlib.datasets.synthetic.scene import Scene


def write(
    folder: Path, *, size: int, images: dict[str, int], seed: int, strength: float, workers: int | None = None
) -> pd.DataFrame:
    """Draw faces and forgeries into `folder`/real and `folder`/fake, and return what was drawn.

    Args:
        folder: made if absent; files of the same name are replaced.
        size: width and height of every image, in pixels, at least 32.
        images: number of images of each split; the splits are train, validation and test.
        seed: not negative; the same arguments give the same bytes, however many workers draw them.
        strength: how visible forgeries are, in (0, 1].
        workers: number of processes, by default one per processor.

    Returns:
        One row per image, sorted by path: path (relative to `folder`), label (0 real, 1 fake), group (the identity's
        name), split, family ("" for a real image, else swap, reenactment or resynthesis).

    Raises:
        InputError: if an argument is outside its range.
    """
    check(size, images, seed, strength)
    shots = [shot for split, count in images.items() for shot in plan.plan(split, count, tuple(FAMILIES))]
    for kind in ("real", "fake"):
        (Path(folder) / kind).mkdir(parents=True, exist_ok=True)
    return plan.take(partial(_write_one, Path(folder), size, seed, strength), shots, ".png", "image", workers)


def draw_shot(shot: Shot, *, size: int, seed: int, strength: float) -> np.ndarray:
    """The image of one shot: uint8, (size, size, 3).

    Scene, camera and noise have random streams of their own that know nothing of the label, and a fake passes through
    the camera after it was forged: nothing but the forgery tells it from a real image.
    """
    target, donor = (Identity.draw(generator(seed, shot.split, 0, who)) for who in (shot.identity, shot.donor))
    scene = Scene.draw(generator(seed, shot.split, 1, shot.index))
    if shot.family:
        flaws = Flaws.draw(generator(seed, shot.split, 2, shot.index), strength)
        picture = FAMILIES[shot.family](target, donor, scene, size, flaws)
    else:
        picture = render(target, scene, size)
    noise = generator(seed, shot.split, 3, shot.index)
    return shoot(picture, Camera.draw(noise), noise)


def _write_one(folder: Path, size: int, seed: int, strength: float, shot: Shot) -> None:
    path = folder / f"{shot.name}.png"
    unfinished = path.with_suffix(".unfinished")
    drawn = Image.fromarray(draw_shot(shot, size=size, seed=seed, strength=strength))
    try:
        with files.writing(path):
            drawn.save(unfinished, "PNG")
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def check(size: int, images: dict[str, int], seed: int, strength: float) -> None:
    """Raise InputError unless `write` can draw this; nothing is drawn."""
    plan.check(size, images, seed, strength, "images")
