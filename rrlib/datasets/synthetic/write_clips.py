"""Draws the clips, and writes each as a lossless video."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rrlib.datasets.synthetic import plan
from rrlib.datasets.synthetic.camera import Camera, shoot
from rrlib.datasets.synthetic.clip_forgery import FAMILIES, pictures
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.motion import FPS, move
from rrlib.datasets.synthetic.plan import Shot, generator
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.video import encode
from rrlib.errors import InputError


def write(
    folder: Path,
    *,
    size: int,
    frames: int,
    clips: dict[str, int],
    seed: int,
    strength: float,
    workers: int | None = None,
) -> pd.DataFrame:
    """Draw clips of faces, half of them forged, into `folder`/real and `folder`/fake, and return what was drawn.

    Args:
        folder: made if absent; files of the same name are replaced.
        size: width and height of every frame, in pixels, at least 32.
        frames: length of every clip, 25 a second, at least 2.
        clips: number of clips of each split; the splits are train, validation and test.
        seed: not negative; the same arguments give the same bytes, however many workers draw them.
        strength: how much forgeries change in time, in (0, 1].
        workers: number of processes, by default one per processor.

    Returns:
        One row per clip, sorted by path: path (relative to `folder`), label (0 real, 1 fake), group (the identity's
        name), split, family ("" for a real clip, else flicker, drift, lipsync or resynthesis).

    Raises:
        InputError: if an argument is outside its range.
    """
    check(size, frames, clips, seed, strength)
    shots = [shot for split, count in clips.items() for shot in plan.plan(split, count, FAMILIES)]
    for kind in ("real", "fake"):
        (Path(folder) / kind).mkdir(parents=True, exist_ok=True)
    return plan.take(partial(_write_one, Path(folder), size, frames, seed, strength), shots, ".mp4", "clip", workers)


def draw_clip(shot: Shot, *, size: int, frames: int, seed: int, strength: float) -> np.ndarray:
    """The frames of one shot: uint8, (frames, size, size, 3).

    Motion, camera, noise and what a clip keeps for all its frames have random streams of their own that know nothing
    of the label. One camera takes all frames, each with noise of its own.
    """
    target, donor = (Identity.draw(generator(seed, shot.split, 0, who)) for who in (shot.identity, shot.donor))
    scene = generator(seed, shot.split, 1, shot.index)
    motion = move(Scene.draw(scene), frames, scene)
    steady, changing = (generator(seed, shot.split, stream, shot.index) for stream in (2, 4))
    noise = generator(seed, shot.split, 3, shot.index)
    camera = Camera.draw(noise)
    clip = pictures(target, donor, motion, size, shot.family, strength, steady, changing)
    return np.stack([shoot(picture, camera, noise) for picture in clip])


def _write_one(folder: Path, size: int, frames: int, seed: int, strength: float, shot: Shot) -> None:
    clip = draw_clip(shot, size=size, frames=frames, seed=seed, strength=strength)
    encode(folder / f"{shot.name}.mp4", clip, fps=FPS)


def check(size: int, frames: int, clips: dict[str, int], seed: int, strength: float) -> None:
    """Raise InputError unless `write` can draw this; nothing is drawn."""
    plan.check(size, clips, seed, strength, "clips")
    if not plan.whole(frames) or frames < 2:
        raise InputError(f"frames is {frames!r}; what changes in time needs at least 2; give more frames")
