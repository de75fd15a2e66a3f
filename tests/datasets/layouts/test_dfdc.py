"""Facts about DFDC: the original is the group of a part's videos, the actor that of the preview's."""

import json
import shutil
from pathlib import Path

import pytest
from published import clip, prepare, refusal, rows, write_json

from rrlib.datasets import catalogue


def part(folder: Path, originals: list[str]) -> Path:
    """Of each original, the real video and two fakes; every video has its entry in metadata.json."""
    metadata = {}
    for original in originals:
        metadata[f"{original}.mp4"] = {"label": "REAL", "split": "train", "original": None}
        for fake in "xy":
            metadata[f"{fake}{original}.mp4"] = {"label": "FAKE", "split": "train", "original": f"{original}.mp4"}
    for name in metadata:
        clip(folder / name.removesuffix(".mp4"))
    write_json(folder / "metadata.json", metadata)
    return folder


def preview(root: Path) -> Path:
    """Ten actors for training, each filmed once and swapped once, and two for testing."""
    listing = {}
    for actor in range(12):
        kind, other = "test" if actor >= 10 else "train", (actor + 1) % 12
        named = {"set": kind, "target_id": 1000 + actor, "augmentations": []}
        listing[f"original_videos/{actor}/{actor}_A_001.mp4"] = {"label": "real", "swapped_id": None, **named}
        method = "method_A" if actor % 2 else "method_B"
        fake = f"{method}/{actor}/{actor}_A/{other}_{actor}_A_001.mp4"
        listing[fake] = {"label": "fake", "swapped_id": 1000 + other, **named}
    for name in listing:
        clip((root / name).with_suffix(""))
    write_json(root / "dataset.json", listing)
    return root


def entries(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("distributed") / "dfdc"
    for number in range(4):
        part(root / f"dfdc_train_part_{number:02}", [f"{letter}{number}" for letter in "abc"])
    return root


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return preview(tmp_path_factory.mktemp("distributed") / "preview")


@pytest.fixture
def source(tree, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(tree, tmp_path / "dfdc"))


def test_the_original_is_the_group(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "dfdc"), tree)
    assert len(found) == 4 * 9
    for path, (label, group, split, family) in found.items():
        name = Path(path).stem
        assert (label, group, family) == (int(len(name) == 3), name[-2:], "")
        assert split == found[f"{Path(path).parent}/{group}.mp4"][2]


def test_a_part_goes_into_one_split_as_a_whole(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "dfdc"), tree)
    splits = {number: {row[2] for path, row in found.items() if f"part_0{number}" in path} for number in range(4)}
    assert all(len(held) == 1 for held in splits.values())
    assert set.union(*splits.values()) == {"train", "validation", "test"}


def test_one_part_alone_is_dealt_out_by_original(tree, tmp_path):
    found = rows(prepare(tree / "dfdc_train_part_00", tmp_path / "out", "dfdc"), tree / "dfdc_train_part_00")
    assert {found[f"{letter}0.mp4"][2] for letter in "abc"} == {"train", "validation", "test"}
    assert all(found[f"{fake}a0.mp4"][2] == found["a0.mp4"][2] for fake in "xy")


def test_a_fake_whose_original_is_in_another_part_goes_with_it(source, tmp_path):
    for number in (1, 2, 3):
        listing = source / f"dfdc_train_part_0{number}/metadata.json"
        write_json(listing, entries(listing) | {f"moved{number}.mp4": {"label": "FAKE", "original": "a0.mp4"}})
        clip(listing.parent / f"moved{number}")
    found = rows(prepare(source, tmp_path / "out", "dfdc"), source)
    held = {row[2] for row in found.values() if row[1] == "a0"}
    assert held == {found["dfdc_train_part_00/a0.mp4"][2]}


def test_a_video_without_an_entry_is_not_read(source, tmp_path):
    clip(source / "dfdc_train_part_00/strange")
    assert len(rows(prepare(source, tmp_path / "out", "dfdc"), source)) == 4 * 9


