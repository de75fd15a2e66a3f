"""What a detector's page says of its calibration."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made import cell, with_clean

from rrlib.analysis import calibration as numbers
from rrlib.report import calibration


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    label = np.arange(200) % 2
    logit = np.where(label, 1, -1) + rng.normal(size=200)
    p = (1 / (1 + np.exp(-each)) for each in (2 * logit, 2 * logit - np.sign(logit)))
    return with_clean(cell(*p, label))


@pytest.mark.parametrize(
    ("metadata", "begins"),
    [
        ({"report": {"history": []}, "temperature": 0.284}, "The logits are divided by 0.284, a temperature fitted"),
        (
            {
                "temperature": 3.0,
                "calibration": {"temperature": 3.0, "samples": 60, "groups": 30, "loss": 0.9, "loss_calibrated": 0.5},
            },
            "The weights were given, so a temperature was fitted: the logits are divided by 3.000, which moves the "
            "loss on the validation split (60 samples in 30 groups) from 0.9000 to 0.5000 nats.",
        ),
        ({"calibration": {"none": "no split"}}, "**Not calibrated here:** no split. Its RR says as much about"),
        ({}, "**Not calibrated here:** its checkpoint does not say how it came to its temperature."),
    ],
)
def test_it_says_where_the_temperature_is_from_or_that_there_is_none(metadata, begins):
    assert calibration.said(metadata).startswith(begins)


def test_before_is_the_table_without_its_temperature():
    shown = calibration.shown(table(), 2.0, 0.1, [0.1, 0.5], "linf").set_index("probabilities")
    assert shown.index.tolist() == ["before", "after"]
    raw = numbers.at_temperature(table(), 0.5)
    clean = raw[raw["epsilon"] == 0]
    assert shown.loc["before", "ECE"] == pytest.approx(numbers.calibration_error(clean["p_clean"], clean["label"]))
    assert shown.loc["before", "RR(0.1)"] == (raw.query("epsilon == 0.1")["shift"] <= 0.1).mean()
    assert shown.loc["after", "RR(0.1)"] == (table().query("epsilon == 0.1")["shift"] <= 0.1).mean()
    assert shown.loc["after", "ECE"] < shown.loc["before", "ECE"]


def test_without_a_temperature_there_is_one_row_and_one_curve():
    assert calibration.shown(table(), 1, 0.1, [0.1], "linf")["probabilities"].tolist() == ["as it is"]
    figure = calibration.plot_calibration(table(), 1, 0.1, "linf")
    reliable, ratio, companion = figure.axes
    assert [len(ax.get_lines()) for ax in (reliable, ratio, companion)] == [2, 1, 1]
    plt.close(figure)


def test_the_figure_shows_reliability_rr_and_the_companion():
    figure = calibration.plot_calibration(table(), 2.0, 0.1, "linf")
    reliable, ratio, companion = figure.axes
    assert [text.get_text()[:11] for text in reliable.get_legend().get_texts()] == ["before: ECE", "after: ECE "]
    figure.canvas.draw()
    for ax in (reliable, ratio):
        assert ax.get_legend().get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0
    before, after = ratio.get_lines()
    assert before.get_ydata()[-1] == after.get_ydata()[-1] == 1
    assert (companion.get_lines()[0].get_ydata()[1:] >= companion.get_lines()[0].get_ydata()[:-1]).all()
    plt.close(figure)


def test_a_detector_whose_logits_are_all_alike_has_no_companion():
    same = with_clean(cell([0.7] * 4, [0.6] * 4, [0, 1, 0, 1]))
    figure = calibration.plot_calibration(same, 1, 0.1, "linf")
    assert "are all alike" in figure.axes[2].texts[0].get_text()
    plt.close(figure)
