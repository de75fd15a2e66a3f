"""Clips: videos and folders of frames as arrays, and those of one split as a torch data set."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from rrlib.datasets import found, images, video
from rrlib.errors import InputError


def stream(path: Path, frames: int, stride: int | None = None, examine: bool = False) -> Iterator[np.ndarray]:
    """T = `frames` frames of a clip, one after the other: uint8 (H, W, 3), RGB in [0, 255].

    A file is a video, read by `video.stream`. A folder is a clip whose frames are its JPEG or PNG files in the natural
    order of their names (2.png before 10.png, hidden files passed over): frames floor((i + ½) n / T) of n or, with
    `stride`, a window in the middle. They may differ in size, as crops of a moving face do. `examine` looks for damage
    beyond what decoding meets (see `video.stream` and `images.examine`).

    Raises InputError as `video.stream` and `images.decode` do, and for a folder with another file among its frames.
    """
    path = Path(path)
    if not path.is_dir():
        yield from video.stream(path, frames, stride, examine)
        return
    names = frame_names(path)
    strange = [name for name in names if not found.is_picture(name)]
    if strange:
        raise InputError(f"{path}: found {strange[0]} among the frames, which must be JPEG or PNG files; take it out")
    count, needed = len(names), frames if stride is None else (frames - 1) * stride + 1
    if count < max(2, needed):
        raise InputError(
            f"{path}: found {count or 'no'} frame{'s' * (count != 1)}, but a clip of {frames} frames"
            f"{f' at stride {stride}' if stride else ''} needs {max(2, needed)}; ask for less or take it out"
        )
    first = (count - needed) // 2
    for part in range(frames):
        number = (2 * part + 1) * count // (2 * frames) if stride is None else first + part * stride
        yield (images.examine if examine else images.decode)(path / names[number])


def size(path: Path) -> tuple[int, int]:
    """Width and height of a video, or of the first frame in a folder, as its header has them, in pixels."""
    path = Path(path)
    if not path.is_dir():
        return video.size(path)
    return next((images.size(path / name) for name in frame_names(path)), (0, 0))


def frame_names(folder: Path) -> list[str]:
    """The names in a folder of frames in natural order, without hidden ones and what lies beside a frame of its name.

    >>> sorted(["10.png", "2.png", "b1.png"], key=_natural)
    ['2.png', '10.png', 'b1.png']
    """
    return sorted(found.frame_names(folder), key=_natural)


def sha256(path: Path) -> str:
    """The SHA-256 of a file or, of a folder of frames, that of a list of its names, each with its file's."""
    if path.is_dir():
        listing = "".join(f"{sha256(path / name)}  {name}\n" for name in frame_names(path))
        return hashlib.sha256(listing.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ClipSet(Dataset):
    """The clips that the rows of a manifest name, read from disk one at a time.

    Item `i` is `(clip, label, i)`: float32 (T, 3, S, S) in [0, 1] with T = `frames` and S = `input_size`, 0 real or 1
    fake, and the row of `table` (columns sample, group, label) that says which sample it is. Every frame is resized by
    itself, so that clips of any size make one batch. A clip that cannot be used raises InputError when it is asked for.

    frame: the rows, with columns sample, path, label, group; root: the folder that the paths start from; keep: hold
    what was decoded as bytes, up to `images.MOST_KEPT` of them; frames, stride: as `stream` takes them.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        root: Path,
        input_size: int,
        keep: bool = False,
        *,
        frames: int,
        stride: int | None = None,
    ):
        self.table = frame[["sample", "group", "label"]].reset_index(drop=True)
        self.input_size = input_size
        self.frames = frames
        self._stride = stride
        self._paths = [Path(root, path) for path in frame["path"]]
        self._labels = [int(label) for label in frame["label"]]
        self._kept: dict[int, np.ndarray] = {}
        self._most_kept = images.MOST_KEPT // (frames * 3 * input_size**2) if keep else 0

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        pixels = self._kept.get(index)
        if pixels is None:
            whole = stream(self._paths[index], self.frames, self._stride)
            pixels = np.stack([images.resize(one, self.input_size) for one in whole])
            if len(self._kept) < self._most_kept:
                self._kept[index] = pixels
        clip = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(torch.float32).div(255)
        return clip, self._labels[index], index


def _natural(name: str) -> list[tuple[int, str]]:
    # text and numbers take turns; the name itself tells 1.png and 01.png apart
    parts = enumerate(re.split(r"([0-9]+)", name))
    return [*((int(part), "") if number % 2 else (0, part) for number, part in parts), (0, name)]
