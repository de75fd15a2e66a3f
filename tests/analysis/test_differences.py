"""Differences of paired shares: exact references, and how often a difference that is none is called one."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from rrlib.analysis.differences import difference_interval, difference_p, sign_flips
from rrlib.errors import InputError


def test_sign_flips_of_independent_samples_are_mcnemars_exact_test():
    first, second = np.r_[np.ones(12), np.zeros(3), np.ones(20)], np.r_[np.zeros(12), np.ones(3), np.ones(20)]
    assert sign_flips(first, second, np.arange(35)) == pytest.approx(binomtest(12, 15).pvalue)


def test_sign_flips_over_groups_are_all_ways_to_flip_them():
    rng = np.random.default_rng(0)
    groups = rng.integers(9, size=40)
    first, second = rng.random(40) < 0.6, rng.random(40) < 0.4
    differences = np.bincount(groups, first.astype(int) - second.astype(int), minlength=9)
    sums = np.array([np.dot(signs, differences) for signs in product([1, -1], repeat=9)])
    expected = (np.abs(sums) >= abs(differences.sum())).mean()
    assert sign_flips(first, second, groups) == pytest.approx(expected)


def test_the_interval_of_no_difference_holds_zero_and_p_is_one():
    hits = np.random.default_rng(1).random(50) < 0.4
    low, high, _ = difference_interval(hits, hits, np.arange(50))
    assert low <= 0 <= high
    assert difference_p(hits, hits, np.arange(50)) == 1


def test_the_p_value_is_where_the_interval_reaches_zero_unless_sign_flips_say_more():
    rng = np.random.default_rng(2)
    first, second, groups = rng.random(200) < 0.7, rng.random(200) < 0.5, np.arange(200) // 2
    p = difference_p(first, second, groups)
    low, _, _ = difference_interval(first, second, groups, 1 - p)
    assert p > sign_flips(first, second, groups) or low > 0
    assert p == pytest.approx(sign_flips(first, second, groups)) or low == pytest.approx(0, abs=1e-6)


def test_swapping_the_detectors_swaps_the_interval():
    rng = np.random.default_rng(3)
    first, second, groups = rng.random(90) < 0.7, rng.random(90) < 0.5, np.arange(90) // 3
    low, high, _ = difference_interval(first, second, groups)
    assert difference_interval(second, first, groups)[:2] == pytest.approx((-high, -low))
    assert difference_p(second, first, groups) == pytest.approx(difference_p(first, second, groups))


def test_detectors_that_agree_on_most_samples_are_told_apart_more_finely():
    rng = np.random.default_rng(4)
    first, groups = rng.random(400) < 0.5, np.arange(400)
    alike, other = first ^ (rng.random(400) < 0.02), rng.permutation(first)
    width = [high - low for low, high, _ in (difference_interval(first, b, groups) for b in (alike, other))]
    assert width[0] < 0.5 * width[1]


def lumps(rng, share, groups, size, lumped):
    """Hits of share `share`, whole groups at once or sample by sample."""
    one = rng.random((groups, 1 if lumped else size)) < share
    return np.broadcast_to(one, (groups, size)).ravel()


@pytest.mark.parametrize(("groups", "size"), [(20, 10), (48, 4), (48, 1)])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("lumped", [(True, True), (True, False), (False, False)])
def test_a_difference_that_is_none_is_called_one_in_at_most_a_twentieth(share, groups, size, lumped):
    rng = np.random.default_rng(5)
    first, second = (np.column_stack([lumps(rng, share, groups, size, each) for _ in range(800)]) for each in lumped)
    names = np.repeat(np.arange(groups), size)
    low, high, _ = difference_interval(first, second, names)
    called = ((low > 0) | (high < 0)) & (sign_flips(first, second, names) <= 0.05)
    assert called.mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 800)


def test_detectors_on_other_samples_are_refused():
    with pytest.raises(InputError, match="the two detectors have hits of shapes"):
        difference_p([1, 0], [1, 0, 1], [1, 2])
