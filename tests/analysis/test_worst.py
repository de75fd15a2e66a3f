"""The worst case, against a loop over all attacks and epsilons, and the laws that it keeps by construction."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import cell, with_clean

from rrlib.analysis import beaten, worst_case
from rrlib.analysis.rules import correct, kept
from rrlib.errors import InputError

TOLERANCES = [0.1, 0.3]


def random_table(seed: int, detectors: int = 2, samples: int = 12, values: int = 7) -> pd.DataFrame:
    """Few different probabilities, so that there are ties of shifts and scores on the threshold."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(detectors):
        clean, label = rng.integers(0, values, samples) / (values - 1), rng.integers(0, 2, samples)
        for attack in ("noise", "fgsm", "pgd"):
            for epsilon in (0.01, 0.02, 0.05):
                attacked = rng.integers(0, values, samples) / (values - 1)
                parts.append(cell(clean, attacked, label, detector=f"f{number}", attack=attack, epsilon=epsilon))
    return with_clean(pd.concat(parts, ignore_index=True))


def by_hand(table: pd.DataFrame, detector: str, sample: str, epsilon: float) -> dict:
    inside = table[(table["detector"] == detector) & (table["sample"] == sample) & (table["epsilon"] <= epsilon)]
    fake, verdict = inside["p_attacked"] > 0.5, bool(inside["p_clean"].iloc[0] > 0.5)
    beyond = 0.5 - inside["p_attacked"] if verdict else inside["p_attacked"] - 0.5
    return {
        "shift": inside["shift"].max(),
        "correct": bool((fake == (inside["label"] == 1)).all()),
        "kept": bool((fake == verdict).all()),
        "crossed": beyond.max(),
    }


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_worst_of_all_rows_inside_the_ball(seed):
    table = random_table(seed)
    found = worst_case(table)
    assert len(found) == 2 * 12 * 4
    for row in found.to_dict("records"):
        expected = by_hand(table, row["detector"], row["sample"], row["epsilon"])
        assert {key: row[key] for key in expected} == pytest.approx(expected)
        source = table[(table[["detector", "sample"]] == [row["detector"], row["sample"]]).all(axis=1)]
        source = source[(source["attack"] == row["by"]) & (source["epsilon"] == row["by_epsilon"])]
        assert source[["shift", "p_attacked", "linf"]].iloc[0].tolist() == [
            row["shift"],
            row["p_attacked"],
            row["linf"],
        ]


@pytest.mark.parametrize("seed", range(5))
def test_rr_and_ra_never_rise_with_epsilon(seed):
    found = worst_case(random_table(seed))
    per_epsilon = found.assign(robust=found["shift"] <= 0.3).groupby(["detector", "epsilon"])
    shares = per_epsilon[["robust", "correct", "kept"]].mean().unstack("epsilon")
    for measure in ("robust", "correct", "kept"):
        assert (np.diff(shares[measure].to_numpy(), axis=1) <= 0).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([["noise"], ["noise", "fgsm"], ["pgd"]]))
def test_one_more_attack_never_raises_rr_or_ra_of_any_sample(seed, some):
    table = random_table(seed, samples=4)
    few, all_of_them = worst_case(table, some), worst_case(table)
    assert (all_of_them["shift"] >= few["shift"]).all()
    assert (all_of_them["correct"] <= few["correct"]).all()
    assert (all_of_them["kept"] <= few["kept"]).all()


def test_at_epsilon_0_it_is_the_clean_input():
    table = random_table(0)
    clean = worst_case(table).query("epsilon == 0")
    assert (clean["shift"] == 0).all()
    assert clean["kept"].all()
    assert (clean["p_attacked"] == clean["p_clean"]).all()
    assert clean["gradient"].isna().all()
    assert clean["correct"].tolist() == correct(clean.drop(columns="correct")).tolist()


def test_ra_asks_whether_any_attack_makes_it_wrong_and_not_only_that_of_the_largest_shift():
    up = cell([0.6], [1.0], [1], attack="shift")
    down = cell([0.6], [0.4], [1], attack="pgd")
    (row,) = worst_case(pd.concat([up, down])).itertuples()
    assert (row.by, row.p_attacked, row.shift) == ("shift", 1.0, 0.4)
    assert (row.correct, row.kept) == (False, False)
    assert row.crossed == pytest.approx(0.1)


def test_a_wrong_answer_that_an_attack_puts_right_stays_wrong_as_the_clean_input_is_in_the_ball():
    (row,) = worst_case(cell([0.4], [0.9], [1])).itertuples()
    assert (row.correct, row.kept) == (False, False)


