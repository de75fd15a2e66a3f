"""Facts about a user's own images: read from folders or a CSV file, prepared and loaded through the catalogue."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib import files
from rrlib.datasets import catalogue, folder, manifest
from rrlib.datasets.left_out import LeftOut
from rrlib.errors import InputError


def save(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([value, *str(path.name).encode()]).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def faces(tmp_path) -> Path:
    """Eight real and eight fake images, in real/ and fake/ themselves."""
    for number in range(8):
        save(tmp_path / "faces" / "real" / f"{number}.png", 0)
        save(tmp_path / "faces" / "fake" / f"forged{number}.png", 1)
    return tmp_path / "faces"


@pytest.fixture
def listed(tmp_path) -> Path:
    """Three real and three fake images beside a CSV file that names paths and labels only."""
    for number in range(6):
        save(tmp_path / "listed" / f"{number}.png")
    write_csv(tmp_path / "listed", "path,label", *(f"{number}.png,{number % 2}" for number in range(6)))
    return tmp_path / "listed"


def write_csv(source: Path, *lines: str) -> None:
    (source / "manifest.csv").write_text("\n".join(lines) + "\n")


def refusal(source: Path) -> str:
    with pytest.raises(InputError) as caught:
        folder.read(source, seed=0)
    return str(caught.value)


def test_an_image_straight_in_real_or_fake_is_a_group_of_its_own(faces):
    frame = folder.read(faces, seed=0)
    assert frame["path"].tolist() == sorted(
        [f"fake/forged{n}.png" for n in range(8)] + [f"real/{n}.png" for n in range(8)]
    )
    assert frame["label"].tolist() == [1] * 8 + [0] * 8
    assert frame["group"].tolist() == [f"forged{n}" for n in range(8)] + [f"{n}" for n in range(8)]
    assert frame["sample"].tolist() == [path.removesuffix(".png") for path in frame["path"]]
    assert frame.groupby(["split", "label"]).size().min() >= 1


def test_the_group_is_the_folder_that_an_image_lies_in(tmp_path):
    for video in ("007", "008", "009"):
        save(tmp_path / "real" / video / "1.png")
        save(tmp_path / "real" / video / "2.png")
        save(tmp_path / "fake" / "swap" / video / "1.png", 1)
    frame = folder.read(tmp_path, seed=0).set_index("path")
    assert frame.loc["real/007/2.png", "group"] == "007"
    assert frame.loc["fake/swap/007/1.png", "split"] == frame.loc["real/007/1.png", "split"]


def test_the_split_depends_on_the_seed_and_on_nothing_else(faces):
    first, again, other = (folder.read(faces, seed)["split"].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_hidden_files_are_passed_over(faces):
    (faces / "real" / ".DS_Store").write_text("not an image")
    assert len(folder.read(faces, seed=0)) == 16


def test_without_groups_each_listed_image_is_its_own(listed):
    frame = folder.read(listed, seed=0)
    assert frame["group"].tolist() == ["0", "1", "2", "3", "4", "5"]
    assert frame.groupby("split")["label"].nunique().to_dict() == {"test": 2, "train": 2, "validation": 2}


def test_a_csv_file_gives_groups_and_splits(listed):
    rows = [f"./{n}.png,{n % 2},00{n},test" for n in range(6)]
    (listed / "mine.csv").write_text("\n".join(["path,label,group,split", *rows]))
    frame = folder.read(listed / "mine.csv", seed=0)
    assert frame["path"].tolist() == [f"{n}.png" for n in range(6)]
    assert frame["group"].tolist() == [f"00{n}" for n in range(6)]
    assert set(frame["split"]) == {"test"}


def test_a_source_that_is_not_there_is_named(tmp_path):
    assert refusal(tmp_path / "gone").startswith(
        f"{tmp_path / 'gone'} does not exist; give a folder with real/ and fake/"
    )


def test_a_file_that_is_no_csv_file_is_refused(faces):
    assert "is a file but no CSV file" in refusal(faces / "real" / "0.png")


def test_an_empty_folder_is_refused(tmp_path):
    assert refusal(tmp_path).startswith(f"{tmp_path} is empty; ")


def test_one_class_alone_is_refused(tmp_path):
    save(tmp_path / "fake" / "0.png")
    assert refusal(tmp_path).startswith(f"{tmp_path} has no real/ beside the other class; ")


def test_another_layout_is_refused_with_what_was_found(tmp_path):
    for name in ("original", "Deepfakes"):
        (tmp_path / name).mkdir()
    assert f"{tmp_path} has neither real/ nor fake/, found the sub-folders Deepfakes/, original/; " in refusal(tmp_path)


def test_an_empty_class_is_refused(faces):
    for path in (faces / "fake").iterdir():
        path.unlink()
    assert refusal(faces).startswith(f"{faces / 'fake'} holds no image; ")


def test_one_bad_file_is_named_with_what_was_found(faces):
    (faces / "real" / "notes.txt").write_text("not an image")
    assert refusal(faces).startswith(f"{faces / 'real' / 'notes.txt'}: found neither a JPEG nor a PNG file, but ")


def test_many_bad_files_are_counted_and_the_first_are_named(faces):
    for number in range(5):
        (faces / "real" / f"{number}.png").write_bytes(b"\xff\xd8\xff")
    message = refusal(faces)
    assert message.startswith(
        f"{faces}: 5 of 16 images cannot be used, among them (1) {faces / 'real' / '0.png'}: found"
    )
    assert message.count("truncated or damaged JPEG") == 3


def test_too_few_images_to_split_are_refused_by_the_name_of_the_source(faces):
    for number in range(2, 8):
        (faces / "fake" / f"forged{number}.png").unlink()
    assert refusal(faces).startswith(f"{faces}: the fake images fall into 2 groups, but train, validation, test need")


def test_two_images_of_one_name_are_refused(faces):
    save(faces / "real" / "0.jpg")
    message = f"{faces}: the sample real/0 occurs more than once (real/0.jpg, real/0.png)"
    assert refusal(faces).startswith(message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.png,0", "row 2 has the path gone.png, but there is no such file; correct it"),
        ("../0.png,0", "row 2 has the path ../0.png, which leaves {source}; list images in it"),
        ("/0.png,0", "row 2 has the path /0.png, which leaves {source}; list images in it"),
        ("0.png,real", "row 2 has the label 'real'; a label is 0 (real) or 1 (fake), correct it"),
    ],
)
def test_a_bad_row_of_a_csv_file_is_named(listed, row, message):
    write_csv(listed, "path,label", row)
    assert refusal(listed) == f"{listed / 'manifest.csv'}: {message.format(source=listed)}"


@pytest.mark.parametrize("header", ["path,label,gruop", "path,group", "path,label,label"])
def test_columns_that_are_unknown_missing_or_double_are_refused(listed, header):
    write_csv(listed, header, ",".join("0" * len(header.split(","))))
    assert refusal(listed).startswith(f"{listed / 'manifest.csv'} has the columns {header.replace(',', ', ')}; ")


def prepare(source: Path, to: Path) -> bytes:
    catalogue.prepare("mine", {"kind": "folder", "source": str(source), "seed": 0}, to)
    return (to / "manifest.csv").read_bytes()


def test_prepared_paths_lead_from_the_manifest_to_the_images(faces, tmp_path):
    prepare(faces, tmp_path / "outputs" / "mine")
    frame = manifest.read(tmp_path / "outputs" / "mine")
    assert frame["path"][0] == "../../faces/fake/forged0.png"
    assert frame["sample"][0] == "fake/forged0"


def test_the_manifest_is_the_same_wherever_the_project_lies(faces, tmp_path, monkeypatch):
    here = prepare(faces, tmp_path / "outputs" / "mine")
    moved = tmp_path / "moved"
    moved.mkdir()
    os.rename(faces, moved / "faces")
    monkeypatch.chdir(moved)
    assert prepare(Path("faces"), Path("outputs/mine")) == here


def test_the_images_are_found_when_the_output_folder_is_a_link(faces, tmp_path):
    (tmp_path / "disk" / "deep" / "down").mkdir(parents=True)
    (tmp_path / "outputs").symlink_to(tmp_path / "disk" / "deep" / "down")
    prepare(faces, tmp_path / "outputs")
    assert catalogue.load(tmp_path / "outputs", "train", 8)[0][0].shape == (3, 8, 8)


def test_a_prepared_split_is_loaded_image_by_image(faces, tmp_path):
    prepare(faces, tmp_path / "mine")
    frame = manifest.read(tmp_path / "mine").query("split == 'test'")
    images = catalogue.load(tmp_path / "mine", "test", 8)
    assert images.table["sample"].tolist() == frame["sample"].tolist()
    assert [label for _, label, _ in images] == frame["label"].tolist()


def test_a_prepared_data_set_can_be_a_source(listed):
    frame = folder.read(listed, seed=0)
    manifest.write(listed, frame.assign(sha256=frame["sample"]))
    assert folder.read(listed, seed=1).equals(frame)


def test_a_source_is_not_prepared_over_its_own_files(listed):
    before = (listed / "manifest.csv").read_bytes()
    with pytest.raises(InputError, match=re.escape(f"{listed} would be prepared in its own folder")):
        prepare(listed, listed)
    assert (listed / "manifest.csv").read_bytes() == before


def test_a_changed_image_changes_the_manifest(faces, tmp_path):
    before = prepare(faces, tmp_path / "mine")
    save(faces / "real" / "0.png", value=9)
    after = prepare(faces, tmp_path / "mine")
    different = [
        i for i, rows in enumerate(zip(before.splitlines(), after.splitlines(), strict=True)) if len(set(rows)) > 1
    ]
    assert len(different) == 1


def test_a_copy_of_one_image_in_two_splits_is_refused(faces, tmp_path):
    frame = folder.read(faces, seed=0).query("label == 0").drop_duplicates("split")
    one, other = (faces / path for path in frame["path"][:2])
    other.write_bytes(one.read_bytes())
    with pytest.raises(InputError, match=r"the sha256 [0-9a-f]{64} is in two splits, .*keep one copy"):
        prepare(faces, tmp_path / "mine")


def test_no_manifest_is_left_when_the_images_have_become_unusable(faces, tmp_path):
    prepare(faces, tmp_path / "mine")
    (faces / "real" / "0.png").write_bytes(b"")
    with pytest.raises(InputError):
        prepare(faces, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [files.MARK]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            {"kind": "fodler", "source": "x", "seed": 0},
            "params.yaml: datasets.mine.kind.fodler is not known; "
            "choose from synthetic, folder, clips, frames, synthetic-clips",
        ),
        (
            {"kind": "folder", "source": "x", "sede": 0},
            "params.yaml: datasets.mine has the options sede, source; "
            "the kind folder takes fold, group, layout, on_error, seed, source, train",
        ),
        (
            {"kind": "synthetic"},
            "params.yaml: datasets.mine has the options none; "
            "the kind synthetic takes images, seed, size, source, strength",
        ),
    ],
)
def test_a_definition_that_is_not_understood_is_refused(tmp_path, definition, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        catalogue.prepare("mine", definition, tmp_path)


def test_a_split_that_is_not_known_or_not_there_is_refused(listed):
    write_csv(listed, "path,label,group,split", *(f"{n}.png,{n % 2},g{n},test" for n in range(6)))
    prepare(listed, listed.parent / "mine")
    with pytest.raises(InputError, match=r"split\.tset is not known; choose from train, validation, test"):
        catalogue.load(listed.parent / "mine", "tset", 8)
    with pytest.raises(InputError, match=r"mine has no train images; it has test"):
        catalogue.load(listed.parent / "mine", "train", 8)


def test_drawn_faces_are_prepared_and_loaded_in_the_same_way(tmp_path):
    images = {"train": 16, "validation": 16, "test": 16}
    definition = {"kind": "synthetic", "source": "rrlib", "size": 32, "images": images, "strength": 1.0, "seed": 0}
    catalogue.prepare("drawn", definition, tmp_path)
    test = catalogue.load(tmp_path, "test", 32)
    assert len(test) == 16
    assert set(test.table["label"]) == {0, 1}
    assert {tuple(image.shape) for image, _, _ in test} == {(3, 32, 32)}


def test_real_faces_are_split_evenly(real, tmp_path):
    prepare(real / "faces", tmp_path)
    counts = manifest.read(tmp_path).groupby(["split", "label"]).size().unstack()
    assert counts.loc[["train", "validation", "test"]].to_numpy().tolist() == [[120, 120], [30, 30], [50, 50]]


def numbered(faces: Path, *places: str, videos: int = 8) -> Path:
    """Two images of each of some videos in each place, named VIDEO_FRAME.png; videos are other ones in each split."""
    for number, place in enumerate(places):
        first = 100 * (number // 2)
        for video in range(first, first + videos):
            for frame in range(2):
                target = faces / place / f"{video:03}_{frame:03}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                grey = (video * 31 + frame * 7 + number * 101) % 256
                Image.new("RGB", (8, 8), (grey, video % 256, number)).save(target)
    return faces


@pytest.mark.parametrize("classes", [("real", "fake"), ("0_real", "1_fake")])
def test_without_training_a_test_folder_calibrates_too_and_no_video_is_cut(tmp_path, classes):
    places = [f"{split}/{name}" for split in ("train", "test") for name in classes]
    left_out = LeftOut()
    frame = folder.read(numbered(tmp_path / "faces", *places), 0, left_out=left_out, train=False)
    assert set(frame["split"]) == {"validation", "test"}
    assert frame["path"].str.startswith("test/").all()
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    assert frame["group"].nunique() == 8
    said = " ".join(left_out.report()["notes"])
    assert "32 images of the training split were left out: no detector of this study is trained" in said
    assert "Groups of the test split were dealt out over validation, which calibrates, and test." in said


def test_without_training_a_source_without_splits_is_all_used(tmp_path):
    frame = folder.read(numbered(tmp_path / "faces", "real", "fake"), 0, train=False)
    assert len(frame) == 32
    assert frame.groupby("split")["group"].nunique().to_dict() == {"validation": 3, "test": 5}


@pytest.mark.parametrize(("videos", "validation"), [(40, 15), (41, 20), (44, 20), (60, 22)])
def test_without_training_validation_gets_enough_to_calibrate_if_as_much_is_left(tmp_path, videos, validation):
    frame = folder.read(numbered(tmp_path / "faces", "real", "fake", videos=videos), 0, train=False)
    found = frame.groupby("split")["group"].nunique().to_dict()
    assert found["validation"] == pytest.approx(validation, abs=1)
    assert found["validation"] >= 20 or videos <= 40
    assert sum(found.values()) == videos


def test_what_calibrates_is_what_the_study_asks_for():
    from rrlib.study import validation

    assert folder.CALIBRATES == validation.FEWEST


def test_without_training_a_training_split_alone_is_as_good_as_none(tmp_path):
    frame = folder.read(numbered(tmp_path / "faces", "train/real", "train/fake"), 0, train=False)
    assert (len(frame), set(frame["split"])) == (32, {"validation", "test"})


def test_without_training_splits_for_both_other_purposes_stay_as_they_are(tmp_path):
    places = [f"{split}/{name}" for split in ("train", "validation", "test") for name in ("real", "fake")]
    frame = folder.read(numbered(tmp_path / "faces", *places), 0, train=False)
    assert all(path.startswith(split) for path, split in zip(frame["path"], frame["split"], strict=True))
    assert set(frame["split"]) == {"validation", "test"}


def test_without_training_a_list_without_splits_is_all_used(tmp_path):
    faces = numbered(tmp_path / "faces", "real", "fake")
    rows = [f"{path.relative_to(faces)},{int('fake' in path.parts)},{path.stem[:3]}" for path in faces.rglob("*.png")]
    (faces / "manifest.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    frame = folder.read(faces, 0, train=False)
    assert (len(frame), set(frame["split"])) == (32, {"validation", "test"})
    assert (frame.groupby("group")["split"].nunique() == 1).all()
