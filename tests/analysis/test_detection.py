"""Clean accuracy, AUC, TPR and FPR: independent references, coverage with groups, and who detects."""

import numpy as np
import pytest
from made import cell
from scipy.stats import mannwhitneyu, norm

from rrlib.analysis import auc, clean_performance


def delong(score: np.ndarray, label: np.ndarray) -> float:
    """The variance of AUC by all pairs (DeLong, DeLong and Clarke-Pearson 1988)."""
    fake, real = score[label == 1], score[label == 0]
    wins = (fake[:, None] > real) + 0.5 * (fake[:, None] == real)
    return wins.mean(1).var(ddof=1) / len(fake) + wins.mean(0).var(ddof=1) / len(real)


def test_auc_is_the_mann_whitney_statistic_with_ties_counted_half():
    rng = np.random.default_rng(0)
    score, label = rng.integers(0, 10, 200) / 10, rng.integers(0, 2, 200)
    expected = mannwhitneyu(score[label == 1], score[label == 0]).statistic / (label.sum() * (1 - label).sum())
    assert auc(score, label, np.arange(200)).value == pytest.approx(expected)


def test_of_independent_samples_the_width_is_that_of_delongs_variance():
    rng = np.random.default_rng(1)
    label = np.arange(2000) % 2
    score = rng.normal(size=2000) + label
    found = auc(score, label, np.arange(2000))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.sqrt(delong(score, label)), rel=0.05)


@pytest.mark.parametrize(("groups", "size", "correlation"), [(20, 4, 0.0), (25, 4, 0.6), (48, 4, 0.4), (100, 1, 0.0)])
@pytest.mark.parametrize("truth", [0.6, 0.9])
def test_the_interval_holds_the_truth(groups, size, correlation, truth):
    rng, held = np.random.default_rng(2), 0
    names = np.repeat(np.arange(groups), size)
    label = names % 2
    for _ in range(200):
        common, own = rng.normal(size=groups)[names], rng.normal(size=len(names))
        score = np.sqrt(2) * norm.ppf(truth) * label + np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        found = auc(score, label, names)
        held += found.low <= truth <= found.high
    assert held / 200 >= 0.93


def test_where_every_fake_scores_above_every_real_the_interval_counts_groups():
    few = auc(np.arange(40), np.arange(40) >= 20, np.arange(40) // 5)
    many = auc(np.arange(400), np.arange(400) >= 200, np.arange(400))
    assert few.value == many.value == 1
    assert few.low < 0.5 < 0.98 < many.low
    assert (few.trusted, many.trusted) == (False, True)


def test_rates_at_the_threshold_and_whether_it_detects():
    table = cell([0.9] * 45 + [0.3] * 5 + [0.2] * 40 + [0.8] * 10, [0.5] * 100, [1] * 50 + [0] * 50)
    (row,) = clean_performance(table).to_dict("records")
    assert (row["accuracy"], row["tpr"], row["fpr"], row["detects"]) == (0.85, 0.9, 0.2, True)
    assert row["tpr_low"] < 0.9 < row["tpr_high"]
    assert row["reason"].startswith("a detects on d: AUC 0.980, interval [0.9")
    (strict,) = clean_performance(table, {("d", "a"): 0.85}).to_dict("records")
    assert (strict["tpr"], strict["fpr"]) == (0.9, 0)
    assert strict["auc"] == row["auc"]


def test_one_that_says_fake_of_all_does_not_detect():
    (row,) = clean_performance(cell([0.9] * 100, [0.9] * 100, np.arange(100) % 2)).to_dict("records")
    assert (row["auc"], row["tpr"], row["fpr"], row["detects"]) == (0.5, 1, 1, False)
    assert row["reason"] == "a does not detect on d: AUC 0.500, interval [0.355, 0.645], not all above 0.6"


def test_of_one_class_it_is_unknown():
    (row,) = clean_performance(cell([0.9] * 30, [0.9] * 30, [1] * 30)).to_dict("records")
    assert np.isnan([row["auc"], row["fpr"]]).all()
    assert (row["tpr"], row["detects"]) == (1, False)
    assert row["reason"] == "a saw one class only on d, so whether it detects is unknown"
