"""Facts about layouts: what params.yaml may say of one, and that a folder in another layout is told apart."""

import re
from pathlib import Path

import pytest
from published import definition, refusal

from rrlib.datasets import catalogue, folder, layouts
from rrlib.errors import InputError

WHERE = "params.yaml: video.datasets.mine"
LOOKS = {
    "faceforensics": ("original_sequences/youtube/c23", "original_sequences/"),
    "celeb-df": ("Celeb-real", "Celeb-real/"),
    "dfdc": ("dfdc_train_part_07", "dfdc_train_part_07/"),
}


@pytest.mark.parametrize("layout", ["faceforensics", "celeb-df", "dfdc", {"name": "celeb-df", "clips": "videos"}])
def test_a_layout_is_a_name_or_a_mapping_with_options(layout):
    catalogue.definition(WHERE, definition(Path("anywhere"), layout))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("ffpp", ".layout.ffpp is not known; choose from faceforensics, celeb-df, dfdc"),
        ({"name": ["dfdc"]}, ".layout.['dfdc'] is not known; choose from faceforensics, celeb-df, dfdc"),
        (3, ".layout is 3; write one of faceforensics, celeb-df, dfdc, or {name: …} with its options"),
        (
            {"clips": "videos"},
            ".layout is {'clips': 'videos'}; write one of faceforensics, celeb-df, dfdc, or {name: …} with its options",
        ),
        ({"name": "dfdc", "clips": "videos"}, ".layout has the option clips; dfdc takes none"),
        (
            {"name": "faceforensics", "compresion": "c23"},
            ".layout has the option compresion; faceforensics takes compression, manipulations, clips, splits",
        ),
        (
            {"name": "faceforensics", "compression": "c21"},
            ".layout.compression.c21 is not known; choose from raw, c23, c40",
        ),
        (
            {"name": "faceforensics", "manipulations": "Deepfakes"},
            ".layout.manipulations is 'Deepfakes'; list one or more of Deepfakes, Face2Face, FaceSwap, "
            "NeuralTextures, FaceShifter",
        ),
        (
            {"name": "faceforensics", "manipulations": ["Deepfake"]},
            ".layout.manipulations.Deepfake is not known; choose from Deepfakes, Face2Face, FaceSwap, "
            "NeuralTextures, FaceShifter",
        ),
        (
            {"name": "faceforensics", "manipulations": ["FaceSwap", "FaceSwap"]},
            ".layout.manipulations lists FaceSwap twice; list it once",
        ),
        ({"name": "celeb-df", "clips": "video"}, ".layout.clips.video is not known; choose from frames, videos"),
        (
            {"name": "faceforensics", "splits": 3},
            ".layout.splits is 3; give the folder of train.json, val.json, test.json",
        ),
    ],
)
def test_a_layout_that_is_not_understood_is_refused_early(layout, message):
    with pytest.raises(InputError, match=f"^{re.escape(WHERE + message)}$"):
        catalogue.definition(WHERE, definition(Path("anywhere"), layout))


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("layout", LOOKS)
def test_a_folder_in_another_layout_is_told_apart(tmp_path, looks, layout):
    place, mark = LOOKS[looks]
    (tmp_path / "data" / place).mkdir(parents=True)
    message = f"{tmp_path / 'data'} looks like {looks} (found {mark}), not {layout}; write layout: {looks}"
    assert (refusal(tmp_path / "data", layout) == message) is (looks != layout)


@pytest.mark.parametrize("looks", LOOKS)
def test_without_a_layout_the_one_that_a_folder_looks_like_is_named(tmp_path, looks):
    place, mark = LOOKS[looks]
    (tmp_path / "data" / place).mkdir(parents=True)
    plain = {key: value for key, value in definition(tmp_path / "data", looks).items() if key != "layout"}
    message = (
        f"{tmp_path / 'data'} looks like {looks} (found {mark}), not a folder with real/ and fake/; "
        f"write layout: {looks}"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        catalogue.prepare("mine", plain, tmp_path / "out")


@pytest.mark.parametrize("own", ["real", "fake", "manifest.csv"])
def test_a_folder_with_a_class_or_a_manifest_is_taken_for_what_it_is(tmp_path, own):
    (tmp_path / "Celeb-real").mkdir()
    (tmp_path / own).mkdir()
    layouts.refuse(tmp_path)


def test_what_is_not_there_is_left_to_others(tmp_path):
    layouts.refuse(tmp_path / "gone")
    (tmp_path / "list.csv").touch()
    layouts.refuse(tmp_path / "list.csv")


def test_a_folder_that_looks_like_nothing_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    message = (
        f"{tmp_path / 'data'} is not laid out as dfdc, which has one of dataset.json, metadata.json, "
        "dfdc_train_part_*; correct source or layout"
    )
    assert refusal(tmp_path / "data", "dfdc") == message


def test_a_source_that_is_no_folder_is_refused(tmp_path):
    message = f"{tmp_path / 'gone'} does not exist; give the folder of celeb-df as it was distributed"
    assert refusal(tmp_path / "gone", "celeb-df") == message
    (tmp_path / "list.csv").touch()
    message = f"{tmp_path / 'list.csv'} is no folder; give the folder of celeb-df as it was distributed"
    assert refusal(tmp_path / "list.csv", "celeb-df") == message


def test_every_layout_takes_the_name_that_its_own_check_takes():
    samples = folder.of_clips(lambda sample, path: None)
    for name in layouts.LAYOUTS:
        layouts.check(WHERE, {"name": name})
        with pytest.raises(InputError, match="does not exist"):
            layouts.read(Path("gone"), {"name": name}, 0, samples)
