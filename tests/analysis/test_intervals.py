"""Confidence intervals: independent references, and coverage on samples whose truth is known."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from rrlib.analysis.intervals import dkw_half_width, group_bootstrap, paired_bootstrap, share_interval, wilson
from rrlib.errors import InputError


def clustered_hits(rng: np.random.Generator, groups: int = 40, size: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Hits with a true share of ½ whose rate is drawn anew for each group, and their groups."""
    rates = rng.beta(1, 1, size=groups)
    return rng.random(groups * size) < rates.repeat(size), np.arange(groups).repeat(size)


# Wilson and Dvoretzky–Kiefer–Wolfowitz


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("successes", "total"), [(0, 1), (1, 1), (0, 30), (3, 10), (45, 50), (997, 1000)])
def test_wilson_is_scipys_wilson_interval(successes, total, confidence):
    reference = binomtest(successes, total).proportion_ci(confidence, method="wilson")
    assert wilson(successes, total, confidence) == pytest.approx(reference, abs=1e-12)


def test_wilson_works_on_whole_columns():
    low, high = wilson(pd.Series([0, 5, 10]), 10)
    assert low.shape == high.shape == (3,)
    assert (low[1], high[1]) == wilson(5, 10)


def test_wilson_reaches_zero_and_one_exactly_where_nothing_or_everything_succeeds():
    totals = np.arange(1, 500)
    assert (wilson(0, totals)[0] == 0).all()
    assert (wilson(totals, totals)[1] == 1).all()


def test_dkw_half_width_has_its_known_value():
    assert dkw_half_width(200, confidence=0.95) == pytest.approx(math.sqrt(math.log(40) / 400), abs=1e-15)


def test_the_dkw_band_holds_the_whole_curve_as_often_as_it_says():
    rng = np.random.default_rng(0)
    n, half = 50, dkw_half_width(50, confidence=0.9)
    ordered = np.sort(rng.random((2000, n)), axis=1)
    steps = np.arange(n + 1) / n
    distance = np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=1)
    assert 0.9 <= (distance <= half).mean() < 0.95


# Bootstrap over groups


def test_the_group_bootstrap_covers_the_truth_where_the_naive_interval_does_not():
    rng = np.random.default_rng(1)
    covered = {"groups": 0, "naive": 0}
    for seed in range(200):
        hits, groups = clustered_hits(rng)
        for name, (low, high) in {
            "groups": group_bootstrap(hits, groups, draws=300, seed=seed),
            "naive": wilson(hits.sum(), len(hits)),
        }.items():
            covered[name] += low <= 0.5 <= high
    assert 0.9 <= covered["groups"] / 200 <= 0.99
    assert covered["naive"] / 200 < 0.8


def draw_groups(generator: np.random.Generator, count: int) -> np.ndarray:
    """As many groups as there are, drawn with replacement."""
    return np.repeat(np.arange(count), generator.multinomial(count, np.full(count, 1 / count)))


def test_the_interval_over_groups_is_wider_than_that_over_samples():
    hits, groups = clustered_hits(np.random.default_rng(2))
    low, high = group_bootstrap(hits, groups)
    naive_low, naive_high = group_bootstrap(hits, np.arange(len(hits)))
    assert high - low > 1.5 * (naive_high - naive_low)


def test_the_group_bootstrap_matches_the_normal_interval_of_many_independent_samples():
    values = np.random.default_rng(3).normal(size=2000)
    half = 1.959964 * values.std() / math.sqrt(2000)
    expected = (values.mean() - half, values.mean() + half)
    assert group_bootstrap(values, np.arange(2000), draws=4000) == pytest.approx(expected, abs=0.05 * half)


def test_the_group_bootstrap_is_the_resampling_of_all_samples_of_the_drawn_groups():
    rng = np.random.default_rng(4)
    values, groups = rng.random(30), rng.integers(6, size=30)
    draws = np.random.default_rng(5)
    means = [np.concatenate([values[groups == drawn] for drawn in draw_groups(draws, 6)]).mean() for _ in range(50)]
    expected = tuple(np.quantile(means, [0.1, 0.9]))
    assert group_bootstrap(values, groups, draws=50, confidence=0.8, seed=5) == pytest.approx(expected, abs=1e-12)


