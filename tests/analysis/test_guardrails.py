"""Decisions keep what they promise, on tables whose answers are known."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrlib.analysis import guardrails
from rrlib.analysis.intervals import paired_bootstrap
from rrlib.errors import InputError
from rrlib.report import findings

probability = st.floats(0, 1, allow_nan=False)


def cell(p_clean, p_attacked, labels, detector="a", epsilon=0.1) -> pd.DataFrame:
    p_clean, p_attacked = np.asarray(p_clean, dtype=float), np.asarray(p_attacked, dtype=float)
    samples = [f"s{number:04}" for number in range(len(p_clean))]
    return pd.DataFrame(
        {
            "dataset": "d", "detector": detector, "attack": "pgd", "epsilon": epsilon, "sample": samples,
            "group": samples, "label": labels, "p_clean": p_clean, "p_attacked": p_attacked,
            "shift": np.abs(p_clean - p_attacked),
        }
    )  # fmt: skip


@given(st.lists(st.tuples(probability, probability, st.integers(0, 1)), min_size=1, max_size=40), st.floats(0, 0.99))
def test_at_most_the_budget_is_decided_and_then_flipped(rows, budget):
    p_clean, p_attacked, labels = zip(*rows, strict=True)
    (band,) = guardrails.abstention(cell(p_clean, p_attacked, labels), 0.1, budget).itertuples()
    assert band.flipped <= budget + 1e-9
    assert (np.abs(np.subtract(p_clean, p_attacked)) <= band.tolerance).mean() >= 1 - budget - 1e-9


def test_no_narrower_band_of_measured_shifts_keeps_the_promise():
    table = cell(np.linspace(0, 1, 101), np.linspace(0, 1, 101) ** 2, np.arange(101) % 2)
    (band,) = guardrails.abstention(table, 0.1, budget=0.1).itertuples()
    narrower = table.loc[table["shift"] < band.tolerance, "shift"].max()
    assert (table["shift"] <= narrower).mean() < 0.9


def test_a_detector_that_never_moves_needs_no_band():
    (band,) = guardrails.abstention(cell([0.9, 0.1, 0.6], [0.9, 0.1, 0.6], [1, 0, 0]), 0.1, 0.05).itertuples()
    assert (band.tolerance, band.decided, band.flipped) == (0, 1, 0)
    assert band.right == pytest.approx(2 / 3)


def test_where_nothing_is_decided_nothing_is_right():
    (band,) = guardrails.abstention(cell([0.9, 0.1], [0.1, 0.9], [1, 0]), 0.1, 0.0).itertuples()
    assert band.decided == 0
    assert np.isnan(band.right)


def test_a_budget_outside_its_range_is_refused():
    with pytest.raises(InputError, match=re.escape("budget is 1.5; it is a share of inputs in [0, 1)")):
        guardrails.abstention(cell([0.5], [0.5], [0]), 0.1, 1.5)


def two_detectors(samples: int = 400) -> pd.DataFrame:
    """Both keep 80 % right, on different samples; one moves by 0.02 and the other by 0.3, without any flip."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, samples)
    parts = []
    for detector, shift in (("steady", 0.02), ("restless", 0.3)):
        right = generator.random(samples) < 0.8
        verdict = np.where(right, labels, 1 - labels)
        p_clean = np.where(verdict == 1, 0.95, 0.05)
        parts.append(cell(p_clean, np.where(verdict == 1, 0.95 - shift, 0.05 + shift), labels, detector))
    return pd.concat(parts, ignore_index=True)


def test_detectors_alike_in_ra_and_apart_in_rr_are_found():
    comparison = guardrails.compare(two_detectors(), tolerance=0.1)
    (row,) = guardrails.alike_in_ra_apart_in_rr(comparison).itertuples()
    assert (row.first, row.second) == ("restless", "steady")
    assert (row.rr_first, row.rr_second, row.rr_difference) == (0, 1, -1)
    assert row.ra_low <= 0 <= row.ra_high


def test_the_finding_says_what_the_table_holds():
    text = findings.main_finding(two_detectors(), tolerance=0.1)
    assert text.startswith("**Detectors that robust accuracy does not tell apart can differ in robust ratio.**")
    assert "steady move by at most 0.1 for a share of 1.000 of the samples, and those of restless for 0.000" in text
    assert "Of 1 comparisons" in text


def test_the_finding_says_when_there_is_none():
    table = two_detectors()
    table = pd.concat([table[table["detector"] == "steady"]] * 2, ignore_index=True)
    table.loc[len(table) // 2 :, "detector"] = "twin"
    text = findings.main_finding(table, tolerance=0.1)
    assert text.startswith("**No two detectors here are alike in robust accuracy and apart in RR(0.1).**")


def test_one_detector_cannot_be_compared():
    table = two_detectors()
    text = findings.main_finding(table[table["detector"] == "steady"], tolerance=0.1)
    assert text == "This study holds one detector, so there is nothing to compare."


def test_a_comparison_of_one_detector_has_the_columns_of_any_other_and_no_row():
    table = two_detectors()
    alone = guardrails.compare(table[table["detector"] == "steady"], 0.1)
    assert len(alone) == 0
    assert list(alone) == list(guardrails.compare(table, 0.1))
    assert list(guardrails.alike_in_ra_apart_in_rr(alone)) == list(alone)


def test_the_order_of_rows_does_not_matter():
    table = two_detectors()
    first, again = (guardrails.compare(rows, 0.1) for rows in (table, table.sample(frac=1, random_state=1)))
    pd.testing.assert_frame_equal(first, again)


def test_the_interval_is_the_paired_bootstrap_at_the_corrected_level():
    table = two_detectors()
    steady, restless = (table[table["detector"] == name] for name in ("steady", "restless"))
    (row,) = guardrails.compare(table, 0.1).itertuples()
    a, b = ((part["p_attacked"] > 0.5) == (part["label"] == 1) for part in (restless, steady))
    low, high = paired_bootstrap(a, b.to_numpy(), steady["group"], draws=20_000, confidence=1 - 0.05 / 2)
    assert (row.ra_low, row.ra_high) == (pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.005))
