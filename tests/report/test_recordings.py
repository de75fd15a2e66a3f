"""What the pages on a recorded study say follows from its tables alone."""

import numpy as np
import pandas as pd
import pytest
from made import cell, with_clean

from rrlib import analysis
from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, Claim, summary
from rrlib.report import recordings

LABELS = np.tile([0, 1], 60)


def detector(name: str, right: float, moved: float, dataset: str = "d") -> pd.DataFrame:
    """One that is right on a share `right` of 120 samples, and whose scores an attack moves by `moved`."""
    wrong = np.arange(120) >= round(120 * right)
    score = np.where((LABELS == 1) != wrong, 0.9, 0.1)
    attacked = np.where(score > 0.5, score - moved, score + moved)
    return with_clean(cell(score, attacked, LABELS, dataset=dataset, detector=name))


@pytest.fixture
def worst() -> pd.DataFrame:
    return analysis.worst_case(pd.concat([detector("good", 0.95, 0.05), detector("fair", 0.8, 0.3)]))


def claim(statement: str, verdict: str, reason: str = "so") -> Claim:
    return Claim(statement, verdict, reason, pd.DataFrame())


def test_the_best_detector_is_held_against_the_goal(worst):
    assert "The best detector here is good: clean accuracy 0.950" in recordings.detection(worst)
    assert recordings.detection(worst).endswith("The goal of 0.85 is reached.")
    fair = worst[worst["detector"] == "fair"]
    assert "The goal of 0.85 is missed by 0.050." in recordings.detection(fair)


def test_detectors_at_chance_are_said_to_be_so():
    chance = analysis.worst_case(pd.concat([detector("blind", 0.5, 0.1), detector("deaf", 0.45, 0.1)]))
    said = recordings.detection(chance)
    assert said.startswith("None of the 2 detectors detects here: the highest AUC is 0.500")
    assert "goal" not in said


def test_side_by_side_has_the_numbers_of_each_part(worst):
    table = recordings.beside({"drawn": worst, "real": worst}, 0.1, 0.1)
    assert table[["data", "detector"]].values.tolist() == [
        ["drawn", "good"],
        ["drawn", "fair"],
        ["real", "good"],
        ["real", "fair"],
    ]
    overview = summary.overview(summary.at_epsilon(worst, 0.1), [0.1])
    assert table["RA"].tolist() == overview["RA"].tolist() * 2
    assert table["RR(0.1)"].tolist() == [1, 0, 1, 0]
    assert table["clean accuracy"].round(3).tolist() == [0.95, 0.8] * 2
    assert table["calibration error"].round(3).tolist() == [0.05, 0.1] * 2


def test_claims_stand_beside_each_other_with_what_they_have_in_common():
    said = recordings.claims_beside(
        {
            "drawn": [claim("A.", HOLDS), claim("B.", HOLDS), claim("V.", UNDECIDED)],
            "real": [claim("A.", HOLDS), claim("B.", DOES_NOT_HOLD, "no pair")],
        }
    )
    assert "- A. It holds on drawn and real alike." in said
    assert "- B. It holds on drawn; it does not hold on real." in said
    assert "  - real: **does not hold** (no pair)" in said
    assert "- V. It is undecided on drawn; nothing is said of real." in said
    assert "  - real: not asked, as its data cannot tell" in said


def test_the_contrast_names_detectors_of_both_and_counts_guardrails(worst):
    other = analysis.worst_case(pd.concat([detector("good", 0.9, 0.45), detector("new", 0.9, 0.1)]))
    said = recordings.contrast(worst, other, 0.1, 0.1)
    assert "- **good**: clean accuracy 0.950 and 0.900 on real faces, RA 0.950 and 0.000" in said
    assert "new" not in said
    assert "RR(0.1) 1.000 and 0.000" in said
    assert "**Calibration**: the error of clean probabilities is at most 0.100 here and 0.000 on real faces." in said
    assert "- **Guardrails**: a band that keeps flips within 5%" in said
