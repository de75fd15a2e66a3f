"""Both readings of φ_rob, and the parts of RR."""

import numpy as np
import pandas as pd
import pytest
from made import cell

from rrlib.analysis import readings, worst_case


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_add_up_and_the_label_clause_only_takes_away(seed):
    rng = np.random.default_rng(seed)
    table = cell(rng.random(300), rng.random(300), rng.integers(0, 2, 300))
    for rows in (table, worst_case(table)):
        found = readings(rows, [0.0, 0.1, 0.5, 1.0])
        parts = found[["stable and right", "stable and wrong", "stable and flipped"]].sum(axis=1)
        assert parts.to_numpy() == pytest.approx(found["RR"].to_numpy())
        assert found[["flipped", "moved"]].sum(axis=1).to_numpy() == pytest.approx(1 - found["RR"].to_numpy())
        kept = found["RR"] - found["stable and flipped"]
        assert kept.to_numpy() == pytest.approx(found["RR, label kept"].to_numpy())
        assert (found["RR, label kept"] <= found["RR"]).all()


def test_an_attack_that_keeps_the_label_and_moves_confidence_costs_rr_and_no_ra():
    table = cell([0.95] * 10, [0.55] * 10, [1] * 10)
    (row,) = readings(table, [0.1]).to_dict("records")
    assert (row["RA"], row["RR"], row["moved"], row["flipped"]) == (1, 0, 1, 0)


def test_an_attack_that_only_crosses_the_threshold_costs_ra_and_the_label_clause_and_not_rr():
    (row,) = readings(cell([0.52] * 10, [0.48] * 10, [1] * 10), [0.1]).to_dict("records")
    assert (row["RA"], row["RR"], row["RR, label kept"], row["stable and flipped"]) == (0, 1, 0, 1)


def test_an_unmoved_wrong_answer_is_stable_and_wrong():
    (row,) = readings(cell([0.1] * 10, [0.1] * 10, [1] * 10), [0.1]).to_dict("records")
    assert (row["RR"], row["stable and right"], row["stable and wrong"]) == (1, 0, 1)


def test_cells_and_epsilons_keep_their_order_whatever_the_index():
    table = pd.concat([cell([0.9], [0.9], [1], detector=name, epsilon=e) for name in "ba" for e in (0.2, 0.1)])
    found = readings(table, [0.1])
    assert found[["detector", "epsilon"]].values.tolist() == [["b", 0.2], ["b", 0.1], ["a", 0.2], ["a", 0.1]]
