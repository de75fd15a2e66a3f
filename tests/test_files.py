"""Files land whole or not at all, and what could not be written is named."""

import importlib
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist

from rrlib import files
from rrlib.datasets import frames, manifest, video
from rrlib.datasets.layouts.files import read_json
from rrlib.datasets.synthetic import plan
from rrlib.detectors import build, checkpoints, hub
from rrlib.errors import InputError
from rrlib.report import figures

write = importlib.import_module("rrlib.datasets.synthetic.write")  # its folder's door has a function of that name
NOISE = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


@contextmanager
def full() -> Iterator[None]:
    """A limit on the size of files stands in for a full disk: writing fails at the same place, after a part of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def drawn(path: Path) -> None:
    shot = plan.Shot("test", 0, 0, 0, "")
    write._write_one(path.parents[1], 64, 0, 0.5, shot)


def manifested(path: Path) -> None:
    rows = [
        {"sample": f"{label}{number}", "path": f"{label}{number}.png", "label": label, "group": f"{label}{number}"}
        for label in (0, 1)
        for number in range(100)
    ]
    frame = pd.DataFrame(rows).assign(split="test", family="")
    manifest.write(path.parent, frame.assign(sha256=frame["sample"]))


def figure(path: Path) -> None:
    made, ax = plt.subplots()
    ax.plot([0, 1])
    figures.save(made, path)
    plt.close(made)


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: files.write_text(path, "a" * 5000), "notes.txt"),
    "checkpoint": (
        lambda path: checkpoints.save(path, build("resnet", 32, 0), {"architecture": "resnet", "input_size": 32}),
        "resnet.safetensors",
    ),
    "video": (lambda path: video.encode(path, NOISE), "clip.mkv"),
    "frames": (lambda path: frames.write(path.parent, NOISE), "000.png"),
    "drawn image": (drawn, "real/test-00000.png"),
    "manifest": (manifested, "manifest.csv"),
    "figure": (figure, "figure1.svg"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_told_with_the_files_name_and_the_old_file_stays(writer, tmp_path):
    run, name = WRITERS[writer]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if writer != "frames":  # an old set of frames is removed before a new one is written
        path.write_bytes(b"old")
    said = f"{path} cannot be written (File too large); make room there and run again"
    with full(), pytest.raises(InputError, match="^" + re.escape(said) + "$"):
        run(path)
    if writer != "frames":
        assert path.read_bytes() == b"old"
    left = [each.name for each in tmp_path.rglob("*") if each.is_file() and each != path]
    assert left == []


@pytest.mark.parametrize("code", files.FULL)
def test_room_is_advised_where_room_is_lacking(code, tmp_path):
    with pytest.raises(InputError, match=r"; make room there and run again$"), files.writing(tmp_path):
        raise OSError(code, "")


def test_a_parent_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below" / "table.csv"
    said = f"{path} cannot be written (Not a directory); see that this place can be written to and run again"
    with pytest.raises(InputError, match="^" + re.escape(said) + "$"):
        files.write_text(path, "a")


def test_a_failure_that_is_not_the_disks_goes_through_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "figure1.svg"
    path.write_text("old")
    broken, ax = plt.subplots()
    ax.add_artist(Broken())
    with pytest.raises(ZeroDivisionError):
        figures.save(broken, path)
    plt.close(broken)
    assert [each.name for each in tmp_path.iterdir()] == ["figure1.svg"]
    assert path.read_text() == "old"


class Broken(Artist):
    """Something that cannot be drawn."""

    def draw(self, renderer):
        raise ZeroDivisionError


def test_a_device_that_refuses_each_byte_is_told_alike():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    said = "there cannot be written (No space left on device); make room there and run again"
    with pytest.raises(InputError, match="^" + re.escape(said) + "$"), files.writing(Path("there")):
        Path("/dev/full").write_bytes(b"a")


def claims(path: Path, size: int) -> Path:
    """A file of that many bytes that takes none of the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize(
    ("name", "read", "most"),
    [
        ("config.json", lambda path: hub.read_config(path.parent), files.MOST_TEXT),
        ("preprocessor_config.json", lambda path: hub._preprocessing(path.parent, "model", "vit"), files.MOST_TEXT),
        ("metadata.json", read_json, files.MOST_TEXT),
        ("manifest.csv", lambda path: manifest.read(path.parent), manifest.MOST_BYTES),
    ],
)
def test_a_file_of_text_that_is_larger_than_any_is_not_read(name, read, most, tmp_path):
    path = claims(tmp_path / name, 2**42)
    said = f"{path} has {2**42} bytes, where {most} are the most; look at what it holds"
    with pytest.raises(InputError, match="^" + re.escape(said) + "$"):
        read(path)
