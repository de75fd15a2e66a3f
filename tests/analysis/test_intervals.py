"""Confidence intervals: independent references, and coverage on samples whose truth is known."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from rrlib.analysis.intervals import effective, share_interval, upper_bound
from rrlib.errors import InputError


def grouped(rng: np.random.Generator, share: float, correlation: float, groups: int, size: int) -> np.ndarray:
    """Hits whose rate is drawn for each group from a beta distribution with this correlation within groups."""
    if correlation == 0:
        return rng.random(groups * size) < share
    odds = (1 - correlation) / correlation
    return rng.random(groups * size) < rng.beta(share * odds, (1 - share) * odds, groups).repeat(size)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 30), (3, 10), (45, 50), (997, 1000)])
def test_independent_samples_have_scipys_exact_interval(hits, total, confidence):
    reference = binomtest(hits, total).proportion_ci(confidence, method="exact")
    low, high, trusted = share_interval(np.arange(total) < hits, np.arange(total), confidence)
    assert (low, high) == pytest.approx(reference, abs=1e-12)
    assert trusted


def test_samples_that_are_copies_count_as_one_trial_for_each_group():
    hits, groups = np.repeat([1, 1, 1, 0] * 5, 6), np.repeat(np.arange(20), 6)
    sums = np.bincount(groups, hits).reshape(-1, 1)
    assert effective(sums, np.full(20, 6.0)).size == pytest.approx(20, rel=0.06)
    one_each = share_interval([1, 1, 1, 0] * 5, np.arange(20))
    assert share_interval(hits, groups)[:2] == pytest.approx(one_each[:2], abs=0.01)


@pytest.mark.parametrize("hit", [0, 1])
def test_where_all_groups_agree_each_is_one_trial(hit):
    found = share_interval(np.full(60, hit), np.repeat(np.arange(12), 5))
    assert found[:2] == pytest.approx(share_interval(np.full(12, hit), np.arange(12))[:2])


def test_one_group_is_one_trial_and_not_trusted():
    found = share_interval([True, True, True], ["a", "a", "a"])
    assert found[:2] == pytest.approx((0.025, 1))
    assert not found.trusted


def test_fewer_than_ten_groups_are_not_trusted_and_unequal_ones_count_as_fewer():
    assert share_interval(np.ones(20), np.arange(20) % 10).trusted
    assert not share_interval(np.ones(18), np.arange(18) % 9).trusted
    assert not share_interval(np.ones(100), np.r_[np.zeros(91), 1:10]).trusted


@pytest.mark.parametrize("correlation", [0, 0.3, 0.6])
@pytest.mark.parametrize(("groups", "size"), [(10, 5), (20, 10), (50, 1), (50, 4)])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.98])
def test_the_interval_holds_the_truth_at_least_as_often_as_the_design_asks(share, groups, size, correlation):
    rng = np.random.default_rng(0)
    draws = np.column_stack([grouped(rng, share, correlation, groups, size) for _ in range(1500)])
    low, high, trusted = share_interval(draws, np.repeat(np.arange(groups), size))
    assert trusted.all()
    assert ((low <= share) & (share <= high)).mean() >= 0.93


def test_it_is_wider_than_that_of_independent_samples_where_groups_agree():
    rng = np.random.default_rng(1)
    hits = grouped(rng, 0.5, 0.6, 40, 10)
    low, high, _ = share_interval(hits, np.repeat(np.arange(40), 10))
    naive_low, naive_high, _ = share_interval(hits, np.arange(400))
    assert high - low > 1.5 * (naive_high - naive_low)


def test_columns_are_intervals_of_their_own_and_neither_order_nor_labels_matter():
    rng = np.random.default_rng(2)
    hits, groups = rng.random((60, 3)) < 0.3, rng.integers(12, size=60)
    low, high, trusted = share_interval(hits, groups)
    assert low.shape == high.shape == trusted.shape == (3,)
    order = rng.permutation(60)
    names = pd.Series([f"video{group:02}" for group in groups[order]])
    for column in range(3):
        alone = share_interval(pd.Series(hits[order, column]), names)
        assert alone[:2] == pytest.approx((low[column], high[column]), abs=1e-12)


def test_the_upper_bound_is_one_sided():
    assert upper_bound(np.zeros(58), np.arange(58)) > 0.05 > upper_bound(np.zeros(59), np.arange(59))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: share_interval([1, 0], [1, 2], confidence=95),
            "confidence 95 was given; use a number between 0 and 1, such as 0.95",
        ),
        (
            lambda: share_interval([1, 0], [1, 2, 3]),
            "hits of shape (2,) and groups of shape (3,) were given; "
            "pass (N,) or (N, M) hits with N ≥ 1 and (N,) groups",
        ),
        (
            lambda: share_interval([1, 0], pd.Series(["a", None])),
            "a group is missing; leave out the samples that have none",
        ),
        (
            lambda: share_interval([1, 0.5], [1, 2]),
            "hits contain other values than 0 and 1; pass whether each sample is a hit",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_in_one_sentence(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()
