"""Facts about video files: what is written is read back, in order, and what cannot be used is named."""

import re
from pathlib import Path

import numpy as np
import pytest

from rrlib.datasets.video import encode
from rrlib.errors import InputError


def noise(count: int = 9, height: int = 33, width: int = 47) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_encoding_twice_gives_the_same_bytes(tmp_path, name):
    encode(tmp_path / name, noise())
    first = (tmp_path / name).read_bytes()
    encode(tmp_path / name, noise())
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"clip\.avi would be a video of an unknown kind; end its name in \.mp4 or \.mkv"
    ):
        encode(tmp_path / "clip.avi", noise())


@pytest.mark.parametrize("frames", [noise().astype(np.float32), noise()[0], noise()[:0], noise()[..., :1]])
def test_frames_of_another_kind_are_refused(tmp_path, frames):
    shape = re.escape(str(frames.shape))
    with pytest.raises(InputError, match=rf"frames are {frames.dtype} {shape}; give uint8 \(T, H, W, 3\)"):
        encode(tmp_path / "clip.mp4", frames)
    assert list(Path(tmp_path).iterdir()) == []