def test_each_column_has_the_interval_it_would_have_alone():
    rng = np.random.default_rng(6)
    values, groups = rng.random((60, 3)), rng.integers(12, size=60)
    low, high = group_bootstrap(values, groups)
    assert low.shape == high.shape == (3,)
    for column in range(3):
        alone = group_bootstrap(values[:, column], groups)
        assert (low[column], high[column]) == pytest.approx(alone, abs=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    hits, groups = clustered_hits(np.random.default_rng(7))
    assert group_bootstrap(hits, groups, seed=1) == group_bootstrap(hits, groups, seed=1)
    values = np.random.default_rng(8).random(400)
    assert group_bootstrap(values, groups, seed=1) != group_bootstrap(values, groups, seed=2)


def test_neither_the_order_of_samples_nor_the_kind_of_group_labels_matters():
    hits, groups = clustered_hits(np.random.default_rng(9))
    names = pd.Series([f"video{group:02d}" for group in groups])
    order = np.random.default_rng(10).permutation(len(hits))
    expected = group_bootstrap(hits, groups)
    assert group_bootstrap(hits[order], groups[order]) == expected
    assert group_bootstrap(pd.Series(hits), names) == expected


def test_the_paired_interval_of_a_constant_difference_has_no_width():
    rng = np.random.default_rng(11)
    b, groups = rng.random(50), rng.integers(10, size=50)
    assert paired_bootstrap(b + 0.25, b, groups) == pytest.approx((0.25, 0.25), abs=1e-12)


def test_the_paired_interval_draws_the_same_groups_for_both_detectors():
    rng = np.random.default_rng(12)
    a, b, groups = rng.random(40), rng.random(40), rng.integers(8, size=40)
    draws = np.random.default_rng(13)
    differences = []
    for _ in range(50):
        drawn = np.concatenate([np.flatnonzero(groups == group) for group in draw_groups(draws, 8)])
        differences.append(a[drawn].mean() - b[drawn].mean())
    expected = tuple(np.quantile(differences, [0.025, 0.975]))
    assert paired_bootstrap(a, b, groups, draws=50, seed=13) == pytest.approx(expected, abs=1e-12)


def test_the_paired_interval_of_correlated_detectors_is_narrower_than_the_unpaired():
    rng = np.random.default_rng(14)
    hardness, groups = rng.random(300), np.arange(300)
    a, b = hardness + 0.1 * rng.random(300), hardness + 0.1 * rng.random(300)
    low, high = paired_bootstrap(a, b, groups)
    low_a, high_a = group_bootstrap(a, groups)
    assert high - low < 0.5 * (high_a - low_a)


# The interval of a share


def test_a_share_of_independent_samples_has_wilsons_interval():
    hits = np.arange(20) < 13
    expected = pytest.approx(wilson(13, 20), abs=1e-12)
    assert share_interval(hits, [f"image{i}" for i in range(20)]) == expected


def test_a_share_of_grouped_samples_has_the_group_bootstraps_interval():
    hits, groups = clustered_hits(np.random.default_rng(15))
    assert share_interval(hits, groups, draws=100, seed=3) == group_bootstrap(hits, groups, draws=100, seed=3)


def test_a_share_on_which_all_groups_agree_counts_one_trial_for_each_group():
    groups = np.arange(12) // 3
    assert share_interval(np.ones(12), groups) == pytest.approx(wilson(4, 4), abs=1e-12)
    assert share_interval(np.tile([1, 0, 0], 4), groups) == pytest.approx(wilson(4 / 3, 4), abs=1e-12)


def test_a_share_within_one_group_counts_one_trial():
    assert share_interval([True, True, True], ["a", "a", "a"]) == wilson(1, 1)


def test_a_share_in_each_column_has_the_interval_it_would_have_alone():
    hits, groups = clustered_hits(np.random.default_rng(16))
    columns = np.column_stack([hits, np.ones(len(hits))])
    low, high = share_interval(columns, groups)
    assert (low[0], high[0]) == share_interval(hits, groups)
    assert (low[1], high[1]) == pytest.approx(wilson(40, 40), abs=1e-12)


# Failures


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: wilson(3, 2),
            "successes 3.0 of total 2.0 were given; use a total of at least 1 and successes from 0 to the total",
        ),
        (
            lambda: wilson(0, 0),
            "successes 0.0 of total 0.0 were given; use a total of at least 1 and successes from 0 to the total",
        ),
        (
            lambda: wilson(1, 2, confidence=95),
            "confidence 95 was given; use a number between 0 and 1, such as 0.95",
        ),
        (
            lambda: dkw_half_width(0),
            "a band over 0 samples was asked for; use at least 1 sample",
        ),
        (
            lambda: group_bootstrap([1, 0], [1, 2], draws=0),
            "0 draws were asked for; use at least 1, better 1000",
        ),
        (
            lambda: group_bootstrap([1, 0], ["a", "a"]),
            "all samples are of one group; a bootstrap over groups needs at least 2",
        ),
        (
            lambda: group_bootstrap([1, 0], [1, 2, 3]),
            "values of shape (2,) and groups of shape (3,) were given; "
            "pass (N,) or (N, M) values with N ≥ 1 and (N,) groups",
        ),
        (
            lambda: group_bootstrap([1, math.nan], [1, 2]),
            "a value or a group is missing; leave out the samples that have none",
        ),
        (
            lambda: group_bootstrap([1, 0], pd.Series(["a", None])),
            "a value or a group is missing; leave out the samples that have none",
        ),
        (
            lambda: paired_bootstrap([1, 0], [1], [1, 2]),
            "the two detectors have shapes (2,) and (1,); pass the same samples for both",
        ),
        (
            lambda: share_interval([0.5, 1], [1, 2]),
            "hits contain other values than 0 and 1; pass whether each sample is a hit",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_one_sentence(call, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()
