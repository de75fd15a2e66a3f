"""What is drawn, image or clip: who is in it, which forgery it is, from which random numbers, and by how many hands."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from tqdm import tqdm

from rrlib.errors import InputError, unknown

SPLITS = ("train", "validation", "test")
SHOTS_PER_IDENTITY = {"train": 8, "validation": 2, "test": 2}  # few where answers are counted: more groups
SMALLEST = 32
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


@dataclass(frozen=True)
class Shot:
    """One image or clip to be taken: everything about it that is not drawn at random."""

    split: str
    index: int
    identity: int
    donor: int
    family: str  # "" for a real one

    @property
    def name(self) -> str:
        return f"{'fake' if self.family else 'real'}/{self.split}-{self.index:05d}"


def plan(split: str, count: int, families: Sequence[str]) -> list[Shot]:
    """Which identity, and which forgery if any, each of `count` shots shows: half of them real.

    An identity has about 8 shots for training, and a real and a forged one for validation and test: shots of one
    identity are one group, and intervals need many groups.

    >>> [shot.family for shot in plan("test", 4, ["swap", "reenactment"])]
    ['', 'swap', '', 'reenactment']
    """
    identities = max(2, round(count / SHOTS_PER_IDENTITY[split]))  # two, since a swap needs a donor
    shots = []
    for index in range(count):
        turn, identity = divmod(index // 2, identities)
        family = families[(turn + identity) % len(families)] if index % 2 else ""
        donor = (identity + 1 + turn % (identities - 1)) % identities
        shots.append(Shot(split, index, identity, donor, family))
    return shots


def generator(seed: int, split: str, stream: int, index: int) -> np.random.Generator:
    """The random numbers of one purpose (`stream`) for one shot or identity."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), stream, index)))


def take(job: Callable[[Shot], None], shots: list[Shot], suffix: str, unit: str, workers: int | None) -> pd.DataFrame:
    """Do `job` for each shot, in `workers` processes (by default one per processor), and return the table of shots.

    One row each, sorted by path: path (the shot's name and `suffix`), label, group, split, family.
    """
    workers = workers or os.cpu_count() or 1
    progress = partial(tqdm, total=len(shots), desc="drawing faces", unit=unit, disable=None)
    if workers == 1:
        list(progress(map(job, shots)))
    else:
        # Threads of the parent, such as torch's, do not survive a fork; a spawned process starts clean.
        with ProcessPoolExecutor(workers, get_context("spawn"), partial(_end_with, os.getpid())) as pool:
            list(progress(pool.map(job, shots, chunksize=16)))
    rows = [(s.name + suffix, int(bool(s.family)), f"{s.split}-{s.identity:04d}", s.split, s.family) for s in shots]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split", "family"])
    return table.sort_values("path", ignore_index=True)


def _end_with(parent: int) -> None:
    """Let the system end this process when `parent` ends, which otherwise would leave it waiting for work (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before
            os._exit(1)


def check(size: int, counts: dict[str, int], seed: int, strength: float, unit: str) -> None:
    """Raise InputError unless faces can be drawn with these; `unit` is what is counted, images or clips."""
    if not whole(size) or size < SMALLEST:
        raise InputError(f"size is {size!r}; a face needs at least {SMALLEST} pixels; give a larger size")
    if not isinstance(counts, dict) or not counts:
        raise InputError(f"{unit} is {counts!r}; give a count for at least one of {', '.join(SPLITS)}")
    for split, count in counts.items():
        if split not in SPLITS:
            raise unknown(unit, split, SPLITS)
        if not whole(count) or count < 1:
            raise InputError(f"{unit}.{split} is {count!r}; a count is at least 1; leave a split out to have none")
    if not whole(seed) or seed < 0:
        raise InputError(f"seed is {seed!r}; a seed is a whole number, 0 or more; give another")
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 < strength <= 1:
        raise InputError(f"strength is {strength!r}; it lies above 0 and up to 1; give one in that range")


def whole(value: object) -> bool:
    """Whether `value` is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)
