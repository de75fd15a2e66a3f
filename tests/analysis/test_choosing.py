"""Requirements in, a ranking with reasons out."""

import re

import numpy as np
import pandas as pd
import pytest
from made import cell

from rrlib.analysis import Requirements, answer, bands, choose, worst_case
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
    assert found.sentence == "At ε = 0.1, strong comes first on d (right and stable 0.760) and meets what is asked."
    assert re.search(r"RA in \[0\.\d+, 0\.\d+\], asked ≥ 0.5: fails", found.ranking["reason"][1])


def test_two_that_the_samples_cannot_tell_apart_are_undecided():
    found = choose(study(a=0.5, b=0.51, c=0.1), Requirements("d", 0.1))
    assert found.first == ("b", "a")
    assert found.sentence == "At ε = 0.1, undecided between b and a on d."
    assert found.ranking["p_to_first"].isna().tolist() == [True, False, False]
    assert found.ranking["p_to_first"][2] < 0.001


def test_none_may_be_good_enough():
    found = choose(study(a=0.2, b=0.1), Requirements("d", 0.1, rr=0.9))
    assert found.first == ()
    assert found.sentence == "At ε = 0.1, no detector meets what is asked on d."


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
        (lambda: Requirements("d", 0.1, by="speed"), "by is 'speed'; choose from RA, RR, right, decided"),
        (
            lambda: Requirements("d", 0.1, on="score"),
            "on is 'score'; choose from attacked score, clean score",
        ),
        (lambda: Requirements("d", 0.1, budget=5), "budget is 5; it is a number between 0 and 1"),
        (lambda: Requirements("d", 0.1, confidence=0.2), "confidence is 0.2; it is a number between 0.5 and 1"),
        (lambda: Requirements("d", 0.1, ra=80), "ra is 80; it is a number in [0, 1]"),
        (lambda: choose(study(a=0.5), Requirements("x", 0.1)), "the table holds no data set x; choose from d"),
        (lambda: choose(study(a=0.5), Requirements("d", 0.3)), "the table has no rows at ε = 0.3; choose from 0.1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(call, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        call()


def margins(name: str, decided: float, flipped: float, n: int = 300) -> pd.DataFrame:
    """Sure of a share of its samples, barely so of the rest; the attack flips a share of the rest, hardly beyond ½."""
    place = np.arange(n) / n
    label = np.random.default_rng(0).permutation(np.arange(n) % 2)
    before = np.where(np.random.default_rng(1).permutation(place) < decided, 0.95, 0.6)
    after = np.where((before < 0.9) & (place < flipped), 0.45, before)
    return cell(np.where(label, before, 1 - before).round(9), np.where(label, after, 1 - after), label, detector=name)


def test_the_share_still_decided_is_asked_of_the_promised_band():
    table = pd.concat([margins("sure", 0.8, 0.9), margins("shy", 0.2, 0.9)])
    asked = Requirements("d", 0.1, decided=0.5, on="clean score", by="decided")
    found = choose(table, asked)
    assert found.ranking["detector"].tolist() == ["sure", "shy"]
    assert found.ranking["status"].tolist() == ["meets", "fails"]
    assert found.first == ("sure",)
    promised = bands(worst_case(table), 0.1, 0.05).query("on == 'clean score'").set_index("detector")
    assert found.ranking["value"].tolist() == promised.loc[["sure", "shy"], "decided"].tolist()
    assert found.ranking["reason"][0].startswith("decided with the band 0.100 in [0.7")


def test_a_band_that_cannot_be_promised_leaves_the_choice_undecided():
    table = pd.concat([margins("a", 0.8, 0.9), margins("b", 0.8, 0.9)])
    table["group"] = (table["sample"].str[1:].astype(int) % 60).astype(str)
    found = choose(table, Requirements("d", 0.1, decided=0.5))
    assert found.ranking["status"].tolist() == ["undecided", "undecided"]
    assert "a band cannot be promised with 30 groups: 59 are needed" in found.ranking["reason"][0]
    assert found.sentence.endswith("undecided between a and b on d, and none is known to meet what is asked.")
    by_decided = choose(table, Requirements("d", 0.1, by="decided"))
    assert by_decided.ranking["value"].isna().all()
    assert by_decided.first == ("a", "b")


def test_one_that_is_better_but_not_sure_to_meet_what_is_asked_keeps_the_first_place_open():
    sure, better = detector("sure", 0.5, clean=0.99), detector("better", 0.7, clean=0.93)
    found = choose(pd.concat([sure, better]), Requirements("d", 0.1, clean_accuracy=0.93))
    assert found.ranking["status"].tolist() == ["meets", "undecided"]
    assert found.ranking["p_to_first"][1] < 0.05  # significantly better, so not behind
    assert found.first == ("sure", "better")
    assert found.sentence.endswith(
        "undecided between sure and better on d, and only sure is known to meet what is asked."
    )


def test_behind_one_that_may_fail_the_place_stays_open():
    found = choose(study(a=0.8, b=0.4), Requirements("d", 0.1, clean_accuracy=0.95))
    assert found.ranking["status"].tolist() == ["undecided", "undecided"]
    assert found.ranking["p_to_first"][1] < 0.001
    assert found.first == ("a", "b")
    alone = choose(study(a=0.8, b=0.4), Requirements("d", 0.1, ra=0.76))
    assert alone.sentence == (
        "At ε = 0.1, whether a meets what is asked on d (right and stable 0.760) is undecided, and all others fail."
    )


def test_how_far_behind_the_first_each_lies_is_said_with_its_interval():
    ranking = choose(study(a=0.8, b=0.6), Requirements("d", 0.1)).ranking
    assert ranking["behind"][1] == pytest.approx(ranking["value"][0] - ranking["value"][1])
    assert ranking["behind_low"][1] < ranking["behind"][1] < ranking["behind_high"][1]


def test_the_true_best_is_seldom_left_out():
    """Of 120 simulated studies with two equal detectors and a worse one, few leave out one of the equal two."""
    rng, left_out = np.random.default_rng(0), 0
    label = np.arange(100) % 2
    for _ in range(120):
        tables = []
        for name, share in (("a", 0.5), ("b", 0.5), ("c", 0.2)):
            after = np.where(rng.random(100) < share, 0.9, 0.1)
            p = (np.where(label, each, 1 - each) for each in (np.full(100, 0.9), after))
            tables.append(cell(*p, label, detector=name))
        left_out += not {"a", "b"} <= set(choose(pd.concat(tables), Requirements("d", 0.1)).first)
    assert left_out <= 11  # 5 % and two standard errors


def test_one_sentence_answers_for_several_data_sets():
    table = pd.concat([study(a=0.8, b=0.2), study(a=0.2, b=0.2).assign(dataset="e")])
    choices = [choose(table, Requirements(name, 0.1)) for name in ("d", "e")]
    assert answer(choices) == (
        "At ε = 0.1, a comes first on d (right and stable 0.760); undecided between a and b on e."
    )
    with pytest.raises(InputError, match="0 choices were given"):
        answer([])


def test_a_choice_needs_the_same_samples():
    table = pd.concat([detector("a", 0.5), detector("b", 0.5, n=200)])
    with pytest.raises(InputError, match=r"^a and b were judged on different samples; a choice needs the same$"):
        choose(table, Requirements("d", 0.1))
