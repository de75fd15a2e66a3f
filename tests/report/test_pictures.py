"""Pictures of images and clips: what is shown is what was given."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from rrlib.errors import InputError
from rrlib.report import figures, pictures


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


def test_examples_show_the_clean_image_the_perturbation_and_the_attacked_image():
    clean = torch.full((2, 3, 4, 4), 0.5)
    attacked = clean.clone()
    attacked[0, 0, 0, 0] += 0.1
    attacked[0, 1, 0, 0] -= 0.05
    figure = pictures.plot_examples(clean, attacked, ["first", "second"])
    shown = [np.asarray(ax.get_images()[0].get_array()) for ax in figure.axes]
    assert shown[0] == pytest.approx(clean[0].permute(1, 2, 0).numpy())
    assert shown[4] == pytest.approx(attacked[0].permute(1, 2, 0).numpy())
    assert shown[2][0, 0] == pytest.approx([0.625] * 3, abs=1e-6)  # stretched round mid-grey, the mean of the colours
    assert (shown[3] == 0.5).all()  # nothing was changed
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "first", "second", "largest change 0.100", "largest change 0.000"
    ]  # fmt: skip


# Clips


def clips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A clip whose frames brighten one by one, and the same with its last frame brighter by 0.1, the first by 0.05."""
    clean = (torch.arange(count) / 100).view(-1, 1, 1, 1).expand(count, 3, 4, 6).clone()
    attacked = clean.clone()
    attacked[0] += 0.05
    attacked[-1] += 0.1
    return clean, attacked


def filmstrip(figure) -> tuple[np.ndarray, plt.Axes]:
    """The images in their three rows, and the axes of the score."""
    strip, scores = figure.subfigs
    shown = [np.asarray(ax.get_images()[0].get_array()) for ax in strip.axes]
    return np.reshape(shown, (3, -1, *shown[0].shape)), scores.axes[0]


def test_a_filmstrip_shows_eight_frames_from_first_to_last_and_the_score_of_all():
    clean, attacked = clips(32)
    before, after = np.linspace(0.9, 1, 32), np.linspace(0.1, 0.4, 32)
    figure = pictures.plot_filmstrip(clean, attacked, before, after, "clip 3 under pgd")
    shown, scores = filmstrip(figure)
    frames = [0, 4, 9, 13, 18, 22, 27, 31]
    assert shown[0] == pytest.approx(clean[frames].permute(0, 2, 3, 1).numpy())
    assert shown[2] == pytest.approx(attacked[frames].permute(0, 2, 3, 1).numpy())
    strip, _ = figure.subfigs
    assert [ax.get_title() for ax in strip.axes[:8]] == [f"frame {frame}" for frame in frames]
    assert [ax.get_ylabel() for ax in strip.axes[::8]] == ["clean", "perturbation", "attacked"]
    drawn = {line.get_label(): line.get_ydata() for line in scores.get_lines()[:2]}
    assert drawn["before"] == pytest.approx(before, abs=0.0005)  # rounded
    assert drawn["after the attack"] == pytest.approx(after, abs=0.0005)


def test_a_filmstrip_stretches_the_perturbation_to_its_largest_value_in_the_clip():
    figure = pictures.plot_filmstrip(*clips(5), [0.9] * 5, [0.2] * 5, "clip 3")
    shown, _ = filmstrip(figure)
    assert [float(frame.mean()) for frame in shown[1]] == pytest.approx([0.75, 0.5, 0.5, 0.5, 1.0], abs=1e-5)
    assert figure.subfigs[0].get_suptitle() == "clip 3, largest change 0.100"


def test_the_score_is_named_with_its_direction():
    _, scores = filmstrip(pictures.plot_filmstrip(*clips(5), [0.9] * 5, [0.2] * 5, "clip 3"))
    assert scores.get_ylabel() == "probability of fake\n(0 real, 1 fake)"
    assert scores.get_xlabel() == "last frame that the detector has seen"
    assert scores.get_ylim() == (-0.05, 1.05)


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_a_clip_of_at_most_eight_frames_is_shown_whole(count):
    clean, attacked = clips(count)
    shown, _ = filmstrip(pictures.plot_filmstrip(clean, attacked, [0.5] * count, [0.5] * count, "clip"))
    assert shown[0] == pytest.approx(clean.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(
    ("attacked", "after", "shapes"),
    [
        ((4, 3, 4, 6), (5,), "(5, 3, 4, 6), (4, 3, 4, 6), (5,), (5,)"),
        ((5, 3, 4, 6), (4,), "(5, 3, 4, 6), (5, 3, 4, 6), (5,), (4,)"),
    ],
)
def test_a_filmstrip_of_what_does_not_match_is_refused(attacked, after, shapes):
    message = f"shapes {shapes} were given; pass two clips (T, 3, H, W) and two scores (T,)"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        pictures.plot_filmstrip(torch.zeros(5, 3, 4, 6), torch.zeros(attacked), np.zeros(5), np.zeros(after), "clip")


def test_a_contact_sheet_has_a_row_for_each_clip_and_its_name_before_it():
    long, short = clips(32)[0], clips(3)[0]
    axes = pictures.plot_clips([long, short], ["real, video 7", "fake, video 9"]).axes
    assert [axes[0].get_ylabel(), axes[8].get_ylabel()] == ["real, video 7", "fake, video 9"]
    shown = [np.asarray(ax.get_images()[0].get_array()) for ax in axes if ax.get_images()]
    frames = [*long[[0, 4, 9, 13, 18, 22, 27, 31]], *short]
    assert len(shown) == len(frames)
    for pixels, frame in zip(shown, frames, strict=True):
        assert pixels == pytest.approx(frame.permute(1, 2, 0).numpy())


def test_the_same_clip_is_the_same_file(tmp_path):
    for name in ("first.svg", "second.svg"):
        figures.save(pictures.plot_filmstrip(*clips(5), [0.9] * 5, [0.2] * 5, "clip 3"), tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_clip_paths_are_named_by_order_and_not_by_last_digits_of_a_layout():
    drawn = figures.rendered(pictures.plot_filmstrip(*clips(5), [0.9] * 5, [0.2] * 5, "clip 3"), "svg").decode()
    named = re.findall(r'<clipPath id="([^"]+)"', drawn)
    assert named == [f"clip{number}" for number in range(len(named))]
    assert named
    assert set(re.findall(r'clip-path="url\(#([^)]+)\)"', drawn)) <= set(named)


def test_of_a_thousand_families_the_first_are_drawn(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    names = [r"$5 \foo$", "long" * 100, *map(str, range(1000))]
    frame = pd.DataFrame({"path": "a.png", "label": 1, "group": "g", "family": names})
    figure = pictures.plot_families(tmp_path, frame, columns=1)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == [r"$5 \foo$", f"{'long' * 9}lon…", *map(str, range(pictures.FAMILIES - 2))]
    figures.save(figure, tmp_path / "figure.svg")
