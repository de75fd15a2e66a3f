"""Bands: exact references, the promise over many splits of samples whose flips are known, and the words for none."""

import re

import numpy as np
import pandas as pd
import pytest
from made import cell
from scipy.stats import binom

from rrlib.analysis import bands, bands_over_epsilon, card, worst_case
from rrlib.analysis.guardrails import groups_needed, halves, narrowest_band, promised_band
from rrlib.errors import InputError


def flipping(count: int, seed: int = 0, groups: int | None = None, epsilon: float = 0.1) -> pd.DataFrame:
    """A fifth of the samples flips, those near the threshold more often; as a worst case."""
    rng = np.random.default_rng(seed)
    p_clean, label = rng.random(count), rng.integers(0, 2, count)
    flips = rng.random(count) < 0.4 * (1 - 2 * np.abs(p_clean - 0.5))
    p_attacked = np.where(flips, rng.random(count) * 0.5 + 0.5 * (p_clean <= 0.5), p_clean)
    names = None if groups is None else np.arange(count) % groups
    return worst_case(cell(p_clean, p_attacked, label, names, epsilon=epsilon))


def test_the_narrowest_band_is_that_of_trying_every_band():
    rng = np.random.default_rng(1)
    reach = np.where(rng.random(200) < 0.3, rng.integers(0, 20, 200) / 40, -1.0)
    for budget in (0, 0.05, 0.1, 0.29, 0.5):
        tried = next(band for band in np.unique(np.r_[0, reach[reach >= 0]]) if (reach > band).mean() <= budget)
        assert narrowest_band(reach, budget) == tried


@pytest.mark.parametrize("n", [59, 64, 192, 500])
def test_independent_samples_have_the_rank_of_the_binomial_tail(n):
    reach = np.linspace(0.5, 0.01, n)  # everything flips, each at a band of its own
    allowed = max(k for k in range(n) if binom.cdf(k, n, 0.05) <= 0.05)
    assert promised_band(reach, np.arange(n), 0.05, 0.95) == reach[allowed]


def test_too_few_groups_promise_nothing_even_without_a_flip():
    assert groups_needed(0.05) == 59
    assert np.isnan(promised_band(np.full(58, -1), np.arange(58), 0.05))
    assert promised_band(np.full(59, -1), np.arange(59), 0.05) == 0
    assert np.isnan(promised_band(np.full(580, -1), np.arange(580) % 58, 0.05))


def test_neither_the_order_of_samples_nor_equal_reaches_matter():
    rng = np.random.default_rng(2)
    reach = np.where(rng.random(300) < 0.3, rng.integers(0, 8, 300) / 16, -1.0)
    groups, order = rng.integers(0, 100, 300), rng.permutation(300)
    band = promised_band(reach, groups, 0.1)
    assert promised_band(reach[order], groups[order], 0.1) == band
    assert (reach > band).mean() <= 0.1


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_the_promise_is_broken_in_at_most_the_stated_share_of_1000_draws(size, alike):
    """The margin of a flip is uniform and independent of it, so the true flipped share of a band is known."""
    rng, groups, rate = np.random.default_rng(3), 200 // size, 0.3
    names, broken = np.repeat(np.arange(groups), size), 0
    for _ in range(1000):
        together = np.repeat(rng.random(groups) < alike, size)
        flips = np.where(together, np.repeat(rng.random(groups), size), rng.random(len(names))) < rate
        margin = np.where(together, np.repeat(rng.random(groups), size), rng.random(len(names))) / 2
        band = promised_band(np.where(flips, margin, -1), names, 0.05, 0.9)
        broken += not np.isnan(band) and rate * (1 - 2 * band) > 0.05
    assert broken / 1000 <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 1000)


def test_over_1000_splits_the_budget_is_broken_on_the_population_in_at_most_the_stated_share():
    """Halves of a large table stand for samples of it; what is promised is the flipped share of all of it."""
    table = flipping(20_000)
    rng, reach = np.random.default_rng(4), np.where(table["kept"], -1, (table["p_clean"] - 0.5).abs())
    broken = 0
    for _ in range(1000):
        some = rng.choice(len(reach), 150, replace=False)
        band = promised_band(reach[some], some, 0.05, 0.95)
        broken += (reach > band).mean() > 0.05
    assert broken / 1000 <= 0.05


