"""Pairs whose truth is known get the right verdict, and where nothing differs, little is found."""

import numpy as np
import pandas as pd
import pytest
from made import cell

from rrlib.analysis import compare, found_pairs, seed_spread, worst_case
from rrlib.analysis.comparisons import holm
from rrlib.errors import InputError
from rrlib.report import findings


def detector(
    name: str, right: float, attacked_right: float, small: float, seed: int, n: int = 400, move: float = 0.3
) -> pd.DataFrame:
    """A detector with these shares: right on clean samples, right under attack, and moved by little (0.01).

    Who is wrong under attack is the same for all seeds but for one sample in fifty, as hard samples are hard for all.
    """
    rng, shared = np.random.default_rng(seed), np.random.default_rng(99)
    label, hardness = shared.integers(0, 2, n), shared.permutation(n) / n
    noise = rng.random(n) < 0.02
    hard = np.where(noise, rng.random(n), hardness)
    clean, attacked = hard < right, hard < attacked_right
    p_right_clean = np.where(clean, 0.9, 0.1)
    step = np.where(rng.random(n) < small, 0.01, move)
    p_right = np.where(attacked == clean, p_right_clean + np.where(clean, -step, step), 0.05)
    return cell(
        np.where(label == 1, p_right_clean, 1 - p_right_clean).round(9),  # so that equal scores are ties
        np.where(label == 1, p_right, 1 - p_right),
        label,
        detector=name,
    )


def pair(first: dict, second: dict, **of_both) -> pd.Series:
    table = pd.concat([detector("a", seed=1, **first, **of_both), detector("b", seed=2, **second, **of_both)])
    (row,) = compare(worst_case(table), 0.1).to_dict("records")
    return row


EQUAL = {"right": 0.9, "attacked_right": 0.6, "small": 0.5}


def test_twins_in_ra_that_move_differently_hold():
    row = pair({**EQUAL, "small": 0.95}, {**EQUAL, "small": 0.1})
    assert (row["alike"], row["apart"], row["clean_alike"], row["verdict"]) == ("holds",) * 4
    assert row["rr_p_holm"] < 1e-10
    assert -0.05 < row["ra_low"] < 0 < row["ra_high"] < 0.05


def test_equal_detectors_do_not_hold_or_are_undecided():
    row = pair(EQUAL, EQUAL)
    assert row["apart"] != "holds"
    assert row["verdict"] in ("undecided", "does not hold")
    same = pd.concat([detector("a", seed=1, **EQUAL), detector("a", seed=1, **EQUAL).assign(detector="b")])
    (row,) = compare(worst_case(same), 0.1).to_dict("records")
    assert (row["apart"], row["verdict"], row["reason"]) == (
        "does not hold",
        "does not hold",
        "RR differs by less than 0.05",
    )


def test_detectors_that_differ_in_ra_do_not_hold():
    row = pair(EQUAL, {**EQUAL, "attacked_right": 0.3, "small": 0.1})
    assert (row["alike"], row["verdict"], row["reason"]) == (
        "does not hold",
        "does not hold",
        "RA differs by more than 0.05",
    )


def test_saturated_detectors_are_not_compared():
    row = pair({**EQUAL, "attacked_right": 0.0, "small": 0.95}, {**EQUAL, "attacked_right": 0.01, "small": 0.1})
    assert row["verdict"] == "undecided"
    assert row["reason"].startswith("RA is saturated: a (0.0")


def test_a_detector_that_does_not_detect_is_not_compared():
    row = pair(
        {"right": 0.55, "attacked_right": 0.5, "small": 0.95}, {"right": 0.9, "attacked_right": 0.5, "small": 0.1}
    )
    assert row["verdict"] == "undecided"
    assert row["reason"].startswith("a does not detect on d: AUC 0.")


