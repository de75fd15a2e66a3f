"""What pages say of whether attacks can be trusted, and of how tight they are."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from rrlib import attacks, study
from rrlib.analysis import trust
from rrlib.report import trusted
from rrlib.study import Half, Highlight, Study

PASSED = trust.Item("gradients are there", trust.PASSES, "0 of 24 samples have none.")
OPEN = trust.Item("many steps beat one", "undecided", "The study has no attack by one step.")
FAILED = trust.Item("a larger ε never helps", trust.FAILS, "RA from ε = 0.01 to 0.02 changes by +0.148.")


def test_what_fails_stands_first_and_is_told_without_colour():
    shown = trusted.shown([PASSED, OPEN, FAILED])
    assert shown["verdict"].tolist() == ["✗ FAILS", "? undecided", "✓ passes"]
    assert shown["what should be so"].tolist()[0] == "a larger ε never helps"


def test_a_page_names_what_fails_and_what_follows():
    said = trusted.sentence([PASSED, OPEN, FAILED])
    assert said.startswith("**Not here:** 1 of 3 items pass and 1 are undecided; what fails: a larger ε never helps.")
    assert "takes part in no finding" in said
    assert trusted.sentence([PASSED, OPEN]) == (
        "**Nothing speaks against it:** 1 of 2 items pass and 1 are undecided; none fails."
    )


def test_who_fails_is_left_out_with_the_reason_and_others_stay():
    reasons = trust.distrusted({("faces", "weak"): [PASSED, FAILED], ("faces", "fine"): [PASSED, OPEN]})
    assert list(reasons) == [("faces", "weak")]
    assert trusted.names(reasons) == {"weak"}
    table = pd.DataFrame({"dataset": ["faces", "faces", "walks"], "detector": ["weak", "fine", "weak"]})
    assert trusted.without(table, reasons)["dataset"].tolist() == ["faces", "walks"]
    assert trusted.without(table.iloc[:0], reasons).empty
    assert "> - The attacks on weak cannot be trusted on faces: RA from ε = 0.01" in trusted.note(reasons)
    assert trusted.note({}) == ""


@pytest.fixture
def a_study(monkeypatch) -> Study:
    """A study of one detector whose weights have a known digest."""
    half = Half({"faces": None}, {"mine": None}, {"pgd": attacks.rule("pgd")})
    found = object.__new__(Study)
    for name, value in {"image": half, "video": Half({}, {}, {}), "highlight": Highlight(0.1, 0.1, "pgd")}.items():
        object.__setattr__(found, name, value)

    @dataclasses.dataclass
    class Basis:
        detector: str = "0123456789ab" + 52 * "c"

    monkeypatch.setattr(study, "basis_of", lambda *_: Basis())
    return found


def recorded(folder: Path, checkpoint: str, digest: str, gap: float) -> Path:
    row = {"dataset": "faces", "detector": "mine", "checkpoint": checkpoint, "attacks": digest, "epsilon": 0.1}
    row |= {"samples": 16, "RA": 0.5, "RA, longer": 0.5, "RR(0.1)": 0.25, "RR(0.1), longer": 0.25 - gap}
    row |= {"gap in RA": 0.0, "gap in RR": gap, "gradients, study": 20, "gradients, longer": 698}
    row |= {"seconds, study": 1.5, "seconds, longer": 40.0}
    pd.DataFrame([row]).to_csv(folder / "tightness.csv", index=False)
    return folder / "tightness.csv"


@pytest.mark.parametrize(("gap", "goal"), [(0.0, "is met"), (0.125, "is missed by 0.105")])
def test_recorded_gaps_are_shown_with_their_checkpoint_and_goal(a_study, tmp_path, gap, goal):
    path = recorded(tmp_path, "0123456789ab", study.attacks_digest(a_study.image.attacks), gap)
    said, table = trusted.tightness(a_study, "faces", "mine", path)
    assert f"is {gap:.3f}; the goal of at most 0.02 {goal}." in said
    assert "on 16 samples, with the checkpoint 0123456789ab, not measured in this run" in said
    assert table.to_dict("records") == [
        {
            "ε": 0.1,
            "RA": "0.500 → 0.500",
            "RR(0.1)": f"0.250 → {0.25 - gap:.3f}",
            "largest gap in RR": gap,
        }
    ]


def test_gaps_of_other_weights_or_attacks_are_not_shown(a_study, tmp_path):
    now = study.attacks_digest(a_study.image.attacks)
    said, table = trusted.tightness(a_study, "faces", "mine", recorded(tmp_path, "ffffffffffff", now, 0.0))
    assert table.empty
    assert said.startswith(
        "A gap was recorded with other weights (digest ffffffffffff, now 0123456789ab) and no longer"
    )
    said, table = trusted.tightness(a_study, "faces", "mine", recorded(tmp_path, "0123456789ab", 12 * "e", 0.0))
    assert table.empty
    assert said.startswith(f"A gap was recorded with other attacks (digest eeeeeeeeeeee, now {now}) and no longer")


def test_of_gaps_against_several_attacks_those_of_the_study_are_shown(a_study, tmp_path):
    now = study.attacks_digest(a_study.image.attacks)
    ours = pd.read_csv(recorded(tmp_path, "0123456789ab", now, 0.125))
    other = pd.read_csv(recorded(tmp_path, "0123456789ab", 12 * "e", 0.0))
    pd.concat([other, ours]).to_csv(tmp_path / "both.csv", index=False)
    _, table = trusted.tightness(a_study, "faces", "mine", tmp_path / "both.csv")
    assert table["largest gap in RR"].tolist() == [0.125]


def test_what_was_never_recorded_is_said(a_study, tmp_path):
    path = recorded(tmp_path, "0123456789ab", "", 0.0)
    said, table = trusted.tightness(a_study, "faces", "other", path)
    assert table.empty
    assert said.startswith("How tight these attacks are was not recorded for this detector.")
    assert trusted.tightness(a_study, "faces", "mine", tmp_path / "none.csv")[1].empty
