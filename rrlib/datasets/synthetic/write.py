"""Plans the data set, and writes it, one PNG file per image."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from rrlib.datasets.synthetic.camera import Camera, shoot
from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.forgery import FAMILIES, Flaws
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.scene import Scene
from rrlib.errors import InputError, unknown

SPLITS = ("train", "validation", "test")
IMAGES_PER_IDENTITY = 8
SMALLEST = 32


@dataclass(frozen=True)
class Shot:
    """One image to be taken: everything about it that is not drawn at random."""

    split: str
    index: int
    identity: int
    donor: int
    family: str  # "" for a real image

    @property
    def path(self) -> str:
        return f"{'fake' if self.family else 'real'}/{self.split}-{self.index:05d}.png"


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
    shots = [shot for split, count in images.items() for shot in plan(split, count)]
    for kind in ("real", "fake"):
        (Path(folder) / kind).mkdir(parents=True, exist_ok=True)
    job = partial(_write_one, Path(folder), size, seed, strength)
    workers = workers or os.cpu_count() or 1
    progress = partial(tqdm, total=len(shots), desc="drawing faces", unit="image", disable=None)
    if workers == 1:
        list(progress(map(job, shots)))
    else:
        # Threads of the parent, such as torch's, do not survive a fork; a spawned process starts clean.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(progress(pool.map(job, shots, chunksize=16)))
    rows = [(s.path, int(bool(s.family)), f"{s.split}-{s.identity:04d}", s.split, s.family) for s in shots]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split", "family"])
    return table.sort_values("path", ignore_index=True)


def plan(split: str, count: int) -> list[Shot]:
    """Which identity, and which forgery if any, each of `count` images shows: half of them real, about 8 a face.

    >>> [shot.family for shot in plan("test", 4)]
    ['', 'swap', '', 'reenactment']
    """
    identities = max(2, round(count / IMAGES_PER_IDENTITY))  # two, since a swap needs a donor
    names = list(FAMILIES)
    shots = []
    for index in range(count):
        turn, identity = divmod(index // 2, identities)
        family = names[(turn + identity) % len(names)] if index % 2 else ""
        donor = (identity + 1 + turn % (identities - 1)) % identities
        shots.append(Shot(split, index, identity, donor, family))
    return shots


def draw_shot(shot: Shot, *, size: int, seed: int, strength: float) -> np.ndarray:
    """The image of one shot: uint8, (size, size, 3).

    Scene, camera and noise have random streams of their own that know nothing of the label, and a fake passes through
    the camera after it was forged: nothing but the forgery tells it from a real image.
    """
    target, donor = (Identity.draw(_rng(seed, shot.split, 0, who)) for who in (shot.identity, shot.donor))
    scene = Scene.draw(_rng(seed, shot.split, 1, shot.index))
    if shot.family:
        flaws = Flaws.draw(_rng(seed, shot.split, 2, shot.index), strength)
        picture = FAMILIES[shot.family](target, donor, scene, size, flaws)
    else:
        picture = render(target, scene, size)
    noise = _rng(seed, shot.split, 3, shot.index)
    return shoot(picture, Camera.draw(noise), noise)


def _rng(seed: int, split: str, stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), stream, index)))


def _write_one(folder: Path, size: int, seed: int, strength: float, shot: Shot) -> None:
    path = folder / shot.path
    unfinished = path.with_suffix(".unfinished")
    Image.fromarray(draw_shot(shot, size=size, seed=seed, strength=strength)).save(unfinished, "PNG")
    os.replace(unfinished, path)


def check(size: int, images: dict[str, int], seed: int, strength: float) -> None:
    """Raise InputError unless `write` can draw this; nothing is drawn."""
    if not _whole(size) or size < SMALLEST:
        raise InputError(f"size is {size!r}; a face needs at least {SMALLEST} pixels; give a larger size")
    if not isinstance(images, dict) or not images:
        raise InputError(f"images is {images!r}; give a count for at least one of {', '.join(SPLITS)}")
    for split, count in images.items():
        if split not in SPLITS:
            raise unknown("images", split, SPLITS)
        if not _whole(count) or count < 1:
            raise InputError(f"images.{split} is {count!r}; a count is at least 1; leave a split out to have none")
    if not _whole(seed) or seed < 0:
        raise InputError(f"seed is {seed!r}; a seed is a whole number, 0 or more; give another")
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 < strength <= 1:
        raise InputError(f"strength is {strength!r}; it lies above 0 and up to 1; give one in that range")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
