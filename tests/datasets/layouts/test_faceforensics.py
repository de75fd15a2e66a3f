"""Facts about FaceForensics++: pairs are groups, the official lists are the splits, and nothing is guessed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from published import FOUR, FRAMES, LISTS, PAIRS, clip, faceforensics, lists, prepare, refusal, rows, write_json

from rrlib.datasets import catalogue, video

REAL = "original_sequences/youtube/c23/videos"
FAKE = "manipulated_sequences/{}/c23/videos"


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    source = faceforensics(tmp_path_factory.mktemp("distributed") / "ff")
    lists(source)
    return source


@pytest.fixture
def source(tree, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(tree, tmp_path / "ff"))


def test_the_pair_is_the_group_the_list_the_split_and_the_manipulation_the_family(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "faceforensics"), tree)
    assert len(found) == 4 * (2 + 2 * 4)
    for pairs, split in zip(LISTS.values(), ("train", "validation", "test"), strict=True):
        for one, other in pairs:
            group = "_".join(sorted((one, other)))
            for name in (one, other):
                assert found[f"{REAL}/{name}.mp4"] == (0, group, split, "")
            for family in FOUR:
                for name in (f"{one}_{other}", f"{other}_{one}"):
                    assert found[f"{FAKE.format(family)}/{name}.mp4"] == (1, group, split, family)


def test_a_split_is_loaded_from_where_the_videos_lie(tree, tmp_path):
    prepare(tree, tmp_path / "out", "faceforensics")
    clips = catalogue.load(tmp_path / "out", "validation", 16)
    assert len(clips) == 10
    number = clips.table["sample"].tolist().index(f"{REAL}/720")
    expected = video.decode(tree / REAL / "720.mp4", FRAMES)
    np.testing.assert_array_equal((clips[number][0] * 255).round().permute(0, 2, 3, 1).numpy(), expected)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["clips.json", "manifest.csv"]


def test_preparing_again_gives_the_same_bytes(tree, tmp_path):
    first, again = (prepare(tree, tmp_path / name, "faceforensics") for name in ("one", "two"))
    for name in ("manifest.csv", "clips.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("top", ["", "FaceForensics++/"])
def test_the_folders_of_deepfakebench_give_the_same_rows(tree, tmp_path, top):
    frames = faceforensics(tmp_path / "bench" / top, frames=True)
    lists(frames)
    found = rows(prepare(tmp_path / "bench", tmp_path / "out", "faceforensics"), tmp_path / "bench")
    videos = rows(prepare(tree, tmp_path / "videos", "faceforensics"), tree)
    assert found == {
        f"{top}{path.replace('/videos/', '/frames/').removesuffix('.mp4')}": row for path, row in videos.items()
    }
    assert catalogue.load(tmp_path / "out", "test", 8)[0][0].shape == (FRAMES, 3, 8, 8)


def test_manipulations_are_those_asked_for_or_the_ones_of_the_four_that_are_there(source, tmp_path):
    shutil.rmtree(source / "manipulated_sequences/FaceSwap")
    for one, other in PAIRS:
        for name in (f"{one}_{other}", f"{other}_{one}"):
            clip(source / FAKE.format("FaceShifter") / name)

    def families(layout: str | dict) -> set[str]:
        return {family for *_, family in rows(prepare(source, tmp_path / "out", layout), source).values()}

    assert families("faceforensics") == {"", "Deepfakes", "Face2Face", "NeuralTextures"}
    asked = ["FaceShifter", "Deepfakes"]
    assert families({"name": "faceforensics", "manipulations": asked}) == {"", *asked}
    message = refusal(source, {"name": "faceforensics", "manipulations": ["FaceSwap"]})
    assert message.startswith(f"there is no {source / 'manipulated_sequences/FaceSwap/c23'}; complete the data set")


def test_of_two_compressions_one_must_be_named(source, tmp_path):
    faceforensics(source, ("Deepfakes",), "c40")
    originals = source / "original_sequences/youtube"
    message = f"{originals} has c23 and c40; write compression: c23 or compression: c40 in layout"
    assert refusal(source, "faceforensics") == message
    found = rows(prepare(source, tmp_path / "out", {"name": "faceforensics", "compression": "c40"}), source)
    assert len(found) == 4 * 4
    assert all("/c40/" in path for path in found)
    message = f"{originals} has c23 and c40; complete the data set, or correct the compression in layout"
    assert refusal(source, {"name": "faceforensics", "compression": "raw"}) == message


def test_of_videos_and_frames_one_must_be_named(source, tmp_path):
    faceforensics(source, frames=True)
    folder = source / "original_sequences/youtube/c23"
    message = f"{folder} holds both frames and videos; write clips: frames or clips: videos in layout"
    assert refusal(source, "faceforensics") == message
    for form in ("frames", "videos"):
        found = rows(prepare(source, tmp_path / "out", {"name": "faceforensics", "clips": form}), source)
        assert all(f"/{form}/" in path for path in found)


def test_what_all_folders_hold_is_taken(source, tmp_path):
    shutil.copytree(source / REAL, source / "original_sequences/youtube/c23/frames")
    assert all("/videos/" in path for path in rows(prepare(source, tmp_path / "out", "faceforensics"), source))
    shutil.rmtree(source / REAL)
    assert refusal(source, "faceforensics").startswith(
        f"some clips are frames, others videos: {source / 'original_sequences/youtube/c23'} has frames, "
    )


@pytest.mark.parametrize("place", ["splits", "dataset/splits", "FaceForensics++", "FaceForensics++/splits", "../mine"])
def test_the_lists_are_found_in_their_usual_places_or_the_one_that_is_named(source, tmp_path, place):
    for name in LISTS:
        (source / name).unlink()
    lists(source / place)
    layout = {"name": "faceforensics", "splits": str(source / place)} if place == "../mine" else "faceforensics"
    assert len(rows(prepare(source, tmp_path / "out", layout), source)) == 40


def test_without_the_lists_it_is_said_where_they_come_from(source):
    (source / "val.json").unlink()
    message = (
        "{} has no train.json, val.json, test.json, the official splits of github.com/ondyari/FaceForensics "
        "(dataset/splits); run `python -m rrlib fetch faceforensics-splits --trust-first-use` and write splits: "
        "outputs/sources/faceforensics-splits in layout"
    )
    assert refusal(source, "faceforensics") == message.format(source)
    empty = source / "splits"
    assert refusal(source, {"name": "faceforensics", "splits": str(empty)}) == message.format(empty)


def test_a_listed_video_that_is_absent_is_named_or_listed(source, tmp_path):
    gone = [f"{FAKE.format('Deepfakes')}/087_081.mp4", f"{REAL}/054.mp4"]
    for path in gone:
        (source / path).unlink()
    message = (
        f"{source} lacks 2 of 40 videos, the first is {gone[0]}; complete the data set, or write on_error: skip to go "
        "on without them"
    )
    assert refusal(source, "faceforensics") == message
    found = rows(prepare(source, tmp_path / "out", "faceforensics", on_error="skip"), source)
    assert len(found) == 38
    expected = [{"path": path, "reason": "is listed, but absent"} for path in gone]
    assert catalogue.clip_report(tmp_path / "out")["skipped"] == expected


def test_a_damaged_video_is_named_or_listed_beside_what_is_absent(source, tmp_path):
    (source / REAL / "071.mp4").write_bytes(b"no video")
    assert refusal(source, "faceforensics").startswith(f"{source / REAL / '071.mp4'}: found something else")
    (source / REAL / "054.mp4").unlink()
    prepare(source, tmp_path / "out", "faceforensics", on_error="skip")
    skipped = catalogue.clip_report(tmp_path / "out")["skipped"]
    assert [entry["path"] for entry in skipped] == [f"{REAL}/054.mp4", f"{REAL}/071.mp4"]


def test_nothing_there_is_an_error_even_when_skipping(source):
    for path in source.rglob("*.mp4"):
        path.unlink()
    assert refusal(source, "faceforensics", on_error="skip").startswith(f"{source} lacks 40 of 40 videos, ")


@pytest.mark.parametrize("name", [f"{FAKE.format('Face2Face')}/071_087", f"{REAL}/999"])
def test_a_video_of_no_pair_is_named(source, name):
    clip(source / name)
    message = (
        f"{source / name}.mp4 belongs to no pair of train.json, val.json, test.json in {source}, so its split is not "
        "known; take it out, or list its pair"
    )
    assert refusal(source, "faceforensics") == message


def test_hidden_files_and_masks_are_passed_over(source, tmp_path):
    (source / REAL / "._071.mp4").write_bytes(b"of a file system")
    clip(source / "manipulated_sequences/Deepfakes/masks/videos/071_054")
    assert len(rows(prepare(source, tmp_path / "out", "faceforensics"), source)) == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([["071", "054", "003"]], 'is no list of pairs such as [["071", "054"]]; fetch it again'),
        ([[71, 54]], 'is no list of pairs such as [["071", "054"]]; fetch it again'),
        ([["../071", "054"]], 'is no list of pairs such as [["071", "054"]]; fetch it again'),
        ([], 'is no list of pairs such as [["071", "054"]]; fetch it again'),
        (
            [["953", "071"]],
            ": the video 071 is in two pairs (the other is in train.json), but it can be in one; fetch the lists again",
        ),
    ],
)
def test_a_list_that_is_not_as_it_should_be_is_named(source, content, message):
    write_json(source / "test.json", content)
    assert refusal(source, "faceforensics") == f"{source / 'test.json'}{' ' * (message[0] != ':')}{message}"


def test_damaged_json_is_named(source):
    (source / "val.json").write_text('[["720", "672"]')
    assert refusal(source, "faceforensics").startswith(f"{source / 'val.json'} is damaged JSON (Expecting ")


def test_what_is_absent_altogether_is_named(source):
    shutil.rmtree(source / "manipulated_sequences")
    folder = source / "manipulated_sequences/Deepfakes/c23"
    message = f"there is no {folder}; complete the data set, or correct manipulations or compression"
    assert refusal(source, "faceforensics") == message
    shutil.rmtree(source / "original_sequences/youtube/c23/videos")
    message = f"{source / 'original_sequences/youtube'} has none of raw, c23, c40; complete the data set, or correct"
    (source / "original_sequences/youtube/c23").rmdir()
    assert refusal(source, "faceforensics").startswith(message)
