"""A threshold that is not one half, chosen from scores and used where tables are judged."""

import re

import numpy as np
import pandas as pd
import pytest
from made import cell, with_clean
from sklearn.metrics import roc_curve

from rrlib import analysis
from rrlib.analysis import recorded, summary
from rrlib.errors import InputError


def scores(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A good detector that calls everything fake at ½: every score lies above it."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    return 0.75 + 0.1 * (label - 0.5) + rng.normal(0, 0.03, n).clip(-0.1, 0.1), label


def test_equal_errors_are_those_of_an_independent_roc_curve():
    p, label = scores()
    found = analysis.equal_error(p, label)
    fpr, tpr, _ = roc_curve(label, p, drop_intermediate=False)
    assert abs(found.fpr - found.fnr) == pytest.approx(np.abs(fpr - (1 - tpr)).min())
    assert found.fpr == (p[label == 0] > found.threshold).mean()
    assert found.fnr == (p[label == 1] <= found.threshold).mean()


@pytest.mark.parametrize("target", [0.0, 0.01, 0.1, 0.333, 1.0])
def test_a_target_rate_is_kept_and_no_lower_threshold_keeps_it(target):
    p, label = scores()
    found = analysis.at_fpr(p, label, target)
    assert found.fpr <= target
    lower = np.concatenate([p[p < found.threshold], [0.0]]).max()
    assert found.threshold == 0 or (p[label == 0] > lower).mean() > target


def test_of_scores_that_are_all_alike_one_half_of_the_errors_is_left():
    assert analysis.equal_error([0.7, 0.7], [0, 1]) == (0.7, 0.0, 1.0)
    assert analysis.at_fpr([0.7, 0.7], [0, 1], 0.5) == (0.7, 0.0, 1.0)


def attacked() -> pd.DataFrame:
    """The detector above, attacked: a third of the samples is pushed to the other side of .75, none below ½."""
    p, label = scores()
    after = np.where(np.arange(len(p)) % 3 == 0, 1.5 - p, p)
    return with_clean(cell(p, after, label))


def test_a_detector_for_which_one_half_is_useless_is_judged_where_it_works():
    table = attacked()
    validation = scores(seed=1)
    chosen = analysis.equal_error(*validation).threshold
    judged = table.assign(threshold=chosen)
    useless, useful = (analysis.clean_performance(each).iloc[0] for each in (table, judged))
    assert (useless["accuracy"], useless["tpr"], useless["fpr"]) == (0.5, 1.0, 1.0)
    assert useful["accuracy"] > 0.9
    assert useless["auc"] == useful["auc"]
    ra = [summary.overview(summary.at_epsilon(each, 0.1), [0.1])["RA"].item() for each in (table, judged)]
    assert ra[0] == 0.5  # nothing crosses ½, and half of the samples are fakes
    assert ra[1] == pytest.approx(useful["accuracy"] * 2 / 3, abs=0.05)
    assert recorded.rows(judged)["RA"].tolist()[1] == pytest.approx(ra[1], abs=1e-6)
    for each, flipped in ((table, 0.0), (judged, 1 / 3)):
        read = analysis.readings(summary.at_epsilon(each, 0.1), [0.01])
        assert (read["flipped"] + read["stable and flipped"]).item() == pytest.approx(flipped, abs=0.02)


def test_bands_lie_round_the_chosen_threshold():
    worst = analysis.worst_case(attacked().assign(threshold=0.75))
    assert "threshold" in worst
    clean, attacked_ = analysis.bands(worst, 0.1, 0.05).to_dict("records")
    assert 0 < clean["narrowest"] < 0.2  # scores are within .15 of .75
    again = analysis.bands(analysis.worst_case(attacked(), threshold=0.75), 0.1, 0.05, threshold=0.75)
    assert again.to_dict("records")[0]["band"] == clean["band"]
    assert attacked_["narrowest"] == pytest.approx(clean["narrowest"], abs=1e-6)  # p is mirrored at .75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: analysis.worst_case(attacked().assign(threshold=0.75), threshold=0.3),
            "the table brings its thresholds and others were given; drop its column threshold",
        ),
        (
            lambda: analysis.equal_error([0.1, 0.2], [0, 0]),
            "scores of one class were given; a threshold needs reals and fakes",
        ),
        (
            lambda: analysis.at_fpr([0.1, 0.2], [0, 1], 5),
            "a false positive rate of 5 was asked for; it is a number in [0, 1]",
        ),
    ],
)
def test_what_gives_no_threshold_is_said(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()
