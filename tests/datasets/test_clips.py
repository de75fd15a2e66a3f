"""Facts about clips as detectors see them: from videos, from folders of frames, and as a set of both."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from rrlib.datasets import clips, images, reports, video
from rrlib.datasets.clips import ClipSet
from rrlib.errors import InputError


def noise(count: int = 6, height: int = 5, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def save_frames(folder: Path, frames: np.ndarray, first: int = 8) -> Path:
    """Frames as 8.png, 9.png, 10.png, …: their natural order is not that of the alphabet."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(frames, start=first):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def refusal(path: Path, frames: int, stride: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        list(clips.stream(path, frames, stride))
    return str(caught.value)


@pytest.mark.parametrize("choice", [(6, None), (4, None), (2, None), (2, 3), (3, 1), (6, 1)])
def test_a_folder_of_frames_and_a_video_of_them_give_the_same_clip(tmp_path, choice):
    video.encode(tmp_path / "a.mkv", noise())
    frames = list(clips.stream(save_frames(tmp_path / "a", noise()), *choice))
    np.testing.assert_array_equal(frames, list(clips.stream(tmp_path / "a.mkv", *choice)))


def test_frames_are_in_the_natural_order_of_their_names(tmp_path):
    for name in ("b2.png", "b10.png", "b01.png", "b1.png", "a.png", ".hidden", "10.png", "9.png", "²3.png"):
        (tmp_path / name).touch()
    expected = ["9.png", "10.png", "a.png", "b01.png", "b1.png", "b2.png", "b10.png", "²3.png"]
    assert clips.frame_names(tmp_path) == expected


def test_frames_of_a_folder_may_differ_in_size(tmp_path):
    save_frames(tmp_path / "a", noise(2))
    Image.fromarray(noise(1, 9, 4)[0]).save(tmp_path / "a" / "10.jpg")
    assert [frame.shape for frame in clips.stream(tmp_path / "a", 3)] == [(5, 7, 3), (5, 7, 3), (9, 4, 3)]


@pytest.mark.parametrize(("count", "found"), [(0, "no frames"), (1, "1 frame"), (3, "3 frames")])
def test_a_folder_with_too_few_frames_is_refused(tmp_path, count, found):
    path = save_frames(tmp_path / "a", noise(count))
    message = f"{path}: found {found}, but a clip of 4 frames needs 4; ask for less or take it out"
    assert refusal(path, 4) == message
    assert refusal(path, 2, stride=5).endswith("a clip of 2 frames at stride 5 needs 6; ask for less or take it out")


def test_another_file_among_the_frames_is_refused(tmp_path):
    path = save_frames(tmp_path / "a", noise())
    (path / "notes.txt").touch()
    message = f"{path}: found notes.txt among the frames, which must be JPEG or PNG files; take it out"
    assert refusal(path, 2) == message


def test_a_damaged_frame_is_named(tmp_path):
    path = save_frames(tmp_path / "a", noise())
    (path / "13.png").write_bytes((path / "13.png").read_bytes()[:-9])
    assert refusal(path, 6).startswith(f"{path / '13.png'}: found a truncated or damaged PNG")


def test_the_hash_of_a_folder_is_that_of_its_names_and_files(tmp_path):
    first, same, other = (save_frames(tmp_path / name, noise()) for name in "abc")
    (first / ".DS_Store").touch()
    assert clips.sha256(first) == clips.sha256(same)
    (other / "9.png").rename(other / "7.png")
    assert clips.sha256(first) != clips.sha256(other)
    save_frames(tmp_path / "d", noise(seed=1))
    assert clips.sha256(first) != clips.sha256(tmp_path / "d")


@pytest.fixture
def clip_set(tmp_path) -> ClipSet:
    """A video of 6 × 5 × 7 pixels and a folder of frames of another size."""
    video.encode(tmp_path / "b.mp4", noise())
    save_frames(tmp_path / "a", noise(8, 12, 9))
    frame = pd.DataFrame(
        {"sample": ["b", "a"], "path": ["b.mp4", "a"], "label": [1, 0], "group": ["7", "007"]}, index=[5, 3]
    )
    return ClipSet(frame, tmp_path, input_size=4, frames=3)


def test_an_item_is_the_resized_clip_in_0_to_1_with_label_and_index(clip_set):
    clip, label, index = clip_set[0]
    assert (clip.shape, clip.dtype, label, index) == ((3, 3, 4, 4), torch.float32, 1, 0)
    expected = [images.resize(noise()[number], 4).transpose(2, 0, 1) for number in (1, 3, 5)]
    np.testing.assert_array_equal((clip * 255).round().numpy(), expected)


def test_the_table_has_the_samples_in_the_order_of_the_items(clip_set):
    assert clip_set.table.to_dict("list") == {"sample": ["b", "a"], "group": ["7", "007"], "label": [1, 0]}
    assert clip_set.table.index.tolist() == [0, 1]


def test_clips_of_different_size_make_one_batch(clip_set):
    (batch, labels, indices), *rest = torch.utils.data.DataLoader(clip_set, batch_size=2)
    assert (batch.shape, labels.tolist(), indices.tolist(), rest) == ((2, 3, 3, 4, 4), [1, 0], [0, 1], [])


def test_a_stride_is_honoured(tmp_path, clip_set):
    frame = clip_set.table.assign(path=["b.mp4", "a"])
    clip, *_ = ClipSet(frame, tmp_path, 4, frames=2, stride=4)[0]
    assert torch.equal(clip[0] * 255, torch.from_numpy(images.resize(noise()[0], 4)).permute(2, 0, 1).float())


def test_what_is_kept_is_decoded_once_and_gives_the_same_item(tmp_path, clip_set):
    frame = clip_set.table.assign(path=["b.mp4", "a"])
    kept = ClipSet(frame, tmp_path, 4, keep=True, frames=3)
    first = kept[0][0]
    (tmp_path / "b.mp4").unlink()
    assert torch.equal(kept[0][0], first)
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'b.mp4'} cannot be read")):
        clip_set[0]


def test_a_report_is_read_as_it_was_written(tmp_path):
    assert reports.read_report(tmp_path) is None
    skipped = [{"path": "real/é.mp4", "reason": "found no video"}]
    reports.write_report(tmp_path, 8, skipped=skipped)
    how = {"frames": 8, "stride": None, "crop": None}
    assert reports.read_report(tmp_path) == how | {"skipped": skipped, "passed_over": [], "notes": []}
    assert [path.name for path in tmp_path.iterdir()] == ["clips.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"frames": 4}', b"[" * 100_000],
    ids=["empty", "cut", "list", "bytes", "part", "deep"],
)
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "clips.json").write_bytes(content)
    with pytest.raises(InputError, match=r"clips\.json is not a report on a data set.*; prepare the data set again$"):
        reports.read_report(tmp_path)


@pytest.mark.parametrize("how", [{"frames": 0}, {"frames": "4"}, {"stride": 0}, {"crop": []}, {"skipped": None}])
def test_a_report_that_says_what_cannot_be_is_named(tmp_path, how):
    reports.write_report(tmp_path, frames=4)
    assert reports.read_report(tmp_path)["frames"] == 4
    changed = json.dumps(reports.read_report(tmp_path) | how)
    (tmp_path / "clips.json").write_text(changed)
    with pytest.raises(InputError, match=r"clips\.json is not a report on a data set; prepare the data set again$"):
        reports.read_report(tmp_path)
