"""Two cards side by side: numbers with a verdict from their intervals, promises, and what else differs."""

import copy
from pathlib import Path

import pytest

from rrlib.__main__ import main
from rrlib.report import card_files


def share(value: float, low: float, high: float, **also: object) -> dict:
    return {"value": value, "low": low, "high": high, **also}


def guardrail(verdict: str, band: float | None) -> dict:
    promise = {"budget": 0.05, "confidence": 0.95, "epsilon": 0.01, "band": band}
    return {"clean score": {"promise": promise, "measured": {"verdict": verdict}}}


CARD = {
    "detector": {"dataset": "faces", "name": "mine", "checkpoint_sha256": "ab" * 32, "temperature": 1.5},
    "data": {"definition": {"kind": "folder", "seed": 0}, "manifest_sha256": "cd" * 32, "test_samples": 100},
    "threat": {"epsilon": 0.01, "attacks": {"pgd": "PGD(steps=10)", "cw": "CW(steps=10)"}, "seed": 0},
    "before_attack": {"accuracy": share(0.9, 0.84, 0.94), "threshold": 0.5, "detects": True},
    "worst_case": {"distance": "linf", "RA": share(0.6, 0.5, 0.7), "RR(0.1)": share(0.4, 0.31, 0.5)},
    "guardrail": guardrail("can be promised", 0.2),
    "made_with": {"rrlib": "0.1.0", "torch": "2.12.0"},
    "commit": "12" * 20,
}


def card(name: str, **changes: object) -> str:
    """A card's file, with what stands at `part__key` changed."""
    changed = copy.deepcopy(CARD)
    for key, value in changes.items():
        part, _, inner = key.partition("__")
        if inner:
            changed[part][inner] = value
        else:
            changed[part] = value
    Path(name).write_text(card_files.text(changed))
    return name


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def told(capsys, *arguments: str) -> list[str]:
    assert main(["compare", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_two_cards_that_say_the_same_differ_in_nothing(capsys):
    assert told(capsys, card("a.yaml"), card("b.yaml")) == [
        "A: a.yaml, mine on faces",
        "B: b.yaml, mine on faces",
        "the worst case at ε = 0.01; differences are A − B",
        "accuracy: 0.900 [0.840, 0.940] and 0.900 [0.840, 0.940], +0.000, the same",
        "RA: 0.600 [0.500, 0.700] and 0.600 [0.500, 0.700], +0.000, the same",
        "RR(0.1): 0.400 [0.310, 0.500] and 0.400 [0.310, 0.500], +0.000, the same",
        "detects: yes in both",
        "band, abstaining by the clean score: can be promised, 0.200 for a budget of 0.05 at 95% in both",
        "nothing else differs: the same checkpoint, data, attacks and versions",
    ]


def test_what_moved_and_what_could_be_the_reason(capsys):
    later = card(
        "b.yaml",
        detector__checkpoint_sha256="ef" * 32,
        threat__attacks={"pgd": "PGD(steps=20)", "cw": "CW(steps=10)", "shift": "Shift()"},
        before_attack__accuracy=share(0.93, 0.88, 0.96),
        worst_case__RA=share(0.3, 0.2, 0.45),
        guardrail=guardrail("cannot be promised", None),
        commit=None,
    )
    lines = told(capsys, card("a.yaml"), later)
    assert "RA: 0.600 [0.500, 0.700] and 0.300 [0.200, 0.450], +0.300, apart" in lines
    assert "accuracy: 0.900 [0.840, 0.940] and 0.930 [0.880, 0.960], -0.030, undecided: the intervals overlap" in lines
    assert (
        "band, abstaining by the clean score: A can be promised, 0.200 for a budget of 0.05 at 95%; "
        "B cannot be promised, for a budget of 0.05 at 95%" in lines
    )
    assert [line for line in lines if line.startswith("differs")] == [
        "differs: checkpoint: A abababababab…; B efefefefefef…",
        "differs: attacks: A pgd PGD(steps=10); B pgd PGD(steps=20), shift Shift()",
        "differs: commit: A 121212121212…; B does not say",
    ]


def test_an_interval_that_is_not_to_be_trusted_decides_nothing(capsys):
    later = card("b.yaml", worst_case__RA=share(0.1, 0.0, 0.2, trusted=False))
    assert (
        "RA: 0.600 [0.500, 0.700] and 0.100 [0.000, 0.200], +0.500, undecided: too little to trust an interval"
        in told(capsys, card("a.yaml"), later)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            lambda: [card("a.yaml"), card("b.yaml", threat__epsilon=0.02)],
            "a.yaml is of the epsilon 0.01 and b.yaml of 0.02; make both alike, with "
            "`python -m rrlib card DATASET DETECTOR --epsilon ε`",
        ),
        (lambda: [card("a.yaml"), "tables"], "a.yaml and tables are a card and tables; give two of one kind"),
        (
            lambda: [card("a.yaml"), card("b.yaml"), "--tolerance", "0.1"],
            "--tolerance is for tables, as a card says its own; leave it out",
        ),
        (
            lambda: [card("a.yaml"), card("b.yaml", before_attack={})],
            "a.yaml or b.yaml is not a card of this version (KeyError 'detects'); make it again with `python -m rrlib card`",
        ),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_sentence(arguments, message, capsys):
    assert main(["compare", *arguments()]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_card_that_was_changed_is_refused(capsys):
    path = card("b.yaml")
    Path(path).write_text(Path(path).read_text().replace("value: 0.6", "value: 0.9"))
    assert main(["compare", card("a.yaml"), path]) == 1
    assert "b.yaml was changed since it was written" in capsys.readouterr().err
