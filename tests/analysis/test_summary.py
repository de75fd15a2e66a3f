"""RA, RR and stability of tables, against a table worked out by hand and against pandas."""

import numpy as np
import pandas as pd
import pytest

from rrlib.analysis import summary
from rrlib.analysis.intervals import share_interval
from rrlib.errors import InputError


@pytest.fixture
def many_rows() -> pd.DataFrame:
    """Two data sets × two detectors × 50 samples at three epsilons, with random numbers."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [["faces", "drawn"], ["resnet", "meso4"], ["pgd"], [f"s{n}" for n in range(50)], [0.0, 0.05, 0.1]],
        names=["dataset", "detector", "attack", "sample", "epsilon"],
    )
    table = index.to_frame(index=False)
    table["group"], table["label"] = table["sample"], rng.integers(0, 2, len(table))
    table["p_clean"], table["p_attacked"] = rng.random(len(table)), rng.random(len(table))
    table["shift"] = (table["p_clean"] - table["p_attacked"]).abs()
    table["gradient"] = pd.array(rng.choice([True, False, pd.NA], len(table)), dtype="boolean")
    return table


def test_a_tie_counts_as_real(six_rows):
    tie = six_rows.assign(p_attacked=0.5)
    assert summary.correct(tie).tolist() == [True, True, False, False, False, False]


def test_a_prediction_is_right_when_it_equals_its_label(six_rows):
    assert summary.correct(six_rows).tolist() == [True, False, True, True, False, False]


def test_a_shift_equal_to_the_tolerance_is_robust(six_rows):
    assert summary.robust(six_rows, [0.124, 0.125, 0.5]).tolist() == [
        [True, True, True],
        [False, False, True],
        [True, True, True],
        [False, True, True],
        [True, True, True],
        [True, True, True],
    ]


def test_by_epsilon_is_the_table_worked_out_by_hand(six_rows):
    found = summary.by_epsilon(six_rows, [0.1, 0.2])
    assert found["epsilon"].tolist() == [0, 0, 0, 0.1, 0.1, 0.1]
    assert found["measure"].tolist() == ["RA", "RR", "RR"] * 2
    assert found["tolerance"].isna().tolist() == [True, False, False] * 2
    assert found["tolerance"].dropna().tolist() == [0.1, 0.2] * 2
    assert found["value"].tolist() == pytest.approx([2 / 3, 1, 1, 1 / 3, 1 / 3, 2 / 3])
    assert set(found["samples"]) == {3}
    assert set(found["groups"]) == {2}
    assert set(zip(found["dataset"], found["detector"], found["attack"], strict=True)) == {("faces", "meso4", "pgd")}


def test_by_epsilon_agrees_with_pandas(many_rows):
    found = summary.by_epsilon(many_rows, [0.3]).set_index([*summary.CELL, "epsilon", "measure"])["value"]
    many_rows["RA"] = (many_rows["p_attacked"] > 0.5).astype(int) == many_rows["label"]
    many_rows["RR"] = many_rows["shift"] <= 0.3
    expected = many_rows.groupby([*summary.CELL, "epsilon"])[["RA", "RR"]].mean().stack()
    assert len(found) == len(expected) == 24
    assert found.sort_index().tolist() == pytest.approx(expected.sort_index().tolist(), abs=1e-15)


def test_cells_keep_the_order_of_the_table(many_rows):
    found = summary.by_epsilon(many_rows, [0.1])
    assert found["dataset"].drop_duplicates().tolist() == ["faces", "drawn"]
    assert found["detector"].drop_duplicates().tolist() == ["resnet", "meso4"]


def test_the_interval_is_that_of_a_grouped_share(many_rows):
    many_rows["group"] = many_rows["sample"].str[:2]
    part = many_rows.query("dataset == 'faces' and detector == 'meso4' and epsilon == 0.1")
    low, high, trusted = share_interval(part["shift"] <= 0.3, part["group"])
    found = summary.by_epsilon(part, [0.3]).iloc[1]
    assert found[["low", "high", "groups", "trusted"]].tolist() == [low, high, 10, trusted]


def test_where_rr_is_1_by_definition_so_is_its_interval(many_rows):
    many_rows.loc[many_rows["epsilon"] == 0, "shift"] = 0.0
    found = summary.by_epsilon(many_rows, [0.3, 1.0]).query("measure == 'RR'")
    sure = (found["epsilon"] == 0) | (found["tolerance"] == 1)
    assert (found.loc[sure, ["value", "low", "high"]] == 1).all(axis=None)
    assert (found.loc[~sure, "low"] < 1).all()
    of_l2 = summary.by_epsilon(many_rows, [1.0], largest=2**0.5).query("measure == 'RR' and epsilon > 0")
    assert (of_l2["low"] < 1).all()


def test_rows_of_named_attacks_or_a_sentence(many_rows):
    both = pd.concat([many_rows, many_rows.assign(attack="noise")])
    assert set(summary.of_attacks(both, ["pgd", "cw"])["attack"]) == {"pgd"}
    with pytest.raises(InputError, match="the table holds none of the attacks fgsm; it holds pgd, noise"):
        summary.of_attacks(both, ["fgsm"])


def test_the_overview_is_the_table_worked_out_by_hand(six_rows):
    found = summary.overview(six_rows, [0.1, 0.2])
    assert list(found) == [
        *[*summary.CELL, "ε", "clean accuracy", "AUC", "RA", "RR(0.1)", "RR(0.2)", "stability", "no gradient"]
    ]
    clean, attacked = found.drop(columns=summary.CELL).to_numpy(dtype=float).tolist()
    assert clean == pytest.approx([0, 2 / 3, 1, 2 / 3, 1, 1, 1, 0])
    assert attacked == pytest.approx([0.1, 2 / 3, 1, 1 / 3, 1 / 3, 2 / 3, 1 - 0.625 / 3, 1])


def test_a_missing_gradient_is_not_counted_as_no_gradient(many_rows):
    found = summary.overview(many_rows, [0.1])["no gradient"]
    assert found.sum() == (many_rows["gradient"].fillna(True) == False).sum()  # noqa: E712 (a boolean column)
    assert 0 < found.sum() < many_rows["gradient"].isna().sum() + found.sum()


def test_stability_is_the_area_under_rr(many_rows):
    part = many_rows.query("dataset == 'faces' and detector == 'meso4' and epsilon == 0.1")
    tolerances = (np.arange(20000) + 0.5) / 20000
    area = summary.robust(part, tolerances).mean()
    assert summary.overview(part, [0.1])["stability"].item() == pytest.approx(area, abs=1e-4)


def test_rr_is_split_by_what_was_right_before_the_attack(six_rows):
    clean, attacked = summary.split_by_clean(six_rows, 0.1).to_dict("records")
    assert (clean["ε"], attacked["ε"]) == (0, 0.1)
    assert (attacked["samples right before"], attacked["samples wrong before"]) == (2, 1)
    assert attacked["RR(0.1) if right"] == 0  # a moved by 0.5, b by 0.125
    assert attacked["RR(0.1) if wrong"] == 1  # c is unmoved, and wrong as before
    assert (clean["RR(0.1) if right"], clean["RR(0.1) if wrong"]) == (1, 1)


def test_rr_of_samples_that_there_are_none_of_is_missing(six_rows):
    found = summary.split_by_clean(six_rows[:4], 0.1)
    assert found["samples wrong before"].tolist() == [0, 0]
    assert found["RR(0.1) if wrong"].isna().all()


def test_a_rerun_differs_from_its_own_record_by_nothing_and_from_another_by_the_largest_difference(many_rows):
    record = summary.reference_rows(many_rows, 0.3)
    same = summary.against_reference(many_rows, record, 0.3)
    assert same[summary.CELL].drop_duplicates().shape == (4, 3)
    assert (same[["largest difference in RA", "largest difference in RR"]] == 0).all(axis=None)
    record.loc[record.index[:2], "RR"] += [0.01, -0.02]  # both of the first cell
    changed = summary.against_reference(many_rows, record, 0.3)["largest difference in RR"]
    assert changed.tolist() == pytest.approx([0.02, 0, 0, 0])


def test_a_cell_that_was_never_recorded_is_left_out(many_rows):
    record = summary.reference_rows(many_rows.query("detector == 'meso4'"), 0.3)
    assert set(summary.against_reference(many_rows, record, 0.3)["detector"]) == {"meso4"}


def test_the_excess_is_the_largest_rise_of_one_curve_above_another(six_rows):
    # at ε = 0.1 the shifts are 0.5, 0.125, 0 under pgd; under shift they are given here
    stronger = six_rows.assign(attack="shift", shift=six_rows["shift"].replace({0.125: 0.25}))
    both = pd.concat([six_rows, stronger])
    assert summary.excess(both, "shift").to_dict("records") == [{"dataset": "faces", "detector": "meso4", "pgd": 0.0}]
    # pgd has 2/3 of the samples within 0.125 … 0.25, where shift has 1/3
    assert summary.excess(both, "pgd")["shift"].item() == pytest.approx(1 / 3)
    assert summary.excess(six_rows, "shift").empty
