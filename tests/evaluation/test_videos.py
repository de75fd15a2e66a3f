"""From frames to videos: means by hand, against pandas, and what follows from the triangle inequality."""

import re

import numpy as np
import pandas as pd
import pytest

from rrlib.analysis import summary
from rrlib.errors import InputError
from rrlib.evaluation import tables
from rrlib.evaluation.videos import by_video

KEYS = ["dataset", "detector", "attack", "sample", "epsilon"]


@pytest.fixture
def frames() -> pd.DataFrame:
    """Two data sets × two attacks × 12 videos of 1 to 5 frames at three epsilons, with random numbers."""
    rng = np.random.default_rng(0)
    samples = [f"{'fake' if n % 2 else 'real'}/v{n}/{k:03}" for n in range(12) for k in range(1 + n % 5)]
    index = pd.MultiIndex.from_product(
        [["talks", "walks"], ["meso4"], ["noise", "pgd"], samples, [0.0, 0.05, 0.1]],
        names=["dataset", "detector", "attack", "sample", "epsilon"],
    )
    table = index.to_frame(index=False)
    number = table["sample"].str.extract(r"v(\d+)/")[0].astype(int)
    table["group"], table["label"] = "g" + (number // 2).astype(str), number % 2
    table["p_clean"] = rng.random(len(samples))[table.groupby("epsilon").cumcount() % len(samples)]
    table["p_attacked"] = rng.random(len(table)).clip(0, 1)
    table["linf"] = table["epsilon"] * rng.random(len(table))
    table["gradient"] = pd.array(rng.choice([True, False, pd.NA], len(table)), dtype="boolean")
    clean = table["epsilon"] == 0
    table.loc[clean, "p_attacked"] = table.loc[clean, "p_clean"]
    table.loc[clean | (table["attack"] == "noise"), "gradient"] = pd.NA
    table["shift"] = (table["p_clean"] - table["p_attacked"]).abs()
    return table[tables.SCHEMA.names]


def test_the_score_of_a_video_is_the_mean_of_its_frames_scores(frames):
    found = by_video(frames).set_index(KEYS).sort_index()
    video = frames["sample"].str.replace(r"/\d+$", "", regex=True)
    mean = frames.assign(sample=video).groupby(KEYS)[["p_clean", "p_attacked"]].mean()
    assert len(found) == len(mean) == 2 * 2 * 12 * 3
    assert found[["p_clean", "p_attacked"]].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-15)
    assert found["shift"].to_numpy() == pytest.approx((mean["p_clean"] - mean["p_attacked"]).abs(), abs=1e-15)
    largest = frames.assign(sample=video).groupby(KEYS)["linf"].max()
    assert found["linf"].tolist() == largest.tolist()


def test_a_table_of_videos_is_a_result_table(frames, tmp_path):
    videos = by_video(frames)
    assert list(videos) == tables.SCHEMA.names
    tables.check(videos, "videos")
    tables.write(tmp_path / "videos.parquet", videos)
    pd.testing.assert_frame_equal(tables.read(tmp_path / "videos.parquet"), videos, check_dtype=False)


def test_cells_and_videos_keep_their_order_and_what_is_said_of_the_table_stays(frames):
    frames.attrs = {"attacked": "a copy"}
    videos = by_video(frames)
    first = videos[:6]
    assert first["sample"].tolist() == ["real/v0"] * 3 + ["fake/v1"] * 3
    assert first["epsilon"].tolist() == [0, 0.05, 0.1] * 2
    assert videos["attack"].drop_duplicates().tolist() == ["noise", "pgd"]
    assert videos.attrs == {"attacked": "a copy"}


def test_the_order_of_the_frames_does_not_matter(frames):
    shuffled = by_video(frames.sample(frac=1, random_state=0)).set_index(KEYS)
    expected = by_video(frames).set_index(KEYS)
    pd.testing.assert_frame_equal(shuffled.loc[expected.index], expected)


@pytest.mark.parametrize("distance", ["linf", "tv", "l2", "js"])
def test_at_epsilon_0_no_video_moves(frames, distance):
    videos = by_video(frames, distance)
    assert (videos.loc[videos["epsilon"] == 0, "shift"] == 0).all()
    assert videos.loc[videos["epsilon"] > 0, "shift"].gt(0).mean() > 0.9


def test_a_video_moves_by_no_more_than_its_frames_do_on_average(frames):
    videos = by_video(frames).set_index(KEYS)["shift"]
    sample = frames["sample"].str.rsplit("/", n=1).str[0]
    mean = frames.assign(sample=sample).groupby(KEYS)["shift"].mean()
    assert (videos <= mean[videos.index] + 1e-12).all()
    assert (videos < mean[videos.index] - 0.01).any()


def test_a_video_of_one_frame_is_that_frame(frames):
    alone = frames[frames["sample"].str.contains(r"v(?:0|5|10)/")].reset_index(drop=True)
    videos = by_video(alone)
    assert videos["sample"].tolist() == alone["sample"].str.removesuffix("/000").tolist()
    pd.testing.assert_frame_equal(videos.drop(columns="sample"), alone.drop(columns="sample"), check_dtype=False)


def test_frames_that_move_in_opposite_directions_cancel(frames):
    two = frames[frames["sample"].str.contains("v1/") & (frames["epsilon"] == 0.1)][:2]
    two = two.assign(p_clean=0.5, p_attacked=[0.9, 0.1], shift=0.4)
    assert by_video(two)["shift"].item() == pytest.approx(0)


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([True, False, pd.NA], True),
        ([False, False, False], False),
        ([False, pd.NA, pd.NA], False),
        ([pd.NA] * 3, pd.NA),
    ],
)
def test_a_video_gave_a_gradient_if_any_frame_did(frames, gradients, expected):
    three = frames[frames["sample"].str.contains("v2/") & (frames["epsilon"] == 0.1)][:3]
    found = by_video(three.assign(gradient=pd.array(gradients, dtype="boolean")))["gradient"]
    assert found.equals(pd.Series([expected], dtype="boolean"))


def test_the_groups_of_videos_are_those_of_their_frames(frames):
    found = summary.by_epsilon(by_video(frames), [0.1])
    assert set(found["samples"]) == {12}
    assert set(found["groups"]) == {6}


@pytest.mark.parametrize(("column", "value", "found"), [("group", "h", "h and g0"), ("label", 1, "1 and 0")])
def test_frames_of_one_video_must_agree(frames, column, value, found):
    rows = frames[frames["sample"].str.contains("v5/|v0/")].copy()
    rows["sample"] = rows["sample"].str.replace("fake/v5/000", "real/v0/001")
    rows = rows.assign(group="g0", label=0)
    assert len(by_video(rows)) == len(rows) / 2
    rows.loc[rows.index[0], column] = value
    message = f"the frames of real/v0 have the {column}s {found}; give all frames of a video one"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        by_video(rows)


def test_a_sample_that_names_no_video_is_refused(frames):
    frames.loc[3, "sample"] = "lonely"
    message = "the sample lonely names no video; call a frame VIDEO/NUMBER, as the kind frames does"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        by_video(frames)


def test_an_unknown_distance_is_refused(frames):
    with pytest.raises(InputError, match="distance"):
        by_video(frames, "far")
