"""Facts about frames of clips as images: which they are, what they are called, and what is not left behind."""

import re
from pathlib import Path

import numpy as np
import published
import pytest
import torch
from PIL import Image

from rrlib.datasets import catalogue, clips, frames, images, manifest, video
from rrlib.datasets.images import ImageSet
from rrlib.errors import InputError

CHOICES = pytest.mark.parametrize("choice", [{"frames": 3}, {"frames": 1}, {"frames": 2, "stride": 3}])


def save(path: Path, count: int = 6) -> None:
    """A clip that is its path's own, at eight frames a second: a video or, without a suffix, a folder of frames."""
    seed = list(str(path.relative_to(path.parents[1])).encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 10, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        video.encode(path, pixels, fps=8)
        return
    path.mkdir()
    for number, frame in enumerate(pixels):
        Image.fromarray(frame).save(path / f"{number}.png")


@pytest.fixture
def videos(tmp_path) -> Path:
    """Four real and four fake clips: two videos and a folder of frames by themselves, and a video of a person."""
    for name in ("a.mp4", "b.mkv", "c", "person/d.mp4"):
        save(tmp_path / "videos" / "real" / name)
        save(tmp_path / "videos" / "fake" / f"not_{name}")
    return tmp_path / "videos"


def prepare(source: Path, to: Path, **options: object) -> Path:
    definition = {"kind": "frames", "seed": 0, "frames": 3, "source": str(source), **options}
    catalogue.prepare("mine", definition, to)
    return to


def pngs(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


@CHOICES
def test_the_images_are_the_frames_that_a_clip_would_have_bit_for_bit(videos, tmp_path, choice):
    out = prepare(videos, tmp_path / "out", **choice)
    for sample, source in (("real/a", "real/a.mp4"), ("fake/not_b", "fake/not_b.mkv"), ("real/c", "real/c")):
        expected = list(clips.stream(videos / source, choice["frames"], choice.get("stride")))
        found = [images.decode(out / sample / f"{number:03}.png") for number in range(choice["frames"])]
        np.testing.assert_array_equal(found, expected)
        assert len(list((out / sample).iterdir())) == choice["frames"]


def test_each_frame_is_a_sample_with_the_group_split_and_label_of_its_clip(videos, tmp_path):
    of_clips = {"kind": "clips", "source": str(videos), "seed": 0, "frames": 3}
    catalogue.prepare("clips", of_clips, tmp_path / "clips")
    expected = manifest.read(tmp_path / "clips").drop(columns=["path", "sha256"])
    frame = manifest.read(prepare(videos, tmp_path / "out"))
    assert frame["path"].tolist() == (frame["sample"] + ".png").tolist()
    assert set(frame["path"]) == pngs(tmp_path / "out")
    frame["sample"], numbers = zip(*frame["sample"].str.rsplit("/", n=1), strict=True)
    assert numbers == ("000", "001", "002") * len(expected)
    assert frame[::3][expected.columns].to_dict("list") == expected.to_dict("list")
    assert frame.groupby("sample").nunique()[["group", "split", "label", "sha256"]].eq(1).all(axis=None)


def test_a_csv_file_may_name_groups_families_and_splits(videos, tmp_path):
    rows = [f"{kind}/{'not_' * label}{name},{label},{name},test,{'swap' * label}"
            for label, kind in enumerate(("real", "fake")) for name in ("a.mp4", "c")]  # fmt: skip
    (videos / "mine.csv").write_text("\n".join(["path,label,group,split,family", *rows]) + "\n")
    frame = manifest.read(prepare(videos / "mine.csv", tmp_path / "out", frames=2))
    told = frame.set_index("sample").loc["fake/not_c/001", ["label", "group", "split", "family"]].tolist()
    assert told == [1, "c", "test", "swap"]


def test_frames_of_a_published_data_set_have_its_official_splits_and_groups(tmp_path):
    source = published.faceforensics(tmp_path / "FaceForensics++", ("Deepfakes",))
    published.lists(source)
    of_clips = manifest.read(published.prepare(source, tmp_path / "clips", "faceforensics"))
    frame = manifest.read(prepare(source, tmp_path / "out", frames=2, layout="faceforensics"))
    assert frame["sample"][::2].str.removesuffix("/000").tolist() == of_clips["sample"].tolist()
    columns = ["label", "group", "split", "family"]
    assert frame[::2][columns].values.tolist() == of_clips[columns].values.tolist()
    assert pngs(tmp_path / "out") == set(frame["path"])


def test_a_prepared_split_is_loaded_image_by_image(videos, tmp_path):
    test = catalogue.load(prepare(videos, tmp_path / "out"), "test", 5)
    assert isinstance(test, ImageSet)
    assert {tuple(image.shape) for image, _, _ in test} == {(3, 5, 5)}
    assert catalogue.clip_report(tmp_path / "out") is None


def test_the_source_is_not_needed_again(videos, tmp_path):
    prepare(videos, tmp_path / "out")
    before = [image for image, _, _ in catalogue.load(tmp_path / "out", "train", 8)]
    videos.rename(tmp_path / "away")
    after = [image for image, _, _ in catalogue.load(tmp_path / "out", "train", 8)]
    assert all(map(torch.equal, before, after))


def test_preparing_again_gives_the_same_bytes(videos, tmp_path):
    first, again = (prepare(videos, tmp_path / name) for name in ("one", "two"))
    assert pngs(first) == pngs(again)
    for name in ("manifest.csv", "frames.json", "real/a/001.png"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_frames_of_an_earlier_preparation_do_not_stay(videos, tmp_path):
    prepare(videos, tmp_path / "out", frames=4)
    save(videos / "real" / "gone.mp4")
    prepare(videos, tmp_path / "out", frames=4)
    (videos / "real" / "gone.mp4").unlink()
    prepare(videos, tmp_path / "out", frames=2)
    assert pngs(tmp_path / "out") == set(manifest.read(tmp_path / "out")["path"])
    assert not (tmp_path / "out" / "real" / "gone").exists()
    assert len(pngs(videos)) == 2 * 6  # the source's own frames


def test_another_kind_of_the_same_name_finds_no_report_of_frames(videos, tmp_path):
    prepare(videos, tmp_path / "out")
    definition = {"kind": "clips", "source": str(videos), "seed": 0, "frames": 3}
    catalogue.prepare("mine", definition, tmp_path / "out")
    assert catalogue.frame_report(tmp_path / "out") is None
    prepare(videos, tmp_path / "out")
    assert catalogue.clip_report(tmp_path / "out") is None


def test_what_is_skipped_is_listed_and_leaves_no_frame(videos, tmp_path):
    save(videos / "fake" / "cut")
    (videos / "fake" / "cut" / "5.png").write_bytes(b"no image")
    (videos / "real" / "none.mp4").write_bytes(b"no video")
    out = prepare(videos, tmp_path / "out", on_error="skip")
    report = catalogue.frame_report(out)
    assert (report["frames"], report["stride"], report["crop"]) == (3, None, None)
    assert [entry["path"] for entry in report["skipped"]] == ["fake/cut", "real/none.mp4"]
    assert pngs(out) == set(manifest.read(out)["path"])
    assert len(pngs(out)) == 8 * 3


def test_a_clip_that_stops_the_preparation_leaves_no_manifest(videos, tmp_path):
    prepare(videos, tmp_path / "out")
    (videos / "real" / "none.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"none\.mp4: found something else, but a clip must be a whole MP4"):
        prepare(videos, tmp_path / "out")
    assert not {"manifest.csv", "frames.json"} & {path.name for path in (tmp_path / "out").iterdir()}


def test_a_black_frame_may_be_in_two_splits_but_not_a_whole_video(videos, tmp_path):
    for kind in ("real", "fake"):
        for path in (videos / kind).glob("*.m*"):
            pixels = video.decode(path, 6)
            pixels[0] = 0
            video.encode(path, pixels)
    out = prepare(videos, tmp_path / "out", frames=6)
    blacks = [path for path in out.rglob("000.png") if not images.decode(path).any()]
    assert len(blacks) == 4
    for name in ("a.mp4", "b.mkv"):
        video.encode(videos / "real" / name, pixels)
    rows = ["path,label,split", "real/a.mp4,0,train", "fake/not_a.mp4,1,train"]
    (videos / "mine.csv").write_text("\n".join([*rows, "real/b.mkv,0,test", "fake/not_b.mkv,1,test"]))
    with pytest.raises(InputError, match=r"the sha256 \w+ is in two splits, "):
        prepare(videos / "mine.csv", tmp_path / "out")


def test_a_source_in_the_prepared_folder_is_refused_before_anything_is_taken_away(videos, tmp_path):
    message = f"{videos} lies in {tmp_path}, which is made anew; prepare it in another folder"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        prepare(videos, tmp_path)
    assert len(pngs(videos)) == 2 * 6


def test_frames_before_one_that_cannot_be_had_are_taken_away(tmp_path):
    def broken():
        yield from np.zeros((2, 4, 4, 3), np.uint8)
        raise InputError("a.mp4: found a hole")

    (tmp_path / "clip" / "inner").mkdir(parents=True)
    with pytest.raises(InputError, match="found a hole"):
        frames.write(tmp_path / "clip", broken())
    assert [path.name for path in (tmp_path / "clip").iterdir()] == ["inner"]


def test_with_crop_the_images_are_the_faces(real, tmp_path):
    pytest.importorskip("cv2")
    for label, kind in enumerate(("real", "fake")):
        (tmp_path / "videos" / kind).mkdir(parents=True)
        for number, path in enumerate(sorted((real / "faces" / kind).iterdir())[:3]):
            face = np.array(Image.open(path).convert("RGB").resize((128, 128)))
            canvas = np.full((3, 160, 200, 3), 110, np.uint8)
            canvas[:, 16:144, 36:164] = face
            canvas[1] = 110 if (label, number) == (0, 0) else canvas[1]
            video.encode(tmp_path / "videos" / kind / f"{kind}{number}.mkv", canvas)
    crop = {"scale": 1.3, "size": 48}
    out = prepare(tmp_path / "videos", tmp_path / "out", crop=crop, on_error="skip")
    definition = {"kind": "clips", "source": str(tmp_path / "videos"), "seed": 0, "frames": 3, "crop": crop}
    catalogue.prepare("clips", definition | {"on_error": "skip"}, tmp_path / "clips")
    for _, row in manifest.read(tmp_path / "clips").iterrows():
        expected = video.decode(tmp_path / "clips" / row["path"], 3)
        found = [images.decode(out / row["sample"] / f"{number:03}.png") for number in range(3)]
        np.testing.assert_array_equal(found, expected)
    assert catalogue.frame_report(out) == catalogue.clip_report(tmp_path / "clips")
    assert catalogue.frame_report(out)["crop"]["without_face_by_path"] == {"real/real0.mkv": 1}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"frames": 0}, ".frames is 0; give a whole number of at least 1"),
        ({"stride": 0}, ".stride is 0; give a whole number of at least 1"),
        ({"crop": {"size": 8}}, ".crop.size is 8; give a whole number of at least 16"),
        (
            {"length": 8},
            " has the options frames, length, seed, source; the kind frames takes crop, frames, group, layout, "
            "on_error, seed, source, stride, train",
        ),
    ],
)
def test_options_that_are_not_understood_are_refused_early(option, message):
    with pytest.raises(InputError, match=f"^{re.escape('params.yaml: datasets.mine' + message)}$"):
        catalogue.definition(
            "params.yaml: datasets.mine", {"kind": "frames", "seed": 0, "frames": 3, "source": "x", **option}
        )
