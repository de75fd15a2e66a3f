"""Small trees laid out as published data sets are, of real videos; each video is its path's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib.datasets import catalogue, manifest, video
from rrlib.errors import InputError

FOUR = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
LISTS = {
    "train.json": [["071", "054"], ["087", "081"]],
    "val.json": [["720", "672"]],
    "test.json": [["953", "974"]],
}
PAIRS = [pair for pairs in LISTS.values() for pair in pairs]
FRAMES = 4


def noise(path: Path, count: int = 8) -> np.ndarray:
    seed = list("/".join(path.parts[-5:]).encode())
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def clip(path: Path, frames: bool = False) -> None:
    """The video PATH.mp4 or, of its frames, the folder PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not frames:
        video.encode(path.with_name(f"{path.name}.mp4"), noise(path))
        return
    path.mkdir()
    for number, pixels in enumerate(noise(path)):
        Image.fromarray(pixels).save(path / f"{number:03}.png")


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def lists(folder: Path, given: dict[str, list] = LISTS) -> None:
    for name, pairs in given.items():
        write_json(folder / name, pairs)


def faceforensics(
    root: Path, manipulations: tuple[str, ...] = FOUR, compression: str = "c23", frames: bool = False
) -> Path:
    """The videos (or frames) of `LISTS`, without the lists."""
    inside = f"{compression}/{'frames' if frames else 'videos'}"
    for one, other in PAIRS:
        for name in (one, other):
            clip(root / "original_sequences/youtube" / inside / name, frames)
        for folder in manipulations:
            for name in (f"{one}_{other}", f"{other}_{one}"):
                clip(root / "manipulated_sequences" / folder / inside / name, frames)
    return root


def definition(source: Path, layout: str | dict, **options: object) -> dict:
    return {"kind": "clips", "source": str(source), "layout": layout, "seed": 0, "frames": FRAMES, **options}


def prepare(source: Path, to: Path, layout: str | dict, **options: object) -> Path:
    catalogue.prepare("mine", definition(source, layout, **options), to)
    return to


def rows(prepared: Path, source: Path) -> dict[str, tuple[int, str, str, str]]:
    """(label, group, split, family) by the path from the source."""
    frame = manifest.read(prepared)
    paths = [(prepared / path).resolve().relative_to(source.resolve()).as_posix() for path in frame["path"]]
    values = frame[["label", "group", "split", "family"]].itertuples(index=False, name=None)
    return dict(zip(paths, values, strict=True))


def refusal(source: Path, layout: str | dict, **options: object) -> str:
    """The sentence with which a source is refused; nothing may be left that looks prepared."""
    to = source.parent / "refused"
    with pytest.raises(InputError) as caught:
        prepare(source, to, layout, **options)
    assert not (to / "manifest.csv").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)
