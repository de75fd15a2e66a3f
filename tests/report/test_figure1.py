"""Figure 1 and its panels: what is drawn is what the tables hold, and the same table is the same file."""

import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from drawn import cell, lines, value

from rrlib.analysis import summary
from rrlib.errors import InputError
from rrlib.report import figure1, figures


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


def panels(figure) -> dict[str, tuple]:
    """Title → (left axes, right axes)."""
    half = len(figure.axes) // 2
    return {
        left.get_title(): (left, right)
        for left, right in zip(figure.axes[:half], figure.axes[half:], strict=True)
    }  # fmt: skip


def test_figure1_draws_rr_over_tolerance_on_the_left_and_ra_on_the_right(random_results):
    table = random_results()
    drawn = panels(figure1.figure1(table, 0.1))
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
            ra.append(summary.correct(part).mean())
            assert lines(left, f"{detector}: RA {ra[-1]:.3f}") == pytest.approx(expected)
        assert markers == dotted == pytest.approx(ra)


def test_figure1_over_epsilon_draws_rr_on_the_left_and_ra_on_the_right(random_results):
    table = random_results()
    drawn = panels(figure1.figure1_by_epsilon(table, 0.2))
    left, right = drawn["drawn · pgd, τ = 0.2"]
    for number, detector in enumerate(("meso4", "resnet")):
        part = cell(table, "drawn", detector, "pgd")
        assert lines(left, detector) == pytest.approx(value(part, "RR", 0.2))
        assert right.get_lines()[number].get_ydata() == pytest.approx(value(part, "RA"))
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["0", "0.01", "0.1"]


@pytest.mark.parametrize("draw", [figure1.figure1, figure1.figure1_by_epsilon])
def test_both_forms_of_figure1_say_upper_bound_at_the_outer_axes_alone(draw, random_results):
    drawn = list(panels(draw(random_results(), 0.1)).values())  # two rows of two panels
    left = ["RR, robust ratio (upper bound) ↑", "", "RR, robust ratio (upper bound) ↑", ""]
    assert [axes[0].get_ylabel() for axes in drawn] == left
    assert [axes[1].get_ylabel() for axes in drawn] == ["", "RA, robust accuracy ↑", "", "RA, robust accuracy ↑"]
    assert {ax.get_ylim() for axes in drawn for ax in axes} == {(-0.03, 1.03)}


@pytest.mark.parametrize("draw", [figure1.figure1, figure1.figure1_by_epsilon])
@pytest.mark.parametrize(
    ("datasets", "detectors", "attacks"),
    [(["faces"], ["meso4"], ["pgd"]), (["faces", "drawn"], ["meso4"], ["pgd"]), (["faces"], ["a", "b"], ["c", "d"])],
)
def test_figure1_has_a_panel_for_each_data_set_and_attack(draw, datasets, detectors, attacks, random_results):
    figure = draw(random_results(datasets, detectors, attacks), 0.1)
    assert len(panels(figure)) == len(datasets) * len(attacks)
    assert [[text.split(":")[0] for text in legend] for legend in legends(figure)] == [detectors] * len(panels(figure))
    figure.canvas.draw()


def test_figure1_at_an_epsilon_that_was_not_measured_says_which_were(random_results):
    message = "the table has no rows at ε = 0.05; choose from 0, 0.01, 0.1"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        figure1.figure1(random_results(), 0.05)


def test_a_detector_has_one_colour_in_all_panels_and_no_other_has_it(random_results):
    drawn = panels(figure1.figure1(random_results(detectors=["a", "b", "c"]), 0.1))
    colours = [
        {line.get_label().split(":")[0]: line.get_color() for line in left.get_lines()} for left, _ in drawn.values()
    ]
    assert all(each == colours[0] for each in colours)
    assert len(set(colours[0].values())) == 3


def test_the_panels_of_a_figure_are_one_column_wide_and_draw_what_the_figure_draws(random_results):
    table = random_results()
    whole = panels(figure1.figure1(table, 0.1))
    alone = figure1.figure1_panels(table, 0.1)
    assert list(alone) == list(whole)
    for title, figure in alone.items():
        assert figure.get_figwidth() == pytest.approx(85 / 25.4)
        ((left, right),) = panels(figure).values()
        for mine, other in zip((left, right), whole[title], strict=True):
            for one, two in zip(mine.get_lines(), other.get_lines(), strict=True):
                assert one.get_ydata() == pytest.approx(two.get_ydata())


@pytest.mark.parametrize("draw", [figure1.figure1_panels, figure1.by_epsilon_panels], ids=["over τ", "over ε"])
@pytest.mark.parametrize("detectors", [["a"], [f"detector-{number}" for number in range(9)]])
def test_no_label_of_a_panel_lies_on_another_or_outside(detectors, draw, random_results):
    for figure in draw(random_results(["faces"], detectors, ["pgd"]), 0.1).values():
        figure.canvas.draw()
        (left, right) = figure.axes
        legend = left.get_legend().get_window_extent()
        assert legend.y1 < left.xaxis.label.get_window_extent().y0
        texts = [left.title, left.xaxis.label, left.yaxis.label, right.yaxis.label]
        for axis in (left.xaxis, left.yaxis, right.yaxis):  # matplotlib keeps labels beyond the limits, undrawn
            texts += [tick.label1 if axis is not right.yaxis else tick.label2 for tick in axis.get_major_ticks()
                      if axis.get_view_interval()[0] <= tick.get_loc() <= axis.get_view_interval()[1]]  # fmt: skip
        boxes = [text.get_window_extent() for text in texts if text.get_text()] + [legend]
        for number, box in enumerate(boxes):
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
            assert not any(box.overlaps(other) for other in boxes[number + 1 :])


