"""RR and the scale of logits: detectors that are the same up to a temperature are told to be the same."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from made import cell
from torch import nn
from torchmetrics.classification import BinaryCalibrationError

from rrlib import analysis, evaluation
from rrlib.analysis import calibration, summary
from rrlib.attacks import rule
from rrlib.detectors import Calibrated
from rrlib.errors import InputError

TOLERANCES = [0.01, 0.05, 0.1, 0.2, 0.5]
UNITS = np.linspace(0, 4, 81)


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    brightness = 0.45 + 0.1 * labels.view(-1, 1, 1, 1) + 0.08 * torch.randn(60, 1, 1, 1, generator=generator)
    return (brightness + 0.1 * torch.rand(60, 3, 8, 8, generator=generator)).clamp(0, 1), labels


@pytest.fixture(scope="module")
def twins(images, brightness) -> dict[float, pd.DataFrame]:
    """The tables of one detector, and of the same with its logits divided by a temperature, under real attacks."""
    x, labels = images
    rules = {"fgsm": rule("fgsm"), "pgd": rule("pgd", steps=5), "shift": rule("shift", steps=5)}
    tables = {}
    for temperature in (1.0, 4.0, 0.25):
        detector: nn.Module = Calibrated(brightness(12.0), temperature)
        tables[temperature] = evaluation.evaluate(
            detector, (x, labels), rules, [0, 0.01, 0.05], tried=True, detector_name="f", dataset_name="d"
        )
    return tables


def companion(table: pd.DataFrame, epsilon: float) -> np.ndarray:
    worst = analysis.worst_case(calibration.in_own_units(table))
    return summary.robust(summary.at_epsilon(worst, epsilon), UNITS).mean(axis=0)


def ratio(table: pd.DataFrame, epsilon: float) -> np.ndarray:
    return summary.robust(summary.at_epsilon(analysis.worst_case(table), epsilon), TOLERANCES).mean(axis=0)


@pytest.mark.parametrize("epsilon", [0.01, 0.05])
def test_uncalibrated_twins_have_another_rr_and_the_same_companion(twins, epsilon):
    one, *others = twins.values()
    for other in others:
        assert np.abs(ratio(one, epsilon) - ratio(other, epsilon)).max() > 0.1
        assert companion(other, epsilon) == pytest.approx(companion(one, epsilon), abs=1e-12)
    assert companion(one, epsilon)[0] < companion(one, epsilon)[-1] == 1  # a curve and no constant


def test_calibrated_twins_have_the_same_rr(twins, images, brightness):
    x, labels = images
    calibrated = {}
    for temperature, table in twins.items():
        with torch.no_grad():
            fitted = evaluation.fit_temperature(Calibrated(brightness(12.0), temperature)(x), labels)
        calibrated[temperature] = (temperature * fitted, calibration.at_temperature(table, fitted))
    (product, first), *others = calibrated.values()
    for other_product, other in others:
        assert other_product == pytest.approx(product, rel=1e-4)
        for epsilon in (0.01, 0.05):
            assert ratio(other, epsilon) == pytest.approx(ratio(first, epsilon))
        assert other["shift"].to_numpy() == pytest.approx(first["shift"].to_numpy(), abs=1e-5)


def test_a_temperature_keeps_verdicts_and_its_inverse_brings_the_table_back():
    rng = np.random.default_rng(0)
    table = cell(rng.random(200), rng.random(200), np.arange(200) % 2)
    warm = calibration.at_temperature(table, 3.0)
    for name in ("p_clean", "p_attacked"):
        assert ((warm[name] > 0.5) == (table[name] > 0.5)).all()
    assert (warm["shift"] < table["shift"]).mean() > 0.9
    back = calibration.at_temperature(warm, 1 / 3)
    pd.testing.assert_frame_equal(back, table, rtol=1e-9)
    assert calibration.at_temperature(table, 1) is table


@pytest.mark.parametrize("distance", ["linf", "tv", "l2", "js"])
def test_the_shift_at_another_temperature_is_in_the_same_distance(distance):
    moved = calibration.at_temperature(cell([0.5], [0.9], [1]), 2.0, distance)
    assert moved["shift"].item() == pytest.approx(
        {"linf": 0.25, "tv": 0.25, "l2": 0.25 * math.sqrt(2), "js": 0.2209}[distance], abs=1e-4
    )


def test_the_calibration_error_is_that_of_torchmetrics():
    rng = np.random.default_rng(1)
    p = rng.random(500).round(6)
    label = (rng.random(500) < p**2).astype(int)
    reference = BinaryCalibrationError(n_bins=10, norm="l1")(torch.tensor(p), torch.tensor(label)).item()
    assert calibration.calibration_error(p, label) == pytest.approx(reference, abs=1e-6)
    assert calibration.calibration_error(p, (rng.random(500) < p).astype(int)) < reference / 2


def test_a_logit_ends_where_a_probability_does():
    assert calibration.logits([0.0, 1.0]) == pytest.approx([-calibration.LARGEST, calibration.LARGEST])
    assert calibration.logits([0.25]) == pytest.approx([-math.log(3)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: calibration.at_temperature(cell([0.5], [0.9], [1]), 0),
            "the temperature 0 was given; it is a finite number above 0",
        ),
        (
            lambda: calibration.in_own_units(cell([0.7, 0.7], [0.9, 0.8], [0, 1])),
            "the clean logits of a on d are all alike, so they are no unit of a move",
        ),
    ],
)
def test_what_cannot_be_measured_is_said(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()
