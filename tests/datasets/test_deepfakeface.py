"""Facts about DeepFakeFace: labels, groups and splits of its four folders, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib.datasets import catalogue, deepfakeface, manifest
from rrlib.errors import InputError

FOLDERS = ("wiki", "inpainting", "insight", "text2img")


@pytest.fixture
def source(tmp_path) -> Path:
    """Twelve people in each folder, one of them named as another but in another folder of a hundred."""
    rng = np.random.default_rng(0)
    for name in FOLDERS:
        for number in range(12):
            path = tmp_path / "faces" / name / f"{number % 2:02}" / f"{number // 2}_1950.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(path)
    return tmp_path / "faces"


def test_wiki_is_real_and_the_others_are_fake_by_their_name(source):
    frame = deepfakeface.read(source, seed=0)
    assert len(frame) == 48
    top = frame["path"].str.split("/").str[0]
    assert (frame["label"] == (top != "wiki")).all()
    assert frame["family"].tolist() == ["" if name == "wiki" else name for name in top]
    assert frame.loc[0, ["sample", "path"]].tolist() == ["inpainting/00/0_1950", "inpainting/00/0_1950.jpg"]


def test_the_same_path_is_the_same_person_in_one_split(source):
    frame = deepfakeface.read(source, seed=0)
    people = frame.groupby("group")
    assert len(people) == 12
    assert (people.size() == 4).all()
    assert (people["split"].nunique() == 1).all()
    assert set(frame["split"]) == set(manifest.SPLITS)
    assert frame.equals(deepfakeface.read(source, seed=0))


def test_it_is_a_layout_of_the_kind_folder(source, tmp_path):
    entry = {"kind": "folder", "source": str(source), "seed": 0, "layout": "deepfakeface"}
    catalogue.prepare("faces", entry, tmp_path / "prepared")
    images = catalogue.load(tmp_path / "prepared", "test", 8)
    assert len(images) == len(manifest.read(tmp_path / "prepared").query("split == 'test'"))
    message = r"^params\.yaml: datasets\.faces\.layout\.other is not known; choose from deepfakeface$"
    with pytest.raises(InputError, match=message):
        catalogue.definition("params.yaml: datasets.faces", entry | {"layout": "other"})


def test_a_folder_that_is_missing_is_named(source):
    (source / "insight").rename(source / "elsewhere")
    with pytest.raises(InputError) as caught:
        deepfakeface.read(source, seed=0)
    expected = "holds no image; give the folder of DeepFakeFace, with wiki, inpainting, insight, text2img"
    assert str(caught.value) == f"{source / 'insight'} {expected}"
