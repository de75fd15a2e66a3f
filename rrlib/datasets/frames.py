"""Frames of clips as images: each a PNG file, so that an image detector reads them without a seek into a video."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rrlib import files
from rrlib.datasets import clips
from rrlib.errors import InputError


def write(folder: Path, frames: Iterable[np.ndarray]) -> None:
    """Write frames, uint8 (H, W, 3), as `folder`/000.png, 001.png, …; the same pixels give the same bytes.

    If a frame cannot be had, those before it are taken away and the error goes on.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder), np.zeros((2, 4, 5, 3), np.uint8))
    ...     sorted(os.listdir(folder))
    ['000.png', '001.png']
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    try:
        for number, pixels in enumerate(frames):
            path = folder / f"{number:03}.png"
            written += [path.with_suffix(".part"), path]
            with files.writing(path):
                Image.fromarray(pixels).save(path.with_suffix(".part"), "PNG")
                os.replace(path.with_suffix(".part"), path)
    except (InputError, OSError):
        for path in written:
            path.unlink(missing_ok=True)
        raise


def rows(folder: Path, frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """One row per frame of a prepared data set from one per clip, whose `count` frames lie in `folder`/sample.

    Columns as in `frame`; sample: that of the clip, a slash and the frame's number; path: from `folder`; sha256: that
    of the clip's frames together, since a single frame, a black one say, may well be alike in two videos.
    """
    hashed = frame.assign(sha256=[clips.sha256(folder / sample) for sample in frame["sample"]])
    result = hashed.loc[hashed.index.repeat(count)].reset_index(drop=True)
    result["sample"] += [f"/{number:03}" for number in range(count)] * len(frame)
    return result.assign(path=result["sample"] + ".png")
