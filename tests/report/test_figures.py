"""Figures: what is drawn is what the table holds, and the same table is the same file."""

import itertools

import matplotlib.colors as mcolors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn
from drawn import cell, lines, value

from rrlib.analysis import linearity, summary
from rrlib.report import figures


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.figure().add_subplot()


def test_the_style_is_seaborns_whatever_a_reader_has_set():
    plt.rcParams.update({"text.usetex": True, "font.size": 30, "lines.linewidth": 7, "savefig.transparent": True})
    figures.set_style()
    ours = dict(plt.rcParams)
    plt.rcdefaults()
    seaborn.set_theme(context="paper", style="whitegrid")
    seaborns = dict(plt.rcParams)
    sizes = {key for key in figures.THEME if key.endswith("size") or key == "lines.markersize"}  # those of print
    rest = ours.keys() - figures.OWN.keys() - sizes
    differ = {key for key in rest if ours[key] != seaborns[key] and ours[key] != pytest.approx(seaborns[key])}
    unseen = {f"{axis}tick.minor.{key}" for axis in "xy" for key in ("size", "width")}  # no figure has minor ticks
    assert differ - unseen == {"image.cmap"}


@pytest.mark.parametrize("count", [1, 4, 8])
def test_detectors_differ_in_colour_and_in_marker(count):
    styles = figures.styles([f"detector{number}" for number in range(count)]).values()
    assert len({style["color"] for style in styles}) == len({style["marker"] for style in styles}) == count


def test_forty_detectors_differ_in_colour_marker_or_dash():
    looks = {str(look) for look in figures.styles([f"detector{number}" for number in range(40)]).values()}
    assert len(looks) == 40


def contrast(color: str) -> float:
    """Of a colour on white, as WCAG 2.2 defines it."""
    parts = np.array(mcolors.to_rgb(color))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 1.05 / (float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)


@pytest.mark.parametrize("color", [*figures.COLORS, figures.GREY, *[look["color"] for look in figures.shades(7)]])
def test_every_line_stands_out_on_white(color):
    assert contrast(color) >= 3


def test_a_detector_looks_the_same_in_every_figure_of_a_study():
    looks = figures.styles(["meso4", "resnet", "gru"])
    some = pd.DataFrame({"detector": ["gru", "meso4"]})
    assert figures.of_table(some, looks) == {"gru": looks["gru"], "meso4": looks["meso4"]}
    assert figures.of_table(some, looks, grey=["gru"])["gru"] == looks["gru"] | {"color": figures.GREY}


def test_text_of_a_figure_stays_text_and_its_fonts_are_embedded(ax):
    ax.set_title("robust ratio")
    svg, pdf = (figures.rendered(ax.figure, form) for form in ("svg", "pdf"))
    assert b">robust ratio</text>" in svg
    assert b"/FontFile2" in pdf  # TrueType
    assert b"/Type3" not in pdf
    assert figures.rendered(ax.figure, "pdf") == pdf


def test_measures_over_epsilon_are_drawn_in_order_of_epsilon(ax, random_results):
    table = cell(random_results(), "faces", "meso4", "pgd")
    figures.plot_by_epsilon(table.sort_values("epsilon", ascending=False), [0.05, 0.2], ax)
    assert lines(ax, "RA") == pytest.approx(value(table, "RA"))
    assert lines(ax, "RR(0.05)") == pytest.approx(value(table, "RR", 0.05))
    assert lines(ax, "RR(0.2)") == pytest.approx(value(table, "RR", 0.2))
    assert lines(ax, "RR(0.2)")[0] == 1
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "0.01", "0.1"]
    assert "upper bound" in ax.get_ylabel()
    assert ax.get_ylabel().endswith("↑")
    assert ax.get_xlabel() == "ε, radius of the attack (share of pixel range)"


