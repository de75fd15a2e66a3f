"""What pages say of a threshold that is not one half."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from made import cell

from rrlib.attacks import rule
from rrlib.report import judging

TABLE = cell([0.5], [0.6], [1], dataset="faces", detector="f")


def study(threshold: object, **attacks: object) -> SimpleNamespace:
    half = SimpleNamespace(attacks=attacks)
    return SimpleNamespace(threshold=threshold, image=half, video=SimpleNamespace(attacks={}))


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """Writes outputs/thresholds.json."""
    monkeypatch.chdir(tmp_path)
    Path("outputs").mkdir()

    def write(**about: object) -> None:
        Path("outputs/thresholds.json").write_text(json.dumps({"faces": {"f": {"threshold": 0.7125} | about}}))

    return write


def test_of_one_half_nothing_is_said():
    assert judging.threshold_note(study(0.5, cw=rule("cw")), TABLE) == ""


def test_a_number_is_said_and_which_attacks_stop_at_one_half():
    note = judging.threshold_note(study(0.8, pgd=rule("pgd"), cw=rule("cw"), part=rule("cw", frames=2)), TABLE)
    assert note.startswith("> **Threshold.** Fake is said where P(fake) is above 0.8: as params.yaml says.")
    assert "`cw` and `part` aim at ½ and stop there" in note
    assert "Attacks were measured knowing nothing of it." in note
    only = judging.threshold_note(study(0.8, cw=rule("cw")), TABLE)
    assert (
        "`cw` aims at ½ and stops there, so RA at another threshold may be higher under it than it had to be." in only
    )


def test_a_chosen_threshold_is_said_with_how_it_was_chosen(chosen):
    chosen()
    note = judging.threshold_note(study("eer", pgd=rule("pgd")), TABLE)
    assert "above 0.713 (f on faces): chosen on the validation split, where false alarms and missed" in note
    assert "aim at ½" not in note
    note = judging.threshold_note(study({"fpr": 0.05}), TABLE)
    assert "chosen on the validation split so that at most 0.05 of its reals are called fake" in note


def test_where_none_could_be_chosen_it_says_why(chosen):
    chosen(threshold=0.5, none="the data set was not there")
    note = judging.threshold_note(study("eer"), TABLE)
    assert "It is ½ where none could be chosen: f on faces, as the data set was not there." in note
