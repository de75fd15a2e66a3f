"""What the page "Which detector?" asks, and how it shows the answer."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made import cell

from rrlib.analysis import Requirements, choose
from rrlib.errors import InputError
from rrlib.report import choice

STUDY = SimpleNamespace(highlight=SimpleNamespace(epsilon=0.1, tolerance=0.2))
DATA = {"image": ["faces", "faces-videos"], "video": ["clips"]}


def table() -> pd.DataFrame:
    """Three detectors of 40 groups: two alike, one that every sample is flipped of."""
    label = np.arange(40) % 2
    clean = np.where(label, 0.9, 0.1)
    clean[:2] = 1 - clean[:2]
    parts = [cell(clean, clean, label, detector=name) for name in ("a-0", "a-1")]
    return pd.concat([*parts, cell(clean, 1 - clean, label, detector="b")])


@pytest.mark.parametrize(
    ("data", "names"),
    [("", ["faces", "faces-videos", "clips"]), ("video", ["clips"]), ("faces", ["faces"])],
)
def test_a_modality_or_a_data_set_is_asked_for_and_else_all(data, names):
    asked = choice.asked(STUDY, DATA, data)
    assert [each.dataset for each in asked] == names
    assert {(each.epsilon, each.tolerance) for each in asked} == {(0.1, 0.2)}  # those that the study singles out


def test_texts_of_a_command_line_are_numbers():
    (asked,) = choice.asked(STUDY, DATA, "clips", epsilon="0.05", tolerance="", decided="0.8", by="RR")
    assert asked == Requirements("clips", 0.05, 0.2, decided=0.8, by="RR")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "dogs"}, "data is dogs; choose from image, video, faces, faces-videos, clips"),
        ({"epsilon": "much"}, "epsilon is 'much'; it is a number"),
    ],
)
def test_what_cannot_be_asked_is_refused(given, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        choice.asked(STUDY, DATA, **given)


def test_only_what_is_asked_is_listed():
    shown = choice.requirements_shown(Requirements("d", 0.1, ra=0.5)).set_index("requirement")["value"]
    assert shown["worst-case RA at least"] == "0.5"
    assert "worst-case RR at least" not in shown
    assert shown["ranked by"] == "right and stable"


def test_the_ranking_shows_intervals_and_to_whom_the_first_place_is_open():
    shown = choice.ranking_shown(choose(table(), Requirements("d", 0.1, ra=0.5, confidence=0.9))).set_index("detector")
    assert shown["first place"].tolist() == ["open to it", "open to it", "no"]
    assert shown["meets what is asked"].tolist() == ["yes", "yes", "no"]
    assert re.fullmatch(r"0\.950 \[0\.8\d\d, 0\.9\d\d\]", shown.loc["a-0", "right and stable [90 %]"])
    assert shown.loc["a-0", "behind the first [95 %]"] == "–"
    assert re.fullmatch(r"\+0\.\d{3} \[\+0\.\d{3}, \+\d\.\d{3}\]", shown.loc["b", "behind the first [95 %]"])


def test_seeds_of_one_recipe_are_no_choice():
    found = choose(table(), Requirements("d", 0.1))
    assert choice.one_recipe(found, {"a-0": "a-0", "a-1": "a-0"}).startswith("Of these, a-0, a-1 are one recipe")
    assert choice.one_recipe(found, {"b": "b"}) == ""