def test_a_difference_in_clean_accuracy_is_said():
    row = pair(
        {"right": 0.95, "attacked_right": 0.6, "small": 0.95}, {"right": 0.8, "attacked_right": 0.6, "small": 0.1}
    )
    assert (row["verdict"], row["clean_alike"]) == ("holds", "does not hold")
    assert "clean accuracy differs by +0.1" in row["reason"]


def test_uncalibrated_twins_are_apart_in_rr_and_alike_in_ra_which_only_calibration_can_tell():
    """Logits divided by 8 keep every verdict, and RR tells of confidence: compare calibrated detectors (law 10)."""
    rng = np.random.default_rng(0)
    label, z = rng.integers(0, 2, 400), rng.normal(size=400)
    clean = 2 * (2 * label - 1) + z
    attacked = clean - 2.5 * (2 * label - 1)
    parts = [
        cell(1 / (1 + np.exp(-clean / t)), 1 / (1 + np.exp(-attacked / t)), label, detector=name)
        for name, t in (("sharp", 1), ("flat", 8))
    ]
    (row,) = compare(worst_case(pd.concat(parts)), 0.1).to_dict("records")
    assert row["ra_difference"] == 0
    assert (row["alike"], row["apart"]) == ("holds", "holds")


def test_fewer_than_20_groups_are_undecided():
    parts = [
        detector(name, seed=seed, **{**EQUAL, "small": small}) for name, seed, small in (("a", 1, 0.95), ("b", 2, 0.1))
    ]
    table = worst_case(pd.concat(parts))
    table["group"] = (table["sample"].str[1:].astype(int) % 19).astype(str)
    (row,) = compare(table, 0.1).to_dict("records")
    assert {row["alike"], row["apart"], row["verdict"]} == {"undecided"}
    assert row["reason"] == "19 groups are too few, 20 are needed"


def test_the_label_clause_counts_flips_within_the_tolerance():
    near = cell(np.full(40, 0.52), np.full(40, 0.48), np.arange(40) % 2, detector="a")
    far = cell(np.full(40, 0.9), np.full(40, 0.88), np.arange(40) % 2, detector="b")
    table = worst_case(pd.concat([near, far]))
    assert compare(table, 0.1)[["rr_first", "rr_second"]].iloc[0].tolist() == [1, 1]
    assert compare(table, 0.1, keep_label=True)[["rr_first", "rr_second"]].iloc[0].tolist() == [0, 1]


def null_study(rng: np.random.Generator, groups: int, size: int, detectors: int = 3) -> pd.DataFrame:
    """Detectors that differ in nothing but chance, whose samples hang together within groups."""
    names, label = np.repeat(np.arange(groups), size), rng.integers(0, 2, groups * size)
    parts = []
    for number in range(detectors):
        for epsilon in (0.01, 0.02):
            rate = rng.beta(1, 3, groups).repeat(size)
            small = rng.random(len(names)) < rate
            clean = np.where(rng.random(len(names)) < 0.9, 0.9, 0.3)
            attacked = np.where(small, clean - 0.01, np.where(rng.random(len(names)) < 0.5, 0.6, 0.1))
            p = [np.where(label == 1, score, 1 - score) for score in (clean, attacked)]
            parts.append(cell(*p, label, names, detector=f"f{number}", epsilon=epsilon))
    return pd.concat(parts)


@pytest.mark.parametrize(("groups", "size"), [(16, 4), (48, 4), (384, 1)])
def test_of_studies_without_any_difference_at_most_a_twentieth_shows_one(groups, size):
    rng, studies = np.random.default_rng(groups), 30
    shown = sum((compare(null_study(rng, groups, size), 0.1)["apart"] == "holds").any() for _ in range(studies))
    assert shown / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    if groups < 20:
        assert shown == 0


def test_holm_is_statsmodels_by_hand():
    adjusted = [p for p, _ in holm([0.01, 0.04, 0.03, 0.005])]
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [level for _, level in holm([0.01, 0.04, 0.03, 0.005])] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])


