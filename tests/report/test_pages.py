"""What notebooks begin with, show and end with."""

import hashlib
import re

import pandas as pd
import pytest

from rrlib.datasets import Clips, Folder, Frames, Synthetic, SyntheticClips
from rrlib.errors import InputError
from rrlib.report import pages, provenance


def test_begin_goes_to_the_root_from_any_folder_below(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").touch()
    below = tmp_path / "notebooks" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    pages.begin()
    assert pages.Path.cwd() == tmp_path


def test_begin_outside_a_repository_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(f"no params.yaml in {tmp_path} or above it")):
        pages.begin()


DRAWN = Synthetic(seed=0, size=32, images={"test": 4}, strength=0.5)
MOVING = SyntheticClips(seed=0, size=32, frames=4, clips={"test": 4}, strength=0.5)


def test_only_drawn_data_carry_the_note():
    assert "Synthetic data." in pages.data_note(DRAWN).data
    note = pages.data_note(Folder(source="faces", seed=0)).data
    assert note == "> **Data.** The images are those of `faces`."


def test_one_note_names_all_that_is_drawn():
    note = pages.data_note(DRAWN, MOVING, DRAWN, Clips(source="videos", seed=0, frames=4)).data
    assert note.startswith(
        "> **Data.** The clips are those of `videos`.\n>\n> **Synthetic data.** These images and clips "
    )
    assert note.count("Synthetic data.") == 1


def test_a_page_says_how_its_clips_were_read_and_what_was_left_out():
    report = {"frames": 8, "stride": None, "skipped": [], "crop": None}
    assert pages.reading_note(None).startswith("Each image is resized")
    assert pages.reading_note(report) == (
        "Of each clip 8 frames are read, evenly spaced over its length, and resized to its detector's input size. "
        "None was left out."
    )
    crop = {"scale": 1.3, "size": 256, "frames": 80, "without_face": 3, "without_face_by_path": {"a.mp4": 3}}
    told = pages.reading_note(report | {"stride": 2, "skipped": [{"path": "b.mp4", "reason": "cut"}], "crop": crop})
    assert "2 apart, from the middle" in told
    assert "1.3 times as large" in told
    assert "in 3 of 80 frames no face was found" in told
    assert told.endswith("1 source was left out:")
    many = [{"path": f"{number}.mp4", "reason": "cut"} for number in range(2412)]
    assert pages.reading_note(report | {"skipped": many}).endswith(
        "2412 sources were left out, the first 20 of which are:"
    )


def test_a_page_of_images_says_what_was_decided_passed_over_and_left_out():
    passed_over = [{"what": "hidden files", "count": 3, "first": "real/.a"}]
    report = {"skipped": [{"path": "b.png", "reason": "cut"}], "passed_over": passed_over, "notes": ["Two are one."]}
    assert pages.reading_note(None, None, report) == (
        "Each image is resized to its detector's input size when it is read. Two are one. "
        "Passed over (hidden files: 3). 1 source was left out:"
    )


def test_a_page_says_which_frames_of_videos_became_images():
    report = {"frames": 1, "stride": None, "skipped": [], "crop": None}
    assert pages.reading_note(None, report) == (
        "Of each video 1 frame was taken, evenly spaced over its length; each is an image, resized to its detector's "
        "input size. None was left out."
    )
    assert "Of each video 32 frames were taken, 2 apart" in pages.reading_note(
        None, report | {"frames": 32, "stride": 2}
    )
    note = pages.data_note(Frames(source="talks", seed=0, frames=32)).data
    assert note == "> **Data.** The frames are those of `talks`."


def test_frames_and_videos_are_told_apart():
    note = pages.levels_note(["talks", "walks"]).data
    assert "`talks`, `walks` are frames, those of `talks-videos`, `walks-videos` whole videos" in note


def test_equal_tables_are_shown_with_equal_bytes():
    table = pd.DataFrame({"ε": [0.002, 0.1], "RA": [0.98765, None]})
    first, again = pages.show(table, missing="none"), pages.show(table.copy(), missing="none")
    assert first.data == again.data
    for cell in (">0.002<", ">0.1<", ">0.988<", ">none<"):
        assert cell in first.data


def test_a_table_without_rows_is_a_sentence_and_no_bare_header():
    table = pd.DataFrame(columns=["detector", "RA"])
    assert pages.show(table).data == "<p>None.</p>"
    assert pages.show(table, empty="No cell is alike.").data == "<p>No cell is alike.</p>"


def test_the_record_names_inputs_by_their_hash(tmp_path):
    path = tmp_path / "table"
    path.write_bytes(b"content")
    record = provenance.record([path], {"seed": 0}).set_index("name")["value"]
    assert record[str(path)] == f"SHA-256 {hashlib.sha256(b'content').hexdigest()[:12]}…"
    assert record["seed"] == "0"
    assert record["rrlib"] == "0.1.0"