# One panel for each half of the study


@pytest.fixture
def halves(random_results) -> dict[str, pd.DataFrame]:
    return {
        "image": random_results(datasets=["faces"]),
        "video": random_results(datasets=["clips"], detectors=["meso4-mean", "temporal", "videomae"]),
    }


def legends(figure) -> list[list[str]]:
    return [[text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes if ax.get_legend()]


def test_figure1_in_halves_draws_images_beside_video_with_rr_left_and_ra_right(halves):
    drawn = panels(figure1.figure1_halves(halves, 0.1, "pgd"))
    assert list(drawn) == ["image: faces · pgd, ε = 0.1", "video: clips · pgd, ε = 0.1"]
    for table, (left, right) in zip(halves.values(), drawn.values(), strict=True):
        part = table.query("attack == 'pgd' and epsilon == 0.1")
        markers = [line.get_ydata()[0] for line in right.get_lines() if line.get_marker() != "None"]
        ra = []
        for detector in table["detector"].unique():
            shift = part.loc[part["detector"] == detector, "shift"]
            ra.append(summary.correct(part[part["detector"] == detector]).mean())
            curve = lines(left, f"{detector}: RA {ra[-1]:.3f}")
            assert curve == pytest.approx([(shift <= tolerance).mean() for tolerance in figures.CURVE])
        assert markers == pytest.approx(ra)
    (left, middle), (inner, right) = drawn.values()
    labels = [ax.get_ylabel() for ax in (left, middle, inner, right)]
    assert labels == ["RR, robust ratio (upper bound) ↑", "", "", "RA, robust accuracy ↑"]


@pytest.mark.parametrize("draw", [figure1.figure1_halves, figure1.linearity_halves])
def test_each_half_has_a_legend_of_its_own_detectors_below_its_panel(draw, halves):
    figure = draw(halves, 0.1, "pgd")
    image, video = ([text.split(":")[0] for text in legend] for legend in legends(figure))
    assert (image, video) == (["meso4", "resnet"], ["meso4-mean", "temporal", "videomae"])
    figure.canvas.draw()
    for ax in figure.axes[:2]:
        assert ax.get_legend().get_window_extent().y1 < ax.xaxis.label.get_window_extent().y0


@pytest.mark.parametrize("draw", [figure1.figure1_halves, figure1.linearity_halves])
def test_the_texts_of_the_halves_lie_inside_the_figure_and_the_legends_beside_each_other(draw, halves):
    figure = draw(halves, 0.1, "pgd")
    figure.canvas.draw()
    image, video = (ax.get_legend().get_window_extent() for ax in figure.axes[:2])
    assert image.x1 < video.x0
    tight = figure.get_tightbbox()
    assert tight.x0 >= 0
    assert tight.y0 >= 0
    assert tight.x1 <= figure.get_figwidth()
    assert tight.y1 <= figure.get_figheight()


@pytest.mark.parametrize("draw", [figure1.figure1_halves, figure1.linearity_halves])
def test_a_half_may_be_absent_and_may_hold_several_data_sets(draw, halves, random_results):
    alone = draw({"video": halves["video"]}, 0.1, "pgd")
    assert [ax.get_title() for ax in alone.axes if ax.get_title()] == ["video: clips · pgd, ε = 0.1"]
    three = draw({"image": halves["image"], "video": random_results(datasets=["clips", "more"])}, 0.1, "noise")
    titles = ["image: faces · noise, ε = 0.1", "video: clips · noise, ε = 0.1", "video: more · noise, ε = 0.1"]
    assert [ax.get_title() for ax in three.axes if ax.get_title()] == titles


@pytest.mark.parametrize(
    ("epsilon", "attack", "chosen", "message"),
    [
        (0.1, "cw", ["image", "video"], "the image table has no rows of cw; choose from noise, pgd"),
        (0.5, "pgd", ["video"], "the table has no rows at ε = 0.5; choose from 0, 0.01, 0.1"),
        (0.1, "pgd", [], "no half of the study was given; pass a table as image, as video or as both"),
    ],
)
def test_halves_without_such_rows_say_what_they_hold(halves, epsilon, attack, chosen, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        figure1.figure1_halves({half: halves[half] for half in chosen}, epsilon, attack)


@pytest.mark.parametrize("draw", [figure1.figure1_halves, figure1.linearity_halves])
def test_the_same_halves_are_the_same_file(tmp_path, draw, halves):
    for name in ("first.svg", "second.svg"):
        figures.save(draw(halves, 0.1, "pgd"), tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


@pytest.mark.parametrize("draw", [figure1.figure1, figure1.figure1_by_epsilon])
def test_the_same_table_is_the_same_file_and_nothing_is_left_beside_it(tmp_path, draw, random_results):
    for name in ("first.svg", "second.svg"):
        figures.save(draw(random_results(), 0.1), tmp_path / "figures" / name)
    first, second = sorted((tmp_path / "figures").iterdir())
    assert (first.name, second.name) == ("first.svg", "second.svg")
    assert first.read_bytes() == second.read_bytes()
