"""Facts about data of others: links, names, files beside samples, folders of splits, frames named after videos."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib import datasets, files
from rrlib.datasets import manifest, video
from rrlib.errors import InputError


def png(path: Path) -> None:
    """An image that is its path's own."""
    os.makedirs(path.parent, exist_ok=True)
    pixels = np.random.default_rng(list(os.fsencode(path))).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    with open(os.fsencode(path), "wb") as file:
        Image.fromarray(pixels).save(file, "PNG")


def mp4(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(list(os.fsencode(path))).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    video.encode(path, pixels)


@pytest.fixture
def faces(tmp_path) -> Path:
    """Four identities in each class, one image each."""
    for name in ("real", "fake"):
        for number in range(4):
            png(tmp_path / "faces" / name / f"{name}-{number}" / "a.png")
    return tmp_path / "faces"


@pytest.fixture
def talks(tmp_path) -> Path:
    """Four videos in each class."""
    for name in ("real", "fake"):
        for number in range(4):
            mp4(tmp_path / "talks" / name / f"{name}{number}.mp4")
    return tmp_path / "talks"


def prepared(source: Path, **options: object) -> tuple[list[str], dict]:
    """The samples of a prepared folder of images, and its report."""
    to = source.parent / "out"
    datasets.prepare("mine", datasets.Folder(source=str(source), seed=0, **options), to)
    return manifest.read(to)["sample"].tolist(), datasets.image_report(to)


def prepared_clips(source: Path, **options: object) -> tuple[list[str], dict]:
    to = source.parent / "out"
    datasets.prepare("mine", datasets.Clips(source=str(source), seed=0, frames=2, **options), to)
    return manifest.read(to)["sample"].tolist(), datasets.clip_report(to)


def refusal(prepare: Callable, source: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        prepare(source, **options)
    return str(caught.value)


def test_a_linked_folder_is_followed_and_names_the_group(faces, tmp_path):
    png(tmp_path / "big" / "id-9" / "y.png")
    png(tmp_path / "big" / "id-9" / "z.png")
    (faces / "real" / "id-9").symlink_to(tmp_path / "big" / "id-9")
    samples, _ = prepared(faces)
    assert {"real/id-9/y", "real/id-9/z"} < set(samples)
    assert len(samples) == 10
    rows = manifest.read(tmp_path / "out").set_index("sample")
    assert rows.loc["real/id-9/y", "group"] == "id-9"
    assert datasets.load(tmp_path / "out", rows.loc["real/id-9/y", "split"], 8)[0][0].shape == (3, 8, 8)


def test_a_class_may_hold_nothing_but_a_link(faces, tmp_path):
    (faces / "real").rename(tmp_path / "all")
    (faces / "real").mkdir()
    (faces / "real" / "set1").symlink_to(tmp_path / "all")
    samples, _ = prepared(faces)
    assert len(samples) == 8
    assert "real/set1/real-0/a" in samples


def test_a_folder_is_followed_once_and_goes_by_its_own_name(faces):
    (faces / "real" / "first").symlink_to(faces / "real" / "real-2")
    samples, report = prepared(faces)
    assert len(samples) == 8
    assert report["passed_over"] == [
        {"what": "links to folders that are read by another name", "count": 1, "first": "real/first"}
    ]


@pytest.mark.parametrize("to", ["real", ".", "real/real-0", "../.."])
def test_a_link_to_a_folder_that_it_lies_in_is_refused(faces, to):
    link = faces / "real" / "real-0" / "round"
    link.symlink_to((faces / to).resolve())
    message = f"{link} links to a folder that it lies in, which has no end; take the link out"
    assert refusal(prepared, faces) == message


def test_a_folder_that_is_linked_into_both_classes_is_refused(faces):
    (faces / "fake" / "same").symlink_to(faces / "real" / "real-0")
    assert "are one folder, by links, but a sample has one label and one split; " in refusal(prepared, faces)


@pytest.mark.parametrize("round_in_a_circle", [False, True])
def test_a_link_that_leads_nowhere_is_told(faces, round_in_a_circle):
    link = faces / "real" / "real-0" / "w.png"
    link.symlink_to(link if round_in_a_circle else "/not/mounted/w.png")
    reason = f"links to {os.readlink(link)}, which is not there; bring it back, or take it out"
    assert refusal(prepared, faces) == f"{link} {reason}"
    samples, report = prepared(faces, on_error="skip")
    assert len(samples) == 8
    assert report["skipped"] == [{"path": "real/real-0/w.png", "reason": reason}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a folder")
def test_a_folder_that_cannot_be_read_is_told(faces, monkeypatch):
    (faces / "real" / "real-0").chmod(0)
    faces.parent.chmod(0o777)
    monkeypatch.chdir(faces.parent)
    os.seteuid(65534)
    try:
        said = refusal(prepared, Path("faces"))
        samples, report = prepared(Path("faces"), on_error="skip")
    finally:
        os.seteuid(0)
    reason = "cannot be read (Permission denied); allow it, or take it out"
    assert said == f"faces/real/real-0 {reason}"
    assert len(samples) == 7
    assert report["skipped"] == [{"path": "real/real-0", "reason": reason}]


@pytest.mark.parametrize(
    ("name", "told", "fault"),
    [
        (b"caf\xe9.png", r"caf\xe9.png", "its name is not UTF-8"),
        (b"x\r.png", r"x\r.png", "its name holds a control character"),
        (b"x\x1b[31m.png", r"x\x1b[31m.png", "its name holds a control character"),
        ("x\u2028.png".encode(), r"x\u2028.png", "its name holds a control character"),
    ],
)
def test_a_name_that_no_table_can_hold_is_told(faces, name, told, fault):
    png(Path(os.fsdecode(os.fsencode(faces / "real" / "real-0") + b"/" + name)))
    assert refusal(prepared, faces) == f"{faces}/real/real-0/{told}: {fault}; rename it"
    samples, report = prepared(faces, on_error="skip")
    assert len(samples) == 8
    assert report["skipped"] == [{"path": f"real/real-0/{told}", "reason": f"{fault}; rename it"}]


def test_a_cell_of_a_listed_table_holds_no_control_character(faces):
    rows = ["path,label,group", 'real/real-0/a.png,0,"a\rb"']
    (faces / "manifest.csv").write_text("\n".join(rows), newline="")
    message = f"{faces}/manifest.csv: row 2 has the group 'a\\rb', but it holds a control character; rename it"
    assert refusal(prepared, faces) == message


def test_what_lies_beside_an_image_of_its_name_is_passed_over_and_counted(faces):
    for name in ("a.json", "a.landmarks.npy", ".DS_Store", "Thumbs.db"):
        (faces / "real" / "real-0" / name).write_text("{}")
    samples, report = prepared(faces)
    assert len(samples) == 8
    assert report["passed_over"] == [
        {"what": "files beside an image of the same name", "count": 2, "first": "real/real-0/a.json"},
        {"what": "hidden files", "count": 2, "first": "real/real-0/.DS_Store"},
    ]


def test_a_file_of_another_name_is_still_refused(faces):
    (faces / "real" / "real-0" / "notes.txt").write_text("no image")
    assert "notes.txt: found neither a JPEG nor a PNG file, but " in refusal(prepared, faces)


def test_what_lies_beside_a_video_neither_breaks_nor_hides_it(talks):
    for name in ("real0.json", "real0.mp4.json", "real0.en.vtt", "real1.jpg", "real2.jpg"):
        (talks / "real" / name).write_bytes(b"no video")
    samples, report = prepared_clips(talks)
    assert samples == [f"{name}/{name}{number}" for name in ("fake", "real") for number in range(4)]
    assert report["passed_over"] == [
        {"what": "files beside a video of the same name", "count": 5, "first": "real/real0.en.vtt"}
    ]


def test_videos_below_a_folder_of_frames_are_clips_and_other_files_there_are_counted(talks):
    for number in range(3):
        png(talks / "real" / "frames" / f"{number}.png")
    (talks / "real" / "frames" / "0.json").write_text("{}")
    mp4(talks / "real" / "frames" / "more" / "hidden.mp4")
    (talks / "real" / "frames" / "more" / "list.txt").write_text("")
    samples, report = prepared_clips(talks)
    assert {"real/frames", "real/frames/more/hidden"} < set(samples)
    assert len(samples) == 10
    assert [(entry["what"], entry["count"]) for entry in report["passed_over"]] == [
        ("files below a folder of frames", 1)
    ]


@pytest.mark.parametrize(("real", "fake"), [("0_real", "1_fake"), ("Real", "Fake")])
def test_classes_may_be_named_in_other_ways(faces, real, fake):
    (faces / "real").rename(faces / real)
    (faces / "fake").rename(faces / fake)
    prepared(faces)
    rows = manifest.read(faces.parent / "out").set_index("sample")
    assert rows.loc[f"{real}/real-0/a", "label"] == 0
    assert rows.loc[f"{fake}/fake-0/a", "label"] == 1


@pytest.mark.parametrize("above", [True, False], ids=["train/real", "real/train"])
def test_folders_of_splits_are_the_splits(tmp_path, above):
    for split in ("train", "val", "test"):
        for name in ("real", "fake"):
            png(tmp_path / "faces" / Path(*((split, name) if above else (name, split))) / "0001.png")
    samples, report = prepared(tmp_path / "faces")
    rows = manifest.read(tmp_path / "out")
    assert len(samples) == 6
    assert (
        rows["split"].tolist()
        == rows["sample"].str.extract("(train|val|test)")[0].replace("val", "validation").tolist()
    )
    assert set(rows["group"]) == {"train/0001", "validation/0001", "test/0001"}  # one name, three images
    assert report["notes"] == []


def test_a_split_without_a_folder_is_dealt_out_of_train(tmp_path):
    for name in ("real", "fake"):
        for number in range(10):
            png(tmp_path / "faces" / "train" / name / f"{name}{number}.png")
        png(tmp_path / "faces" / "test" / name / "0.png")
    _, report = prepared(tmp_path / "faces")
    rows = manifest.read(tmp_path / "out")
    assert rows.groupby("split").size().to_dict() == {"test": 2, "train": 16, "validation": 4}
    assert rows[rows["split"] == "test"]["sample"].tolist() == ["test/fake/0", "test/real/0"]
    assert report["notes"] == ["There is no validation folder: groups of train/ were dealt out to it."]


def test_an_identity_in_two_folders_of_splits_is_refused(tmp_path):
    for split in ("train", "val", "test"):
        for name in ("real", "fake"):
            png(tmp_path / "faces" / split / name / "id-7" / "1.png")
    assert "the group id-7 is in two splits, " in refusal(prepared, tmp_path / "faces")


def test_a_split_with_one_class_is_refused(tmp_path):
    png(tmp_path / "faces" / "train" / "real" / "1.png")
    png(tmp_path / "faces" / "train" / "fake" / "1.png")
    png(tmp_path / "faces" / "test" / "real" / "1.png")
    assert refusal(prepared, tmp_path / "faces").startswith(
        f"{tmp_path}/faces/test has no fake/ beside the other class; "
    )


@pytest.fixture
def flat(tmp_path) -> Path:
    """Three frames of each of four videos in each class, by their names."""
    for name in ("real", "fake"):
        for number in range(4):
            for frame in range(3):
                png(tmp_path / "faces" / name / f"{name}{number}_{frame:04}.png")
    return tmp_path / "faces"


def test_frames_that_are_named_after_their_video_stay_together(flat):
    _, report = prepared(flat)
    rows = manifest.read(flat.parent / "out")
    assert rows.groupby("group").size().to_dict() == {f"{name}{n}": 3 for name in ("real", "fake") for n in range(4)}
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert report["notes"] == [
        "24 images were taken for frames of 8 videos by their names, such as real0_0000 for a frame of real0; if that "
        "is wrong, write the option group."
    ]


def test_one_numbering_of_all_images_makes_no_video(tmp_path):
    for name in ("real", "fake"):
        for number in range(4):
            png(tmp_path / "faces" / name / f"{name}_{number}.png")
    _, report = prepared(tmp_path / "faces")
    assert manifest.read(tmp_path / "out")["group"].nunique() == 8
    assert report["notes"] == []


def test_a_pattern_says_what_samples_share(flat):
    prepared(flat, group=r".*_(?P<group>\d+)")
    assert set(manifest.read(flat.parent / "out")["group"]) == {"0000", "0001", "0002"}


def test_a_pattern_sees_the_folders_below_a_class(faces):
    png(faces / "real" / "real-0" / "clip" / "b.png")
    prepared(faces, group="(?P<group>[^/]+)/.*")
    rows = manifest.read(faces.parent / "out").set_index("sample")
    assert rows.loc["real/real-0/clip/b", "group"] == "real-0" == rows.loc["real/real-0/a", "group"]


def test_a_name_that_the_pattern_does_not_match_is_named(flat):
    png(flat / "real" / "odd.png")
    message = f"{flat}: the name odd does not match group, '(?P<group>[^_]+)_.*'; correct the pattern or the name"
    assert refusal(prepared, flat, group="(?P<group>[^_]+)_.*") == message


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("[", "folder.group is '[', which is no regular expression (unterminated character set at position 0); "),
        (".*", "folder.group is '.*', but it has no (?P<group>…); write one with a part of that name, such as "),
        (7, "folder.group is 7, but it has no (?P<group>…); "),
    ],
)
def test_a_pattern_without_a_group_is_refused_at_once(pattern, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        datasets.Folder(source="faces", seed=0, group=pattern)


def test_a_pattern_beside_a_layout_or_a_column_of_groups_is_refused(faces):
    with pytest.raises(InputError, match=r"^clips has group and layout, but a layout says what its groups are; "):
        datasets.Clips(source="x", seed=0, frames=2, layout="dfdc", group="(?P<group>.*)")
    (faces / "manifest.csv").write_text("path,label,group\nreal/real-0/a.png,0,a\nfake/fake-0/a.png,1,b\n")
    assert "has the column group, but the option group is given too; " in refusal(
        prepared, faces, group="(?P<group>.*)"
    )


def test_only_what_this_project_made_is_emptied(faces, tmp_path):
    out = tmp_path / "out"
    png(out / "holiday.png")
    message = f"{out} holds files that this project did not make; prepare the data set in another folder, "
    assert refusal(prepared, faces).startswith(message)
    assert (out / "holiday.png").exists()


def test_frames_below_a_link_in_a_prepared_folder_are_left_alone(talks, tmp_path):
    out = tmp_path / "out"
    datasets.prepare("talks", datasets.Frames(source=str(talks), seed=0, frames=1), out)
    png(tmp_path / "album" / "holiday.png")
    (out / "album").symlink_to(tmp_path / "album")
    (out / "left.png").symlink_to(tmp_path / "album" / "holiday.png")
    datasets.prepare("talks", datasets.Frames(source=str(talks), seed=0, frames=1), out)
    assert (tmp_path / "album" / "holiday.png").exists()
    made = [files.MARK, "fake", "frames.json", "manifest.csv", "real", "traces.csv"]
    assert sorted(path.name for path in out.iterdir()) == made
