"""A data set of frames of videos through the stages: tables and pages at two levels, of frames and of videos."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small import FEW, first_table, table

pytestmark = pytest.mark.slow
PAGE = "outputs/notebooks/detectors/talks/resnet/pgd.ipynb"


def videos_of(talks: Path) -> pd.DataFrame:
    everything = pd.read_parquet(talks / "outputs/results/image.parquet")
    return everything[everything["dataset"] == "talks-videos"]


def shown(page: Path) -> str:
    """What the cells of an executed notebook show."""
    cells = json.loads(page.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(text) for output in outputs for text in output.get("data", {}).values())


def test_frames_are_images_on_disk_beside_their_manifest(talks):
    manifest = pd.read_csv(talks / "outputs/datasets/talks/manifest.csv")
    assert len(manifest) == 24 * 4 == len(list((talks / "outputs/datasets/talks").rglob("*.png")))
    assert manifest["sample"][0] == "fake/person0/fake/000"
    assert manifest.groupby("group")["split"].nunique().eq(1).all()


def test_the_table_of_videos_is_the_mean_of_the_table_of_frames(talks):
    frames = table(talks, "talks", "resnet", "pgd")
    videos = videos_of(talks)
    video = frames["sample"].str.replace(r"/\d{3}$", "", regex=True)
    mean = frames.groupby([video, "epsilon"], sort=False)["p_attacked"].mean().reset_index()
    assert videos[["sample", "epsilon"]].values.tolist() == mean[["sample", "epsilon"]].values.tolist()
    assert videos["p_attacked"].tolist() == pytest.approx(mean["p_attacked"].tolist(), abs=1e-12)
    assert len(frames) == 4 * len(videos)
    assert set(videos["epsilon"]) == set(FEW["epsilons"])


def test_the_figure_has_a_panel_for_frames_and_one_for_videos(talks):
    text = shown(talks / "outputs/notebooks/figure1.ipynb")
    assert ">image: talks · worst case, ε = 0.01</text>" in text
    assert ">image: talks-videos · worst case, ε = 0.01</text>" in text
    assert "Two levels." in text


def test_the_page_of_a_cell_shows_both_levels(talks):
    text = shown(talks / PAGE)
    assert "## Videos" in text
    rows = videos_of(talks)
    robust = (rows["shift"] <= 0.1).groupby(rows["epsilon"]).mean()
    assert first_table(text[text.index("## Videos") :])["RR(0.1)"] == [f"{share:.3f}" for share in robust]


def test_the_page_of_the_data_set_says_which_frames_were_taken_and_what_was_left_out(talks):
    text = shown(talks / "outputs/notebooks/datasets/talks.ipynb")
    assert "Of each video 4 frames were taken, evenly spaced over its length" in text
    assert "real/broken.mp4" in text
