"""The page on comparisons shows the rows of `analysis.compare` and no others."""

import pytest
from drawn import results

from rrlib import analysis
from rrlib.analysis import Claim
from rrlib.report import findings, pairs


@pytest.fixture(scope="module")
def comparison():
    return analysis.compare(analysis.worst_case(results()), 0.1)


def test_a_row_holds_both_shares_their_difference_its_interval_and_the_verdict(comparison):
    (row,) = pairs.shown(comparison, 0.1).to_dict("records")
    (told,) = comparison.to_dict("records")
    assert (row["ε"], row["first"], row["second"]) == (0.1, "firm", "soft")
    assert (row["RA"], row["RR(0.1)"]) == ("1.000, 0.000", "1.000, 0.000")
    assert row["difference in RR"] == f"+1.000 [{told['rr_low']:+.3f}, {told['rr_high']:+.3f}]"
    assert (row["alike in RA"], row["apart in RR"]) == (told["alike"], told["apart"]) == ("does not hold", "holds")


def test_the_sentence_counts_what_differs(comparison):
    said = pairs.sentence(comparison, 0.1)
    assert said.startswith("**Of 1 comparisons (1 pairs of detectors at each ε), RA differs by more than 0.05 in 1 and")
    assert pairs.sentence(comparison.head(0), 0.1) == "**There are no two detectors here to compare.**"


def test_menus_begin_at_the_epsilon_of_the_study_where_it_is_there(comparison):
    assert pairs.filters(comparison, 0.1) == "detector=first,second;against=first,second;ε=ε=0.1"
    assert pairs.filters(comparison, 0.3) == "detector=first,second;against=first,second;ε=ε="


def test_evidence_is_named_as_in_the_book(comparison):
    names = list(pairs.evidence(comparison))
    assert {"data set", "ε", "RA first", "RR difference", "RR p holm", "clean difference"} <= set(names)
    assert not [name for name in names if "_" in name]


def test_claims_are_counted_by_verdict(comparison):
    claims = [Claim("x", verdict, "y", comparison) for verdict in ("holds", "undecided", "undecided")]
    assert findings.claims_sentence(claims) == (
        "**Of 3 claims of the paper, 1 holds, 0 do not hold and 2 are undecided on this study.**"
    )
    assert findings.claim_said(claims[0]) == "**Holds here.** Y."
