"""Facts about data sets of clips: prepared from videos and folders of frames, and loaded again."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib import files
from rrlib.datasets import catalogue, manifest, video
from rrlib.errors import InputError

DEFINITION = {"kind": "clips", "seed": 0, "frames": 4}


def save(path: Path, count: int = 6) -> None:
    """A clip that is its path's own: a video or, without a suffix, a folder of frames."""
    seed = list(str(path.relative_to(path.parents[1])).encode())
    frames = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in video.LOSSLESS:
        video.encode(path, frames)
        return
    path.mkdir()
    for number, pixels in enumerate(frames):
        Image.fromarray(pixels).save(path / f"{number:04}.png")


@pytest.fixture
def videos(tmp_path) -> Path:
    """Four real and four fake clips: two videos and a folder of frames by themselves, and a video of a person."""
    for name in ("a.mp4", "b.mkv", "vid.7", "person/c.mp4"):
        save(tmp_path / "videos" / "real" / name)
        save(tmp_path / "videos" / "fake" / f"not_{name}")
    return tmp_path / "videos"


def prepare(source: Path, to: Path, **options: object) -> Path:
    catalogue.prepare("mine", {**DEFINITION, "source": str(source), **options}, to)
    return to


def refusal(source: Path, to: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        prepare(source, to, **options)
    assert not (to / "manifest.csv").exists()
    return str(caught.value)


def test_the_group_is_the_source_video_or_the_folder_it_lies_in(videos, tmp_path):
    frame = manifest.read(prepare(videos, tmp_path / "out")).set_index("path")
    groups = frame["group"].rename(lambda path: path.removeprefix("../videos/")).to_dict()
    real = {"real/a.mp4": "a", "real/b.mkv": "b", "real/vid.7": "vid.7", "real/person/c.mp4": "person"}
    assert {path: group for path, group in groups.items() if path.startswith("real")} == real
    assert frame.loc["../videos/real/vid.7", "sample"] == "real/vid.7"
    assert frame.loc["../videos/real/person/c.mp4", "sample"] == "real/person/c"


def test_a_prepared_split_is_loaded_clip_by_clip(videos, tmp_path):
    prepare(videos, tmp_path / "out")
    clips = catalogue.load(tmp_path / "out", "train", 5)
    assert clips.table["label"].tolist() == [label for _, label, _ in clips]
    assert {tuple(clip.shape) for clip, _, _ in clips} == {(4, 3, 5, 5)}


def test_frames_and_stride_reach_the_clips(videos, tmp_path):
    catalogue.load(prepare(videos, tmp_path / "out", frames=2, stride=5), "test", 8)
    clips = catalogue.load(tmp_path / "out", "test", 8)
    frame = manifest.read(tmp_path / "out").query("split == 'test'")
    whole = video.decode(tmp_path / "out" / frame["path"].iloc[0], 6)
    np.testing.assert_array_equal((clips[0][0] * 255).round().permute(0, 2, 3, 1).numpy(), whole[[0, 5]])


def test_preparing_again_gives_the_same_bytes(videos, tmp_path):
    first, again = (prepare(videos, tmp_path / name) for name in ("one", "two"))
    for name in ("manifest.csv", "clips.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_a_changed_frame_changes_the_manifest(videos, tmp_path):
    before = (prepare(videos, tmp_path / "out") / "manifest.csv").read_text()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(videos / "real" / "vid.7" / "0003.png")
    after = (prepare(videos, tmp_path / "out") / "manifest.csv").read_text()
    changed = [line for line in after.splitlines() if line not in before]
    assert [line.split(",")[0] for line in changed] == ["real/vid.7"]


def test_a_csv_file_may_name_videos_and_folders_of_frames(videos, tmp_path):
    rows = [f"{kind}/{'not_' * (kind == 'fake')}{name},{int(kind == 'fake')},{name},test"
            for kind in ("real", "fake") for name in ("a.mp4", "vid.7")]  # fmt: skip
    (videos / "mine.csv").write_text("\n".join(["path,label,group,split", *rows]) + "\n")
    prepare(videos / "mine.csv", tmp_path / "out")
    assert len(catalogue.load(tmp_path / "out", "test", 8)) == 4
    with pytest.raises(InputError, match="has no train clips; it has test"):
        catalogue.load(tmp_path / "out", "train", 8)


def test_one_bad_clip_stops_and_is_named(videos, tmp_path):
    (videos / "real" / "d.mp4").write_bytes(b"no video")
    message = refusal(videos, tmp_path / "out")
    assert message.startswith(f"{videos / 'real' / 'd.mp4'}: found something else, but a clip must be a whole MP4")
    assert "\n" not in message


def test_skipped_clips_are_listed_with_the_reason(videos, tmp_path):
    (videos / "real" / "d.mp4").write_bytes(b"no video")
    save(videos / "fake" / "short.mkv", count=3)
    whole = (videos / "fake" / "not_a.mp4").read_bytes()
    (videos / "fake" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    prepare(videos, tmp_path / "out", on_error="skip")
    skipped = catalogue.clip_report(tmp_path / "out")["skipped"]
    assert [entry["path"] for entry in skipped] == ["fake/cut.mp4", "fake/short.mkv", "real/d.mp4"]
    assert skipped[0]["reason"].startswith("found a video that is truncated or damaged")
    assert skipped[1]["reason"] == "found 3 frames, but 4 frames need 4; ask for less or take it out"
    assert len(manifest.read(tmp_path / "out")) == 8


def test_the_split_is_dealt_over_the_clips_that_are_left(videos, tmp_path):
    for name in ("b.mkv", "person/c.mp4"):
        (videos / "real" / name).write_bytes(b"no video")
    message = f"{videos}: the real images fall into 2 groups, but train, validation, test need one each; "
    assert refusal(videos, tmp_path / "out", on_error="skip").startswith(message)


def test_nothing_left_is_an_error_even_when_skipping(videos, tmp_path):
    message = refusal(videos, tmp_path / "out", on_error="skip", frames=7)
    assert message.startswith(f"{videos}: 8 of 8 clips cannot be used, among them (1) ")


def test_images_straight_in_real_are_no_clip(videos, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(videos / "real" / "0001.png")
    message = f"{videos / 'real'} holds images, but a clip is a video file or a folder of frames; "
    assert refusal(videos, tmp_path / "out").startswith(message)


def test_a_class_without_clips_is_refused(videos, tmp_path):
    (tmp_path / "none" / "real").mkdir(parents=True)
    (tmp_path / "none" / "fake").mkdir(parents=True)
    assert refusal(tmp_path / "none", tmp_path / "out").startswith(f"{tmp_path / 'none' / 'real'} holds no clip; ")


def test_a_data_set_of_images_has_no_clip_report(tmp_path):
    for kind, number in [(kind, number) for kind in ("real", "fake") for number in range(3)]:
        (tmp_path / "faces" / kind).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng([number, len(kind), ord(kind[0])]).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "faces" / kind / f"{kind}{number}.png")
    files.mark(tmp_path / "out")
    (tmp_path / "out" / "clips.json").write_text("{}")  # left by an earlier definition of the same name
    catalogue.prepare("mine", {"kind": "folder", "source": str(tmp_path / "faces"), "seed": 0}, tmp_path / "out")
    assert catalogue.clip_report(tmp_path / "out") is None
    assert catalogue.load(tmp_path / "out", "test", 4)[0][0].shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"frames": 1}, ".frames is 1; give a whole number of at least 2"),
        ({"frames": True}, ".frames is True; give a whole number of at least 2"),
        ({"frames": 8.0}, ".frames is 8.0; give a whole number of at least 2"),
        ({"stride": 0}, ".stride is 0; give a whole number of at least 1"),
        ({"on_error": "go"}, ".on_error.go is not known; choose from stop, skip"),
        ({"crop": 1.3}, ".crop is 1.3; give {scale: 1.3, size: 256} or either"),
        ({"crop": {"skale": 1}}, ".crop is {'skale': 1}; give {scale: 1.3, size: 256} or either"),
        ({"crop": {"scale": 0.9}}, ".crop.scale is 0.9; give a number from 1 to 10"),
        ({"crop": {"size": 8}}, ".crop.size is 8; give a whole number of at least 16"),
        (
            {"length": 8},
            " has the options frames, length, seed, source; the kind clips takes crop, frames, group, layout, "
            "on_error, seed, source, stride, train",
        ),
    ],
)
def test_options_that_are_not_understood_are_refused_early(option, message):
    with pytest.raises(InputError, match=f"^{re.escape('params.yaml: datasets.mine' + message)}$"):
        catalogue.definition("params.yaml: datasets.mine", {**DEFINITION, "source": "x", **option})