def test_a_listed_video_that_is_absent_is_named_or_listed(source, tmp_path):
    (source / "dfdc_train_part_01/xb1.mp4").unlink()
    message = f"{source} lacks 1 of 36 videos, the first is dfdc_train_part_01/xb1.mp4; complete the data set, "
    assert refusal(source, "dfdc").startswith(message)
    assert len(rows(prepare(source, tmp_path / "out", "dfdc", on_error="skip"), source)) == 35
    expected = [{"path": "dfdc_train_part_01/xb1.mp4", "reason": "is listed, but absent"}]
    assert catalogue.clip_report(tmp_path / "out")["skipped"] == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"label": "fake"}, "a0.mp4 has the label 'fake'; it is REAL or FAKE, correct it"),
        ({"split": "train"}, "a0.mp4 has the label None; it is REAL or FAKE, correct it"),
        ({"label": "FAKE", "original": None}, "the fake a0.mp4 names no original; fetch the file again"),
        ({"label": "FAKE"}, "the fake a0.mp4 names no original; fetch the file again"),
    ],
)
def test_an_entry_that_is_not_as_it_should_be_is_named(source, entry, message):
    listing = source / "dfdc_train_part_02/metadata.json"
    write_json(listing, entries(listing) | {"a0.mp4": entry})
    assert refusal(source, "dfdc") == f"{listing}: {message}"


@pytest.mark.parametrize("name", ["/tmp/a.mp4", "../a.mp4", "a.txt"])
def test_an_entry_that_is_no_video_of_the_data_set_is_named(source, name):
    listing = source / "dfdc_train_part_02/metadata.json"
    write_json(listing, {name: {"label": "REAL"}})
    message = f"{listing} lists {name!r}, but a video is an .mp4 in the data set; correct it"
    assert refusal(source, "dfdc") == message


def test_damaged_and_absent_metadata_are_named(source):
    listing = source / "dfdc_train_part_03/metadata.json"
    listing.write_text(listing.read_text()[:-1])
    assert refusal(source, "dfdc").startswith(f"{listing} is damaged JSON (Expecting ")
    write_json(listing, ["a.mp4"])
    assert refusal(source, "dfdc") == f"{listing} does not list videos, each with its label; fetch it again"
    listing.unlink()
    message = f"{listing} cannot be read (No such file or directory); complete the data set"
    assert refusal(source, "dfdc") == message


def test_parts_that_are_not_unpacked_are_named(tmp_path):
    (tmp_path / "dfdc").mkdir()
    (tmp_path / "dfdc/dfdc_train_part_00.zip").touch()
    message = f"{tmp_path / 'dfdc'} has no unpacked part; unpack dfdc_train_part_*, each with its metadata.json"
    assert refusal(tmp_path / "dfdc", "dfdc") == message


def test_the_previews_test_set_stays_and_validation_is_dealt_out_of_training(small, tmp_path):
    found = rows(prepare(small, tmp_path / "out", "dfdc"), small)
    assert len(found) == 24
    assert {group for _, group, split, _ in found.values() if split == "test"} == {"1010", "1011"}
    groups = {group: split for _, group, split, _ in found.values()}
    assert sorted(groups.values()).count("validation") == 2
    assert found["original_videos/3/3_A_001.mp4"][::3] == (0, "")
    assert found["method_A/3/3_A/4_3_A_001.mp4"] == (1, "1003", groups["1003"], "method_A")


def test_the_previews_training_videos_of_a_test_actor_are_left_out(small, tmp_path):
    source = Path(shutil.copytree(small, tmp_path / "preview"))
    listing = entries(source / "dataset.json")
    extra = "original_videos/11/11_B_001.mp4"
    clip((source / extra).with_suffix(""))
    write_json(source / "dataset.json", listing | {extra: {"label": "real", "set": "train", "target_id": 1011}})
    assert extra not in rows(prepare(source, tmp_path / "out", "dfdc"), source)
    expected = [{"path": extra, "reason": "its group 1011 is in the official test split"}]
    assert catalogue.clip_report(tmp_path / "out")["skipped"] == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"label": "FAKE"}, "has the label 'FAKE'; it is real or fake, correct it"),
        ({"label": "real", "set": "val"}, "has the set 'val'; it is train or test, correct it"),
        ({"label": "real", "set": "test"}, "has the target_id None; it names an actor, fetch the file again"),
    ],
)
def test_an_entry_of_the_preview_that_is_not_as_it_should_be_is_named(tmp_path, entry, message):
    write_json(tmp_path / "preview/dataset.json", {"original_videos/1/1_A_001.mp4": entry})
    expected = f"{tmp_path / 'preview/dataset.json'}: original_videos/1/1_A_001.mp4 {message}"
    assert refusal(tmp_path / "preview", "dfdc") == expected
