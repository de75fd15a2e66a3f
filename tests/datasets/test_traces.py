"""What files alone tell: written down when a data set is prepared, for the images of others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib import datasets
from rrlib.analysis import shortcuts
from rrlib.datasets import manifest, traces


def draw(folder: Path, quality: dict[str, int], suffix: str = ".jpg", videos: int = 30) -> Path:
    """Two noisy frames of each video and class, named VIDEO_FRAME; quality: of a JPEG, by class."""
    rng = np.random.default_rng(0)
    for name, at in quality.items():
        (folder / name).mkdir(parents=True)
        for video in range(videos):
            for frame in range(2):
                pixels = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{video:03}_{frame}{suffix}", quality=at)
    return folder


def prepared(source: Path, target: Path):
    datasets.prepare("faces", {"kind": "folder", "source": str(source), "seed": 0}, target)
    return traces.read(target)


def test_a_quantisation_table_for_each_class_gives_the_label_away(tmp_path):
    found = prepared(draw(tmp_path / "faces", {"real": 90, "fake": 75}), tmp_path / "out")
    told = shortcuts.shortcuts(found, traces.TRACES).set_index("trace")
    tables = told.loc["the JPEG quantisation tables"]
    assert tables["auc"] == 1
    assert tables["tells"]
    assert not told.loc[["the file format", "the width", "the mean of red", "the contrast"], "tells"].any()
    assert shortcuts.said(told.reset_index()).startswith("Without a look at the faces, the JPEG quantisation tables of")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_files_that_are_written_alike_tell_nothing(tmp_path, suffix):
    found = prepared(draw(tmp_path / "faces", {"real": 90, "fake": 90}, suffix), tmp_path / "out")
    told = shortcuts.shortcuts(found, traces.TRACES)
    assert not told["tells"].any()
    assert shortcuts.said(told).startswith("Nothing that was looked at in the files alone tells real from fake")


def test_the_traces_are_those_of_the_file(tmp_path):
    found = prepared(draw(tmp_path / "faces", {"real": 90, "fake": 90}), tmp_path / "out")
    rows = manifest.read(tmp_path / "out")
    assert list(found["sample"]) == sorted(rows["sample"])
    path = tmp_path / "faces/fake/000_0.jpg"
    row = found.set_index("sample").loc["fake/000_0"]
    assert (row["format"], row["mode"], row["width"], row["height"], row["group"]) == ("JPEG", "RGB", 20, 16, "000")
    assert row["bytes_per_pixel"] == pytest.approx(path.stat().st_size / 320, rel=1e-5)
    assert row["green"] == pytest.approx(np.asarray(Image.open(path))[..., 1].mean() / 255, abs=0.02)


def test_of_many_images_whole_groups_are_taken(tmp_path):
    rows = prepared(draw(tmp_path / "faces", {"real": 90, "fake": 90}), tmp_path / "out")
    few = traces.some(rows, 40)
    assert 20 <= len(few) <= 40
    assert (few.groupby("group").size() == 4).all()
    assert len(traces.some(rows, 1)) == 4


def test_drawn_images_and_clips_have_none(tmp_path):
    assert traces.read(tmp_path) is None