def test_the_rules_take_the_answers_of_a_worst_case_and_not_its_score():
    table = pd.concat([cell([0.6], [1.0], [1], attack="shift"), cell([0.6], [0.4], [1])], ignore_index=True)
    mixed = pd.concat([worst_case(table), table], ignore_index=True)
    assert correct(mixed).tolist() == [False, True, False]
    assert kept(mixed).tolist() == [False, True, False]


def test_the_order_of_rows_does_not_matter_but_that_of_detectors_is_kept():
    table = random_table(3)
    first = worst_case(table)
    again = worst_case(table.sample(frac=1, random_state=0)).sort_values(["detector", "epsilon", "sample"])
    pd.testing.assert_frame_equal(first, again.reset_index(drop=True)[first.columns])
    reverse = pd.concat([table[table["detector"] == name] for name in ("f1", "f0")])
    assert worst_case(reverse)["detector"].unique().tolist() == ["f1", "f0"]


def test_the_threshold_of_each_detector_decides_what_is_right():
    table = pd.concat([cell([0.4], [0.45], [1]), cell([0.4], [0.45], [1], detector="b")])
    found = worst_case(table, threshold={("d", "a"): 0.5, ("d", "b"): 0.3})
    assert found["correct"].tolist() == [False, True]
    with pytest.raises(InputError, match=re.escape("no threshold is given for b on d; there are those of d/a")):
        worst_case(table, threshold={("d", "a"): 0.5})


def test_other_samples_under_one_attack_are_refused():
    table = pd.concat([cell([0.9, 0.9], [0.8, 0.8], [1, 1]), cell([0.9], [0.8], [1], attack="square")])
    expected = "a on d: pgd was run on 2 samples and square on 1, not the same"
    with pytest.raises(InputError, match=expected):
        worst_case(table)


def test_a_worst_case_of_nothing_is_refused():
    with pytest.raises(InputError, match="a worst case of no attack was asked for"):
        worst_case(random_table(0), attacks=["cw"])


def test_a_column_of_missing_gradients_stays_missing_and_any_gradient_counts():
    noise = cell([0.9, 0.9], [0.8, 0.8], [1, 1], attack="noise").assign(gradient=None)
    pgd = cell([0.9, 0.9], [0.85, 0.85], [1, 1]).assign(gradient=[True, False])
    assert worst_case(noise)["gradient"].isna().all()
    assert worst_case(pd.concat([noise, pgd]))["gradient"].tolist() == [True, False]


# Where an attack is beaten


def test_it_says_where_noise_or_a_smaller_epsilon_did_more():
    pgd_near = cell([0.9] * 4, [0.2, 0.2, 0.2, 0.8], [1] * 4, epsilon=0.01)
    pgd_far = cell([0.9] * 4, [0.2, 0.2, 0.85, 0.85], [1] * 4, epsilon=0.02)
    noise = cell([0.9] * 4, [0.7] * 4, [1] * 4, attack="noise", epsilon=0.02)
    found = beaten(pd.concat([pgd_near, pgd_far, noise]), [0.1]).set_index(["attack", "epsilon", "measure"])
    found = found.sort_index()
    pgd = found.loc[("pgd", 0.02)]
    assert pgd.loc["RA", ["value", "lowest", "by", "by_epsilon", "excess"]].tolist() == [0.5, 0.25, "pgd", 0.01, 0.25]
    assert pgd.loc["RR", ["value", "lowest", "by", "by_epsilon", "excess"]].tolist() == [0.5, 0.0, "noise", 0.02, 0.5]
    assert found.loc[("noise", 0.02, "RA"), "by"] == "pgd"
    assert ("pgd", 0.01, "RA") not in found.index


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_beats_an_attack_it_is_the_lowest_of_all(seed):
    table = random_table(seed)
    table["right"], table["robust"] = correct(table), table["shift"] <= 0.1
    shares = table.groupby(["detector", "attack", "epsilon"])[["right", "robust"]].mean()
    found = beaten(table, [0.1]).set_index(["detector", "attack", "epsilon", "measure"])
    for (detector, attack, epsilon), row in shares.iterrows():
        for measure, value in (("RA", row["right"]), ("RR", row["robust"])):
            inside = shares.loc[detector].query("epsilon <= @epsilon")["right" if measure == "RA" else "robust"]
            key = (detector, attack, epsilon, measure)
            if epsilon > 0 and inside.min() < value:
                assert found.loc[key, "excess"] == pytest.approx(value - inside.min())
            else:
                assert key not in found.index
