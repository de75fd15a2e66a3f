"""The first screen of the start page: its sentences say what the tables say, and nothing that they do not."""

import pandas as pd
import pytest
from drawn import results

from rrlib import analysis
from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED
from rrlib.report import front


def compared(*rows: dict) -> pd.DataFrame:
    """A comparison as `analysis.compare` gives it, from what its rows differ in."""
    usual = {
        "dataset": "faces",
        "attack": "worst case",
        "epsilon": 0.01,
        "first": "a",
        "second": "b",
        "groups": 40,
        **{f"{name}_{what}": 0.5 for name in ("ra", "rr") for what in ("first", "second")},
        **{f"{name}_{what}": 0.1 for name in ("ra", "rr") for what in ("difference", "low", "high")},
        "rr_p": 0.5,
        "alike": UNDECIDED,
        "verdict": UNDECIDED,
        "reason": "the corrected interval of the difference in RR holds 0",
    }
    return pd.DataFrame([usual | row for row in rows])


def test_what_holds_is_told_with_the_pair_that_shows_it_best():
    table = compared(
        {"verdict": HOLDS, "rr_difference": 0.2, "first": "weaker"},
        {"verdict": HOLDS, "rr_difference": -0.4, "rr_first": 0.1, "rr_second": 0.5},
    )
    said = front.headline(table, 0.1)
    assert "a and b have RA 0.500 and 0.500, but RR(0.1) 0.100 and 0.500." in said
    assert "weaker" not in said
    assert front.how_sure(table, 0.1).startswith("**How sure: holds.** Of 2 comparisons")
    assert "2 hold, 0 do not hold and 0 are undecided" in front.how_sure(table, 0.1)


def test_what_is_undecided_is_told_as_that_with_the_pair_that_comes_nearest():
    table = compared(
        {"first": "far", "rr_p": 0.9, "alike": HOLDS},
        {"first": "near", "rr_p": 0.2, "alike": HOLDS},
        {"first": "unlike", "rr_p": 0.01, "alike": UNDECIDED},
        {"first": "settled", "rr_p": 0.001, "alike": HOLDS, "verdict": DOES_NOT_HOLD},
        {"first": "broken", "rr_p": 0.001, "alike": HOLDS, "reason": "RA is saturated: broken (0.000) is not in …"},
    )
    assert front.headline(table, 0.1).endswith("cannot rule them out.**")
    assert front.nearest(table)["first"] == "near"
    said = front.how_sure(table, 0.1)
    assert "How sure: undecided." in said
    assert "near less b on faces at ε = 0.01, 40 groups: RA +0.100 [+0.100, +0.100]" in said


def test_what_does_not_hold_anywhere_is_told_as_that():
    table = compared({"verdict": DOES_NOT_HOLD}, {"verdict": DOES_NOT_HOLD})
    assert front.headline(table, 0.1) == (
        "**No two detectors of this study are alike in robust accuracy and apart in robust ratio at τ = 0.1.**"
    )
    assert "**How sure: does not hold.**" in front.how_sure(table, 0.1)


def test_one_detector_is_no_comparison():
    assert front.headline(compared(), 0.1) == "**There are no two detectors here to compare.**"
    assert front.how_sure(compared(), 0.1) == ""


def test_what_to_do_names_the_first_and_its_guardrail():
    worst = analysis.worst_case(results())
    bands = analysis.bands(worst, 0.1, budget=0.05)
    choice = analysis.choose(worst, analysis.Requirements("d", 0.1, 0.1))
    said = front.what_to_do(choice, bands, 0.05, 0.95)
    assert said.startswith("**On d** at ε = 0.1, take **firm** (1.000 [0.977, 1.000] right and moved by at most 0.1).")
    assert "abstain where |P(fake) − threshold| ≤ 0.000" in said
    assert "at most 5% of all inputs are decided and then flipped, with 95% confidence, and 100% [" in said


def test_a_guardrail_that_cannot_be_promised_is_told_with_the_reason():
    worst = analysis.worst_case(results(groups=30))
    choice = analysis.choose(worst, analysis.Requirements("d", 0.1, 0.1))
    said = front.what_to_do(choice, analysis.bands(worst, 0.1, budget=0.05), 0.05, 0.95)
    assert said.endswith("A guardrail cannot be promised with 15 groups: 59 are needed even if nothing flips.")
    none = front.what_to_do(choice, analysis.bands(worst, 0.1, budget=0.05).head(0), 0.05, 0.95)
    assert none.endswith("A guardrail cannot be promised for it.")


@pytest.mark.parametrize("name", ["RA", "RR(0.1)"])
def test_ranges_name_the_lowest_and_the_highest(name):
    said = front.ranges(analysis.worst_case(results()), 0.1, 0.1)
    assert f"{name} runs from 0.000 (soft) to 1.000 (firm)" in said
