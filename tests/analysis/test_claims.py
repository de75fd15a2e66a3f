"""The paper's claims get the verdict that the made tables ask for."""

import numpy as np
import pandas as pd
from made import cell

from rrlib.analysis import compare, paper_claims, worst_case
from rrlib.analysis.claims import alike_and_apart, order_changes, patterns
from rrlib.report import findings


def shifted(name: str, shares: dict[float, float], n: int = 300, detects: bool = True, seed: int = 0) -> pd.DataFrame:
    """A detector of accuracy 1 (or none) that no attack flips, its shifts at these values for these shares."""
    label = np.arange(n) % 2
    size = np.repeat(list(shares), (np.array(list(shares.values())) * n).round().astype(int))
    size = np.random.default_rng(seed).permutation(size)
    clean = np.where(label == 1, 0.95, 0.05) if detects else np.full(n, 0.95)
    return cell(clean, clean + np.where(clean > 0.5, -size, size), label, detector=name)


STEADY = shifted("steady", {0.01: 0.9, 0.3: 0.1})
CROSSING = shifted("crossing", {0.05: 0.5, 0.15: 0.5})  # behind at .1, ahead at .2
LIKE = shifted("like", {0.01: 0.9, 0.3: 0.1})


def test_an_order_that_changes_with_the_tolerance_is_found():
    claim = order_changes(worst_case(pd.concat([STEADY, CROSSING])), [0.1, 0.2])
    assert claim.verdict == "holds"
    assert np.sign(claim.numbers["difference"]).tolist() == [-1, 1]
    assert claim.reason == "of 1 pairs at one ε, 1 change their order with the tolerance"


def test_an_order_that_stays_at_every_tolerance_does_not_hold():
    weaker = shifted("weaker", {0.01: 0.3, 0.4: 0.7})
    assert order_changes(worst_case(pd.concat([STEADY, weaker])), [0.05, 0.2]).verdict == "does not hold"
    assert order_changes(worst_case(pd.concat([STEADY, LIKE])), [0.05, 0.2]).verdict == "does not hold"


def test_a_small_crossing_is_undecided():
    near = shifted("near", {0.01: 0.86, 0.15: 0.08, 0.3: 0.06}, seed=1)
    assert order_changes(worst_case(pd.concat([STEADY, near])), [0.1, 0.2]).verdict == "undecided"


def test_who_does_not_detect_and_who_has_few_groups_takes_no_part():
    frozen = shifted("frozen", {0.15: 1.0}, detects=False)
    claim = order_changes(worst_case(pd.concat([STEADY, frozen])), [0.1, 0.2])
    assert (claim.verdict, claim.reason) == ("undecided", "no two detectors here could be compared")
    few = worst_case(pd.concat([STEADY, CROSSING]))
    few["group"] = (few["sample"].str[1:].astype(int) % 19).astype(str)
    assert order_changes(few, [0.1, 0.2]).verdict == "undecided"


def row(**words: str) -> dict:
    return {
        "verdict": "undecided",
        "alike": "undecided",
        "apart": "undecided",
        "reason": "",
        "rr_difference": 0.1,
    } | words


def test_one_pair_that_holds_is_enough_and_all_must_fail_for_it_not_to_hold():
    holds, fails = row(verdict="holds"), row(verdict="does not hold")
    for rows, expected in (
        ([holds, fails, row()], "holds"),
        ([fails, fails], "does not hold"),
        ([fails, row()], "undecided"),
    ):
        assert alike_and_apart(pd.DataFrame(rows), 0.1).verdict == expected
    assert (
        "of 3 comparisons, 1 holds, 1 does not hold and 1 is undecided"
        in alike_and_apart(pd.DataFrame([holds, fails, row()]), 0.1).reason
    )


def test_patterns_are_hidden_where_a_difference_in_rr_is_none_in_ra():
    hidden, shown = row(apart="holds", alike="holds"), row(apart="holds", alike="does not hold")
    assert patterns(pd.DataFrame([hidden, shown]), 0.1).verdict == "holds"
    assert patterns(pd.DataFrame([shown, shown]), 0.1).verdict == "does not hold"
    assert patterns(pd.DataFrame([shown, row(apart="holds")]), 0.1).verdict == "undecided"
    assert patterns(pd.DataFrame([{**hidden, "reason": "RA is saturated: …"}]), 0.1).verdict == "undecided"


def test_all_claims_of_one_study_and_their_lines():
    worst = worst_case(pd.concat([STEADY, CROSSING]))
    found = paper_claims(worst, 0.1, [0.1, 0.2], STEADY, CROSSING.assign(dataset="clips"), 0.1)
    assert len(found) == 4
    assert [claim.verdict for claim in found[:2]] == ["undecided", "holds"]  # RA is 1 for both: saturated
    lines = findings.claim_lines(found).splitlines()
    assert lines[0].startswith(
        "- **Undecided here.** There are detectors alike in robust accuracy and apart in RR(0.1)."
    )
    assert lines[1].startswith("- **Holds here.** Which of two detectors has the higher robust ratio depends on")


def test_one_detector_leaves_every_claim_undecided():
    worst = worst_case(STEADY)
    assert {claim.verdict for claim in paper_claims(worst, 0.1, [0.1, 0.2])} == {"undecided"}
    assert compare(worst, 0.1).empty
