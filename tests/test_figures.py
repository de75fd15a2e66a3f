"""Figures: what is drawn is what the table holds, and the same table is the same file."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from rrlib import figures, pictures, summary
from rrlib.errors import InputError

EPSILONS = [0.0, 0.01, 0.1]


def results(datasets=("faces", "drawn"), detectors=("meso4", "resnet"), attacks=("noise", "pgd")) -> pd.DataFrame:
    """A table of random numbers, 20 samples in each cell, shifts growing with ε."""
    rng = np.random.default_rng(0)
    names = ["dataset", "detector", "attack", "sample", "epsilon"]
    samples = [f"s{number}" for number in range(20)]
    table = pd.MultiIndex.from_product([datasets, detectors, attacks, samples, EPSILONS], names=names).to_frame(False)
    table["label"] = table["sample"].str[1:].astype(int) % 2
    table["p_clean"] = 0.5
    table["p_attacked"] = 0.5 + rng.uniform(-5, 5, len(table)) * table["epsilon"]
    table["shift"] = (table["p_attacked"] - 0.5).abs()
    return table.assign(group=table["sample"], gradient=True)


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.figure().add_subplot()


def lines(ax, label: str) -> np.ndarray:
    """The y values of the line with that label."""
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return np.asarray(line.get_ydata())


def value(table: pd.DataFrame, measure: str, tolerance: float | None = None) -> np.ndarray:
    data = summary.by_epsilon(table, [] if tolerance is None else [tolerance])
    return data[data["measure"] == measure]["value"].to_numpy()


def cell(table: pd.DataFrame, dataset: str, detector: str, attack: str) -> pd.DataFrame:
    chosen = (table["dataset"] == dataset) & (table["detector"] == detector) & (table["attack"] == attack)
    return table[chosen]


def panels(figure) -> dict[str, tuple]:
    """Title → (left axes, right axes)."""
    half = len(figure.axes) // 2
    return {
        left.get_title(): (left, right)
        for left, right in zip(figure.axes[:half], figure.axes[half:], strict=True)
    }  # fmt: skip


def test_figure1_draws_rr_over_tolerance_on_the_left_and_ra_on_the_right():
    table = results()
    drawn = panels(figures.figure1(table, 0.1))
    assert list(drawn) == [
        "faces · noise, ε = 0.1", "faces · pgd, ε = 0.1", "drawn · noise, ε = 0.1", "drawn · pgd, ε = 0.1"
    ]  # fmt: skip
    for title, (left, right) in drawn.items():
        dataset, attack = re.split(" · |, ", title)[:2]
        markers = [line.get_ydata()[0] for line in right.get_lines() if line.get_marker() != "None"]
        dotted = [line.get_ydata()[0] for line in right.get_lines() if line.get_linestyle() == ":"]
        ra = []
        for detector in ("meso4", "resnet"):
            part = cell(table, dataset, detector, attack).query("epsilon == 0.1")
            expected = [(part["shift"] <= tolerance).mean() for tolerance in figures.CURVE]
            assert lines(left, detector) == pytest.approx(expected)
            ra.append(summary.correct(part).mean())
        assert markers == dotted == pytest.approx(ra)


def test_figure1_over_epsilon_draws_rr_on_the_left_and_ra_on_the_right():
    table = results()
    drawn = panels(figures.figure1_by_epsilon(table, 0.2))
    left, right = drawn["drawn · pgd, τ = 0.2"]
    for number, detector in enumerate(("meso4", "resnet")):
        part = cell(table, "drawn", detector, "pgd")
        assert lines(left, detector) == pytest.approx(value(part, "RR", 0.2))
        assert right.get_lines()[number].get_ydata() == pytest.approx(value(part, "RA"))
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["0", "0.01", "0.1"]


@pytest.mark.parametrize("draw", [figures.figure1, figures.figure1_by_epsilon])
def test_both_forms_of_figure1_say_upper_bound_at_the_outer_axes_alone(draw):
    drawn = list(panels(draw(results(), 0.1)).values())  # two rows of two panels
    left = ["RR, robust ratio (upper bound) ↑", "", "RR, robust ratio (upper bound) ↑", ""]
    assert [axes[0].get_ylabel() for axes in drawn] == left
    assert [axes[1].get_ylabel() for axes in drawn] == ["", "RA, robust accuracy ↑", "", "RA, robust accuracy ↑"]
    assert {ax.get_ylim() for axes in drawn for ax in axes} == {(-0.03, 1.03)}


@pytest.mark.parametrize("draw", [figures.figure1, figures.figure1_by_epsilon])
@pytest.mark.parametrize(
    ("datasets", "detectors", "attacks"),
    [(["faces"], ["meso4"], ["pgd"]), (["faces", "drawn"], ["meso4"], ["pgd"]), (["faces"], ["a", "b"], ["c", "d"])],
)
def test_figure1_has_a_panel_for_each_data_set_and_attack(draw, datasets, detectors, attacks):
    figure = draw(results(datasets, detectors, attacks), 0.1)
    assert len(panels(figure)) == len(datasets) * len(attacks)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == detectors
    figure.canvas.draw()


def test_figure1_at_an_epsilon_that_was_not_measured_says_which_were():
    message = "the table has no rows at ε = 0.05; choose from 0, 0.01, 0.1"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        figures.figure1(results(), 0.05)


def test_a_detector_has_one_colour_in_all_panels_and_no_other_has_it():
    drawn = panels(figures.figure1(results(detectors=["a", "b", "c"]), 0.1))
    colours = [{line.get_label(): line.get_color() for line in left.get_lines()} for left, _ in drawn.values()]
    assert all(each == colours[0] for each in colours)
    assert len(set(colours[0].values())) == 3


@pytest.mark.parametrize("count", [1, 4, 8])
def test_detectors_differ_in_colour_and_in_marker(count):
    styles = figures.styles([f"detector{number}" for number in range(count)]).values()
    assert len({style["color"] for style in styles}) == len({style["marker"] for style in styles}) == count


def test_measures_over_epsilon_are_drawn_in_order_of_epsilon(ax):
    table = cell(results(), "faces", "meso4", "pgd")
    figures.plot_by_epsilon(table.sort_values("epsilon", ascending=False), [0.05, 0.2], ax)
    assert lines(ax, "RA") == pytest.approx(value(table, "RA"))
    assert lines(ax, "RR(0.05)") == pytest.approx(value(table, "RR", 0.05))
    assert lines(ax, "RR(0.2)") == pytest.approx(value(table, "RR", 0.2))
    assert lines(ax, "RR(0.2)")[0] == 1
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "0.01", "0.1"]
    assert "upper bound" in ax.get_ylabel()
    assert ax.get_ylabel().endswith("↑")
    assert ax.get_xlabel() == "ε, radius of the attack (share of the pixel range)"


def test_intervals_are_drawn_round_the_values(ax):
    table = cell(results(), "faces", "meso4", "pgd")
    figures.plot_by_epsilon(table, [], ax)
    data = summary.by_epsilon(table, [])
    corners = ax.collections[0].get_paths()[0].vertices
    for position, row in enumerate(data.itertuples()):
        heights = corners[corners[:, 0] == position, 1]
        assert (heights.min(), heights.max()) == pytest.approx((row.low, row.high))


def test_curves_leave_the_clean_input_out_and_rise_to_one(ax):
    table = cell(results(), "faces", "meso4", "pgd")
    figures.plot_curves(table, ax)
    assert [line.get_label() for line in ax.get_lines()] == ["ε = 0.01", "ε = 0.1"]
    shift = table.query("epsilon == 0.1")["shift"]
    curve = lines(ax, "ε = 0.1")
    assert curve == pytest.approx([(shift <= tolerance).mean() for tolerance in figures.CURVE])
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == (figures.TOLERANCE_LABEL, figures.RR_LABEL)


def test_the_surface_shows_rr_at_each_tolerance_and_epsilon(ax):
    table = cell(results(), "faces", "meso4", "pgd")
    figures.plot_surface(table, ax, tolerances=[0, 0.1, 0.5])
    expected = [value(table, "RR", tolerance)[::-1] for tolerance in (0, 0.1, 0.5)]
    assert ax.collections[0].get_array().ravel().tolist() == pytest.approx(np.transpose(expected).ravel().tolist())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.1", "0.01", "0"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.0", "0.1", "0.5"]
    assert figures.RR_LABEL in [other.get_ylabel() for other in ax.figure.axes]


def test_examples_show_the_clean_image_the_perturbation_and_the_attacked_image():
    clean = torch.full((2, 3, 4, 4), 0.5)
    attacked = clean.clone()
    attacked[0, 0, 0, 0] += 0.1
    attacked[0, 1, 0, 0] -= 0.05
    figure = pictures.plot_examples(clean, attacked, ["first", "second"])
    shown = [np.asarray(ax.get_images()[0].get_array()) for ax in figure.axes]
    assert shown[0] == pytest.approx(clean[0].permute(1, 2, 0).numpy())
    assert shown[4] == pytest.approx(attacked[0].permute(1, 2, 0).numpy())
    assert shown[2][0, 0] == pytest.approx([1, 0.25, 0.5], abs=1e-6)  # stretched round mid-grey
    assert (shown[3] == 0.5).all()  # nothing was changed
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "first", "second", "largest change 0.100", "largest change 0.000"
    ]  # fmt: skip


def test_training_is_drawn_epoch_by_epoch_with_the_one_that_was_kept():
    history = [
        {"epoch": 1, "training_loss": 0.7, "validation_loss": 0.6, "validation_accuracy": 0.5, "selection_loss": 0.6},
        {"epoch": 2, "training_loss": 0.2, "validation_loss": 0.3, "validation_accuracy": 0.9, "selection_loss": 0.3},
    ]
    left, right = figures.plot_training(history, best_epoch=2).axes
    assert lines(left, "training loss").tolist() == [0.7, 0.2]
    assert lines(left, "validation loss").tolist() == [0.6, 0.3]
    assert lines(right, "validation accuracy").tolist() == [0.5, 0.9]
    assert [ax.get_lines()[-1].get_xdata()[0] for ax in (left, right)] == [2, 2]
    assert (left.get_ylabel(), right.get_ylabel()) == ("cross-entropy (nats) ↓", "accuracy ↑")


def test_clean_probabilities_are_drawn_by_label_and_against_the_share_of_fakes():
    table = pd.DataFrame({"p_clean": [0.02, 0.04, 0.96, 0.98, 0.98], "label": [0, 0, 0, 1, 1]})
    left, right = figures.plot_clean(table).axes
    heights = [[patch.get_height() for patch in bars] for bars in left.containers]
    assert [bars[0] for bars in heights] == [2, 0]
    assert [bars[-1] for bars in heights] == [1, 2]
    reliability = right.get_lines()[1]
    assert reliability.get_xdata() == pytest.approx([0.03, 2.92 / 3])
    assert reliability.get_ydata() == pytest.approx([0, 2 / 3])


@pytest.mark.parametrize("draw", [figures.figure1, figures.figure1_by_epsilon])
def test_the_same_table_is_the_same_file_and_nothing_is_left_beside_it(tmp_path, draw):
    for name in ("first.svg", "second.svg"):
        figures.save(draw(results(), 0.1), tmp_path / "figures" / name)
    first, second = sorted((tmp_path / "figures").iterdir())
    assert (first.name, second.name) == ("first.svg", "second.svg")
    assert first.read_bytes() == second.read_bytes()
