"""Facts about face crops: a box follows one face, without jitter, and frames without a face are counted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rrlib.datasets import catalogue, crops, manifest, video
from rrlib.errors import InputError

BLANK = (5, 6)


def portrait(real: Path, number: int = 0, size: int = 128) -> np.ndarray:
    path = sorted((real / "faces" / "real").iterdir())[number]
    return np.array(Image.open(path).convert("RGB").resize((size, size)))


def moving(face: np.ndarray, blank: tuple[int, ...] = BLANK, count: int = 12) -> np.ndarray:
    """A face that moves by (3, 15) pixels a frame over a grey canvas; in some frames there is the canvas alone."""
    frames = np.full((count, 240, 400, 3), 110, np.uint8)
    side = len(face)
    for number in set(range(count)) - set(blank):
        y, x = 20 + 3 * number, 10 + 15 * number
        frames[number, y : y + side, x : x + side] = face
    return frames


@pytest.fixture
def cv2():
    return pytest.importorskip("cv2")


def test_the_box_follows_a_moving_face_through_blank_frames(real, cv2):
    found = [crops.faces(frame) for frame in moving(portrait(real))]
    assert [len(faces) for faces in found] == [int(number not in BLANK) for number in range(12)]
    boxes = crops.smooth(crops.track(found))
    steps = np.diff(boxes, axis=0)
    assert np.abs(steps - [15, 3, 0]).max() < 3
    # a portrait's face lies round its middle
    assert np.abs(boxes[:, :2] - [[10 + 15 * number + 64, 20 + 3 * number + 64] for number in range(12)]).max() < 25


def test_a_crop_shows_the_face_at_one_place_and_counts_blank_frames(real, cv2, tmp_path):
    video.encode(tmp_path / "moving.mp4", moving(portrait(real)))
    cropped, missing = crops.cut_out(tmp_path / "moving.mp4", 12, None, size=64)
    assert (missing, cropped.shape, cropped.dtype) == (2, (12, 64, 64, 3), np.uint8)
    cropped = cropped.astype(float)
    seen = [number for number in range(12) if number not in BLANK]
    assert np.abs(cropped[seen] - cropped[seen].mean(axis=0)).mean() < 12
    assert np.abs(cropped[list(BLANK)] - 110).max() <= 1


def test_cropping_again_gives_the_same_pixels(real, cv2, tmp_path):
    video.encode(tmp_path / "moving.mp4", moving(portrait(real)))
    (first, _), (again, _) = (crops.cut_out(tmp_path / "moving.mp4", 4, None) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_large_frame_is_searched_at_a_smaller_scale_with_the_same_answer(real, cv2):
    frame = moving(portrait(real))[0]
    large = np.array(Image.fromarray(frame).resize((400 * 4, 240 * 4)))
    np.testing.assert_allclose(crops.faces(large) / 4, crops.faces(frame), atol=6)


def test_a_video_without_a_face_is_refused(cv2, tmp_path):
    video.encode(tmp_path / "grey.mp4", np.full((4, 96, 96, 3), 110, np.uint8))
    message = "found no face in any of 3 frames, but a crop needs one; take it out or leave out crop"
    with pytest.raises(InputError, match=message):
        crops.cut_out(tmp_path / "grey.mp4", 3, None)


def test_the_track_is_the_face_that_is_seen_longest_and_largest():
    near = [np.array([50.0 + number, 50, 20]) for number in range(5)]
    far, flash = np.array([200.0, 50, 15]), np.array([120.0, 90, 60])
    found = [np.stack([far, box]) for box in near]
    found[2] = np.stack([flash, far, near[2]])
    np.testing.assert_array_equal(crops.track(found), near)


def test_a_face_that_is_gone_for_a_while_may_come_back_further_away():
    empty = np.empty((0, 3))
    found = [np.array([[50.0, 50, 20]]), empty, empty, np.array([[100.0, 50, 22]])]
    assert crops.track(found)[:, 0].tolist()[::3] == [50, 100]
    assert np.isnan(crops.track([found[0], found[3]])).any()


def test_no_face_at_all_is_no_box():
    assert np.isnan(crops.track([np.empty((0, 3))] * 4)).all()


def test_a_steady_motion_is_not_changed_by_smoothing():
    boxes = np.stack([np.arange(9) * 4.0, 50 - np.arange(9), np.full(9, 20.0)], axis=1)
    np.testing.assert_allclose(crops.smooth(boxes), boxes)
    gaps = boxes.copy()
    gaps[[3, 4, 6]] = np.nan
    np.testing.assert_allclose(crops.smooth(gaps), boxes)


def test_a_single_jump_is_taken_out_and_trembling_is_halved():
    boxes = np.tile([40.0, 40, 20], (11, 1))
    boxes[5] += 30
    np.testing.assert_allclose(crops.smooth(boxes), np.tile([40.0, 40, 20], (11, 1)))
    boxes = np.tile([40.0, 40, 20], (200, 1)) + np.random.default_rng(0).normal(size=(200, 3))
    assert crops.smooth(boxes).std() < boxes.std()
    assert (np.diff(crops.smooth(boxes), axis=0).std(axis=0) < 0.25 * np.diff(boxes, axis=0).std(axis=0)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_face_seen_once_keeps_its_box(count):
    boxes = np.full((count, 3), np.nan)
    boxes[-1] = [4, 5, 6]
    np.testing.assert_array_equal(crops.smooth(boxes), np.tile([4.0, 5, 6], (count, 1)))


def test_a_cut_is_the_enlarged_square():
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[10:30, 20:40] = 200
    assert (crops.cut(frame, np.array([30.0, 20, 20]), 1, 20) == 200).all()
    twice = crops.cut(frame, np.array([30.0, 20, 20]), 2, 40)
    np.testing.assert_array_equal(twice, frame[:, 10:50])


def test_beyond_the_frame_its_edge_is_repeated():
    frame = np.arange(8, dtype=np.uint8).repeat(24).reshape(8, 8, 3) * 10
    expected = np.clip(np.arange(-4, 4), 0, 7) * 10
    assert crops.cut(frame, np.array([0.0, 0, 8]), 1, 8)[:, 3, 0].tolist() == expected.tolist()


def test_without_opencv_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"need OpenCV, which is not installed; .* 'opencv-python-headless>"):
        crops.check_installed()


def test_a_data_set_of_crops_counts_frames_without_a_face(real, cv2, tmp_path):
    source = tmp_path / "videos"
    for label, kind in enumerate(("real", "fake")):
        (source / kind).mkdir(parents=True)
        for number in range(3):
            blank = BLANK if (kind, number) == ("real", 1) else ()
            face = portrait(real, 3 * label + number)
            video.encode(source / kind / f"{kind}{number}.mp4", moving(face, blank, 8))
    video.encode(source / "fake" / "grey.mp4", np.full((8, 96, 96, 3), 110, np.uint8))
    crop = {"scale": 1.5, "size": 48}
    definition = {"kind": "clips", "source": str(source), "seed": 0, "frames": 4, "crop": crop, "on_error": "skip"}
    catalogue.prepare("mine", definition, tmp_path / "out")
    report = catalogue.clip_report(tmp_path / "out")
    assert [entry["path"] for entry in report["skipped"]] == ["fake/grey.mp4"]
    assert report["crop"]["without_face_by_path"]["real/real1.mp4"] >= 1
    assert report["crop"]["without_face"] == sum(report["crop"]["without_face_by_path"].values())
    assert {key: report["crop"][key] for key in ("scale", "size", "frames")} == {**crop, "frames": 24}
    assert manifest.read(tmp_path / "out")["path"].tolist()[0] == "fake/fake0.mkv"
    assert catalogue.load(tmp_path / "out", "test", 48)[0][0].shape == (4, 3, 48, 48)


def test_frames_that_would_fill_the_memory_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    video.encode(tmp_path / "large.mp4", np.zeros((4, 20, 30, 3), np.uint8))
    monkeypatch.setattr(crops, "MOST_HELD", 4 * 20 * 30 * 3 - 1)
    with pytest.raises(InputError, match=r"large\.mp4: 4 frames of 30 × 20 pixels take 0\.0 GiB, but a crop looks at "):
        crops.cut_out(tmp_path / "large.mp4", 4, None)