def test_a_rejected_difference_has_an_interval_without_zero_and_no_other_has():
    parts = [detector(f"f{n}", seed=n, right=0.9, attacked_right=0.6, small=0.5 + 0.06 * n) for n in range(4)]
    found = compare(worst_case(pd.concat(parts)), 0.1)
    excluded = (found["rr_low"] > 0) | (found["rr_high"] < 0)
    assert (excluded == (found["rr_p_holm"] <= 0.05)).all()
    assert 0 < excluded.sum() < len(found)


def test_the_order_of_rows_does_not_matter_and_one_detector_cannot_be_compared():
    table = pd.concat([detector("a", seed=1, **EQUAL), detector("b", seed=2, **EQUAL)])
    pd.testing.assert_frame_equal(compare(table, 0.1), compare(table.sample(frac=1, random_state=0), 0.1))
    alone = compare(table[table["detector"] == "a"], 0.1)
    assert alone.empty
    assert list(alone) == list(compare(table, 0.1))


def test_other_samples_are_refused():
    table = pd.concat([detector("a", seed=1, **EQUAL), detector("b", seed=2, **EQUAL)[:-1]])
    with pytest.raises(InputError, match="a and b were judged on different samples of d; a comparison needs the same"):
        compare(table, 0.1)


def test_the_spread_over_seeds_is_that_of_the_shares():
    table = pd.concat([detector(f"s{n}", seed=n, **EQUAL) for n in range(3)] + [detector("other", seed=9, **EQUAL)])
    (row,) = seed_spread(table, {"s0": "recipe", "s1": "recipe", "s2": "recipe"}, 0.1).to_dict("records")
    rr = [(part["shift"] <= 0.1).mean() for name, part in table.groupby("detector") if name != "other"]
    assert (row["recipe"], row["seeds"]) == ("recipe", 3)
    assert row["rr_mean"] == pytest.approx(np.mean(rr))
    assert row["rr_sd"] == pytest.approx(np.std(rr, ddof=1))
    assert (row["rr_lowest"], row["rr_highest"]) == (min(rr), max(rr))


# In words


def test_the_finding_names_the_pair_and_its_numbers():
    table = pd.concat(
        [detector("calm", seed=1, **{**EQUAL, "small": 0.95}), detector("jumpy", seed=2, **{**EQUAL, "small": 0.1})]
    )
    comparison = compare(worst_case(table), 0.1)
    text, row = findings.main_finding(worst_case(table), 0.1), found_pairs(comparison).iloc[0]
    assert text.startswith("**Detectors alike in robust accuracy can be apart in robust ratio.** Under worst case at")
    assert f"RR(0.1) is {row['rr_first']:.3f} for calm and {row['rr_second']:.3f} for jumpy" in text
    assert "Of 1 comparisons (two detectors at one ε), 1 holds, 0 do not hold and 0 are undecided." in text


def test_the_finding_says_undecided_and_why():
    table = pd.concat(
        [
            detector("a", seed=1, **{**EQUAL, "attacked_right": 0.0}),
            detector("b", seed=2, **{**EQUAL, "attacked_right": 0.0}),
        ]
    )
    text = findings.main_finding(worst_case(table), 0.1)
    assert text.startswith("**Whether detectors alike in robust accuracy are apart in RR(0.1) is undecided here:")
    assert "Why undecided, most frequent first: RA is saturated" in text


def test_the_finding_says_that_there_is_none_where_every_pair_was_decided():
    table = pd.concat([detector("a", seed=1, **EQUAL), detector("a", seed=1, **EQUAL).assign(detector="b")])
    text = findings.main_finding(worst_case(table), 0.1)
    assert text.startswith("**No two detectors here are alike in robust accuracy and apart in RR(0.1).**")
    assert "Why undecided" not in text


def test_one_detector_is_nothing_to_compare():
    text = findings.main_finding(worst_case(detector("a", seed=1, **EQUAL)), 0.1)
    assert text == "There are no two detectors to compare here."