def test_a_band_is_found_on_one_half_and_judged_on_the_other():
    table = flipping(600)
    finding = halves(table["group"])
    for row in bands(table, 0.1, 0.05).to_dict("records"):
        margin = (table["p_clean"] - 0.5).abs()
        reach = np.where(table["kept"], -1, margin if row["on"] == "clean score" else table["crossed"])
        assert row["band"] == promised_band(reach[finding], table["group"][finding], 0.05)
        decided = (margin > row["band"])[~finding]
        right = ((table["p_clean"] > 0.5) == (table["label"] == 1))[~finding]
        assert row["decided"] == pytest.approx(decided.mean())
        assert row["right"] == pytest.approx(right[decided].mean())
        assert row["flipped"] == pytest.approx((reach[~finding] > row["band"]).mean())
        assert row["decided_low"] < row["decided"] < row["decided_high"]
        assert row["bound"] == pytest.approx((table["shift"] > row["band"]).mean())
        assert (row["verdict"], row["found_on"], row["judged_on"]) == ("promised", 300, 300)


def test_the_band_that_rr_offers_is_wider_than_the_narrowest_one():
    (row, _) = bands(flipping(600), 0.1, 0.05).to_dict("records")
    assert row["narrowest"] < row["tolerance"]
    assert row["narrowest"] <= row["band"]


def test_a_weak_push_over_the_threshold_needs_a_narrow_band_on_the_attacked_score_only():
    n = 400
    table = worst_case(cell(np.full(n, 0.9), np.full(n, 0.49), np.ones(n)))
    clean, attacked = bands(table, 0.1, 0.05).to_dict("records")
    assert clean["verdict"] == "decides nothing"
    assert clean["band"] == pytest.approx(0.4)
    assert (attacked["verdict"], attacked["decided"]) == ("promised", 1.0)
    assert attacked["band"] == pytest.approx(0.01)


def test_with_few_groups_it_says_that_nothing_can_be_promised():
    for row in bands(flipping(160, groups=32), 0.1, 0.05).to_dict("records"):
        assert (row["verdict"], row["reason"]) == (
            "cannot be promised",
            "cannot be promised with 16 groups: 59 are needed even if nothing flips",
        )
        assert np.isnan(row["band"])
        assert np.isnan(row["decided"])


def test_halves_are_whole_groups_and_the_same_in_any_order():
    groups = np.array([f"g{number % 40}" for number in range(200)])
    chosen = halves(groups)
    assert len(set(groups[chosen])) == len(set(groups[~chosen])) == 20
    assert not set(groups[chosen]) & set(groups[~chosen])
    order = np.random.default_rng(5).permutation(200)
    assert (halves(groups[order]) == chosen[order]).all()
    assert (halves(groups, salt=1) != chosen).any()


def test_the_curve_over_epsilon_has_every_epsilon_but_the_clean_one():
    table = pd.concat([flipping(200, epsilon=epsilon) for epsilon in (0.0, 0.1, 0.2)])
    assert bands_over_epsilon(table, 0.05)["epsilon"].tolist() == [0.1, 0.1, 0.2, 0.2]


def test_a_card_is_plain_and_says_none_where_a_number_is_missing():
    row = bands(flipping(160, groups=32), 0.1, 0.05).iloc[0]
    found = card(row, 0.05, 0.95, checkpoint="sha256:1")
    assert found["checkpoint"] == "sha256:1"
    assert found["promise"] == {"budget": 0.05, "confidence": 0.95, "epsilon": 0.1, "band": None}
    assert {type(value) for value in found["measured"].values()} <= {int, float, str, bool, type(None)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bands(flipping(100), 0.1, 1.5), "budget is 1.5; it is a share of inputs in [0, 1)"),
        (lambda: bands(flipping(100), 0.3, 0.05), "the table has no rows at ε = 0.3; choose from 0.1"),
        (
            lambda: bands(cell([0.9], [0.8], [1]), 0.1, 0.05),
            "a table of single attacks was given; a guardrail needs worst_case(table)",
        ),
        (
            lambda: bands(flipping(100), 0.1, 0.05, confidence=0.4),
            "confidence 0.4 was given; use a number between 0.5 and 1, such as 0.95",
        ),
    ],
)
def test_what_cannot_be_promised_is_refused_in_one_sentence(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()
