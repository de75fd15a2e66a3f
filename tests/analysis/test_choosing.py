"""Requirements in, a ranking with reasons out."""

import re

import numpy as np
import pandas as pd
import pytest
from made import cell

from rrlib.analysis import Requirements, choose
from rrlib.errors import InputError


def detector(name: str, robust: float, clean: float = 0.95, n: int = 300) -> pd.DataFrame:
    """Right on a share of clean samples; of these a share does not move, the others are flipped."""
    place = np.arange(n) / n
    label = np.random.default_rng(0).permutation(np.arange(n) % 2)
    before = np.where(place < clean, 0.9, 0.1)
    after = np.where(place < robust * clean, before, 1 - before)
    return cell(np.where(label, before, 1 - before).round(9), np.where(label, after, 1 - after), label, detector=name)


def study(**robust: float) -> pd.DataFrame:
    return pd.concat([detector(name, share) for name, share in robust.items()])


def test_the_most_robust_is_first_and_said_to_meet_what_was_asked():
    found = choose(study(weak=0.3, strong=0.8), Requirements("d", 0.1, ra=0.5, clean_accuracy=0.9))
    assert found.ranking["detector"].tolist() == ["strong", "weak"]
    assert found.ranking["status"].tolist() == ["meets", "fails"]
    assert found.first == ("strong",)
    assert found.sentence == "strong on d at ε = 0.1: right and stable 0.760, and it meets the requirements."
    assert re.search(r"RA in \[0\.\d+, 0\.\d+\], asked ≥ 0.5: fails", found.ranking["reason"][1])


def test_two_that_the_samples_cannot_tell_apart_are_undecided():
    found = choose(study(a=0.5, b=0.51, c=0.1), Requirements("d", 0.1))
    assert found.first == ("b", "a")
    assert found.sentence == "Undecided between b and a on d at ε = 0.1."
    assert found.ranking["p_to_first"].isna().tolist() == [True, False, False]
    assert found.ranking["p_to_first"][2] < 0.001


def test_none_may_be_good_enough():
    found = choose(study(a=0.2, b=0.1), Requirements("d", 0.1, rr=0.9))
    assert found.first == ()
    assert found.sentence == "No detector meets the requirements on d at ε = 0.1."


def test_a_detector_that_does_not_detect_fails_however_stable_it_is():
    frozen = detector("frozen", 1.0).assign(p_clean=0.9, p_attacked=0.9, shift=0.0)
    found = choose(pd.concat([frozen, study(b=0.3)]), Requirements("d", 0.1, by="RR"))
    assert found.first == ("b",)
    assert found.ranking["detector"].tolist() == ["b", "frozen"]
    assert "frozen does not detect on d" in found.ranking["reason"][1]


def test_few_groups_are_undecided_between_all_that_are_left():
    table = study(a=0.2, b=0.9)
    table["group"] = (table["sample"].str[1:].astype(int) % 16).astype(str)
    found = choose(table, Requirements("d", 0.1))
    assert found.first == ("b", "a")
    assert found.sentence.endswith("as fewer than 20 groups cannot tell.")


def test_the_false_alarm_rate_is_asked_of_reals():
    found = choose(study(a=0.5), Requirements("d", 0.1, fpr=0.01))
    assert found.ranking["status"].item() == "fails"
    assert "asked ≤ 0.01: fails" in found.ranking["reason"].item()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Requirements("d", 0.1, by="speed"), "by is 'speed'; choose from RA, RR, right"),
        (lambda: Requirements("d", 0.1, ra=80), "ra is 80; it is a number in [0, 1]"),
        (lambda: choose(study(a=0.5), Requirements("x", 0.1)), "the table holds no data set x; choose from d"),
        (lambda: choose(study(a=0.5), Requirements("d", 0.3)), "the table has no rows at ε = 0.3; choose from 0.1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()
