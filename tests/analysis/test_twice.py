"""One detector measured twice is compared as two detectors are, on what both tables have."""

import pytest

from rrlib import analysis
from rrlib.errors import InputError


@pytest.fixture
def table(random_results):
    return random_results(datasets=("faces",), detectors=("meso4",), attacks=("noise", "pgd"))


def test_a_table_beside_itself_differs_in_nothing(table):
    found = analysis.compare_two(table, table, 0.1)
    assert list(found["epsilon"]) == [0.01, 0.1]
    assert set(found["attack"]) == {analysis.WORST_CASE}
    assert (found[["ra_difference", "rr_difference", "clean_difference"]] == 0).all(axis=None)
    assert not (found["apart"] == analysis.HOLDS).any()


def test_it_is_the_comparison_of_two_detectors(table):
    later = table.assign(shift=table["shift"] / 10, detector="another name", dataset="another folder")
    found = analysis.compare_two(table, later, 0.1)
    both = analysis.worst_case(table), analysis.worst_case(later)
    for (_, row), epsilon in zip(found.iterrows(), (0.01, 0.1), strict=True):
        for part, column in zip(both, ("rr_first", "rr_second"), strict=True):
            assert row[column] == (part.loc[part["epsilon"] == epsilon, "shift"] <= 0.1).mean()
    assert found["rr_difference"].iloc[1] < 0


def test_only_what_both_have_is_compared(table):
    later = table[(table["epsilon"] != 0.01) & (table["attack"] == "pgd") & (table["sample"] != "s0")]
    found = analysis.compare_two(table, later, 0.1)
    assert list(found["epsilon"]) == [0.1]
    assert list(found["groups"]) == [19]
    only = table[(table["attack"] == "pgd") & (table["sample"] != "s0") & (table["epsilon"] == 0.1)]
    assert found["rr_first"].iloc[0] == (only["shift"] <= 0.1).mean()


def test_what_cannot_be_compared_is_said(table):
    with pytest.raises(InputError, match="A and B have no sample in common; give tables that were made alike"):
        analysis.compare_two(table, table.assign(sample="x" + table["sample"]), 0.1)
    with pytest.raises(InputError, match="A and B have no epsilon in common"):
        analysis.compare_two(table, table[table["epsilon"] == 0], 0.1)
    with pytest.raises(InputError, match="s0 has another label or group in B than in A; give tables of one data set"):
        analysis.compare_two(table, table.assign(label=1 - table["label"]), 0.1)
    two = table.copy()
    two.loc[0, "detector"] = "resnet"
    with pytest.raises(InputError, match="B holds 2 detectors; give the tables of one"):
        analysis.compare_two(table, two, 0.1)
