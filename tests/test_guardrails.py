"""Decisions keep what they promise, on tables whose answers are known."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrlib import findings, guardrails
from rrlib.errors import InputError

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
    comparison = guardrails.compare(two_detectors(), tolerance=0.1, attack="pgd")
    (row,) = guardrails.alike_in_ra_apart_in_rr(comparison).itertuples()
    assert (row.first, row.second) == ("steady", "restless")
    assert (row.rr_first, row.rr_second, row.rr_difference) == (1, 0, 1)
    assert row.ra_low <= 0 <= row.ra_high


def test_the_finding_says_what_the_table_holds():
    text = findings.main_finding(two_detectors(), tolerance=0.1, attack="pgd")
    assert text.startswith("**Detectors that robust accuracy does not tell apart differ in robust ratio.**")
    assert "steady stay put for a share of 1.000 of the samples, and those of restless for 0.000" in text
    assert "1 of 1 comparisons" in text


def test_the_finding_says_when_there_is_none():
    table = two_detectors()
    table = pd.concat([table[table["detector"] == "steady"]] * 2, ignore_index=True)
    table.loc[len(table) // 2 :, "detector"] = "twin"
    text = findings.main_finding(table, tolerance=0.1, attack="pgd")
    assert text.startswith("**No pair of detectors here is alike in RA and apart in RR(0.1).**")


def test_one_detector_cannot_be_compared():
    table = two_detectors()
    text = findings.main_finding(table[table["detector"] == "steady"], tolerance=0.1, attack="pgd")
    assert text == "This study holds one detector, so there is nothing to compare."


def test_a_paired_interval_ignores_the_order_of_rows():
    table = two_detectors()
    shuffled = table.sample(frac=1, random_state=1)
    kwargs = {"tolerance": 0.1, "attack": "pgd"}
    first, again = guardrails.compare(table, **kwargs), guardrails.compare(shuffled, **kwargs)
    swapped = first["first"][0] != again["first"][0]
    assert abs(again["ra_difference"][0]) == abs(first["ra_difference"][0])
    assert again["ra_low"][0] == pytest.approx(-first["ra_high"][0] if swapped else first["ra_low"][0], abs=0.01)