def test_intervals_are_drawn_round_the_values(ax, random_results):
    table = cell(random_results(), "faces", "meso4", "pgd")
    figures.plot_by_epsilon(table, [], ax)
    data = summary.by_epsilon(table, [])
    corners = ax.collections[0].get_paths()[0].vertices
    for position, row in enumerate(data.itertuples()):
        heights = corners[corners[:, 0] == position, 1]
        assert (heights.min(), heights.max()) == pytest.approx((row.low, row.high))


def test_curves_leave_the_clean_input_out_and_rise_to_one(ax, random_results):
    table = cell(random_results(), "faces", "meso4", "pgd")
    figures.plot_curves(table, ax)
    assert [line.get_label() for line in ax.get_lines()] == ["ε = 0.01", "ε = 0.1"]
    shift = table.query("epsilon == 0.1")["shift"]
    curve = lines(ax, "ε = 0.1")
    assert curve == pytest.approx([(shift <= tolerance).mean() for tolerance in figures.CURVE])
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == (figures.TOLERANCE_LABEL, figures.RR_LABEL)


def test_each_curve_is_drawn_with_its_line_and_named_with_its_distance(ax, random_results):
    table = random_results(datasets=["faces"], attacks=["pgd"]).query("epsilon == 0.1")
    figures.plot_linearity(table, ax)
    measured = linearity.linearity(table)
    names = [f"{row.detector}: {row.distance:.2f}" for row in measured.itertuples()]
    assert [line.get_label() for line in ax.get_lines()][::2] == names
    for number, row in enumerate(measured.itertuples()):
        curve, line = (np.asarray(drawn.get_ydata()) for drawn in ax.get_lines()[2 * number : 2 * number + 2])
        shift = table.loc[table["detector"] == row.detector, "shift"]
        assert curve == pytest.approx([(shift <= tolerance).mean() for tolerance in linearity.GRID])
        assert np.diff(line, 2) == pytest.approx(0, abs=1e-12)
        assert np.abs(curve - line).max() == pytest.approx(row.distance)
        assert len({drawn.get_color() for drawn in ax.get_lines()[2 * number : 2 * number + 2]}) == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("τ, tolerance", figures.RR_LABEL)


def test_the_surface_shows_rr_at_each_tolerance_and_epsilon(ax, random_results):
    table = cell(random_results(), "faces", "meso4", "pgd")
    figures.plot_surface(table, ax, tolerances=[0, 0.1, 0.5])
    expected = [value(table, "RR", tolerance)[::-1] for tolerance in (0, 0.1, 0.5)]
    assert ax.collections[0].get_array().ravel().tolist() == pytest.approx(np.transpose(expected).ravel().tolist())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.1", "0.01", "0"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.0", "0.1", "0.5"]
    assert figures.RR_LABEL in [other.get_ylabel() for other in ax.figure.axes]


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
    assert_legends_cover_nothing(left, right)


def test_clean_probabilities_are_drawn_by_label_and_against_the_share_of_fakes():
    table = pd.DataFrame({"p_clean": [0.02, 0.04, 0.96, 0.98, 0.98], "label": [0, 0, 0, 1, 1]})
    left, right = figures.plot_clean(table).axes
    heights = [[patch.get_height() for patch in bars] for bars in left.containers]
    assert [bars[0] for bars in heights] == [2, 0]
    assert [bars[-1] for bars in heights] == [1, 2]
    reliability = right.get_lines()[1]
    assert reliability.get_xdata() == pytest.approx([0.03, 2.92 / 3])
    assert reliability.get_ydata() == pytest.approx([0, 2 / 3])
    assert_legends_cover_nothing(left)


def assert_legends_cover_nothing(*axes: plt.Axes) -> None:
    """They stand below the labels, inside the figure, and beside each other."""
    axes[0].figure.canvas.draw()
    legends = [ax.get_legend().get_window_extent() for ax in axes]
    for ax, legend in zip(axes, legends, strict=True):
        assert legend.y1 <= ax.xaxis.label.get_window_extent().y0
        assert ax.figure.bbox.x0 <= legend.x0 <= legend.x1 <= ax.figure.bbox.x1
        assert legend.y0 >= ax.figure.bbox.y0
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(legends))
