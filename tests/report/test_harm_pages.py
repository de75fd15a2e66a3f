"""The pages on ordinary damage and on transfer: their sentences and figures are those of their tables."""

import re
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from rrlib.analysis import HOLDS, losses
from rrlib.report import figures, ordinary, transfers

GROUPS = 100


@pytest.fixture(autouse=True)
def style():
    figures.set_style()
    yield
    plt.close("all")


def rows(detector: str, attack: str, epsilon: float, loss: float, skill: float = 0.96, dataset: str = "faces"):
    """One cell: right before in a share `skill` of GROUPS samples, and of those a share `loss` of all turn wrong."""
    number = np.arange(GROUPS)
    label, order = number % 2, np.random.default_rng(0).permutation(GROUPS)
    before = np.where(np.isin(number, order[: round(skill * GROUPS)]), label, 1 - label)
    after = np.where(np.isin(number, order[: round(loss * GROUPS)]), 1 - before, before)
    names = {"dataset": dataset, "detector": detector, "attack": attack, "epsilon": float(epsilon)}
    p = {"p_clean": np.where(before, 0.9, 0.1), "p_attacked": np.where(after, 0.9, 0.1)}
    samples = {"sample": number.astype(str), "group": number.astype(str), "label": label}
    return pd.DataFrame({**names, **samples, **p, "shift": 0.8 * np.abs(after - before), "linf": 0.01}).assign(
        gradient=pd.array([True] * GROUPS, dtype="boolean")
    )


@pytest.fixture
def damaged() -> pd.DataFrame:
    """Two detectors and one that guesses, under JPEG that costs `good` much and blur that costs nothing."""
    cells = [
        rows(name, kind, severity, loss, 0.5 if name == "guess" else 0.96)
        for name, kind, severity in product(("good", "other", "guess"), ("jpeg", "blur"), (0, 1, 2))
        for loss in [0.2 * severity if (name, kind) == ("good", "jpeg") else 0]
    ]
    return pd.concat(cells, ignore_index=True)


@pytest.fixture
def seen() -> pd.DataFrame:
    """Three detectors, one of which guesses: the attack on `a` carries over to `b`, that on `b` does not to `a`."""
    loss = {("a", "a"): 0.9, ("b", "b"): 0.9, ("a", "b"): 0.4, ("guess", "b"): 0.5, ("a", "guess"): 0.3}
    cells = [
        rows(name, "pgd", 0.01, loss.get((source, name), 0), 0.5 if name == "guess" else 0.96).assign(source=source)
        for source, name in product(("a", "b", "guess"), repeat=2)
    ]
    return pd.concat(cells, ignore_index=True)


def counts(said: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b(?!\.)", said.split("**")[1].replace("0.05", ""))]


def test_the_sentence_on_damage_counts_the_rows_of_the_table(damaged):
    found = losses.losses(damaged, 0.1)
    said = ordinary.finding(found, 0.1)
    fit = found[found["detects"]]
    assert len(fit) == 8
    verdicts = [int((fit["verdict"] == word).sum()) for word in ("holds", "does not hold", "undecided")]
    assert counts(said) == [verdicts[0], 8, *verdicts[1:]]
    assert verdicts[0] == 2
    assert "On faces the largest loss is under jpeg (quality 98): good falls from 0.960 to 0.560 (loss 0.400" in said


def test_who_does_not_detect_is_named_and_in_no_finding(damaged):
    said = ordinary.finding(losses.losses(damaged, 0.1), 0.1)
    assert re.search(r"guess does not detect on faces: AUC .*; it is shown grey and takes part in no finding\.", said)
    alone = damaged[damaged["detector"] == "guess"]
    assert ordinary.finding(losses.losses(alone, 0.1), 0.1).startswith("**No detector of this study is known to detect")


def test_where_damage_costs_nothing_the_page_says_so(damaged):
    harmless = losses.losses(damaged[damaged["attack"] == "blur"], 0.1)
    assert "On faces no damage is known to cost a detector accuracy." in ordinary.finding(harmless, 0.1)


@pytest.mark.parametrize("measure", ["RA", "RR"])
def test_the_figure_has_a_panel_for_each_kind_and_draws_the_table(damaged, measure):
    figure = ordinary.plot(damaged, measure, 0.1, grey={"guess"})
    jpeg, blur = figure.axes
    assert [jpeg.get_title(), blur.get_title()] == ["jpeg", "blur"]
    assert [tick.get_text() for tick in jpeg.get_xticklabels()] == ["none", "99", "98"]
    good, _, guess = jpeg.get_lines()
    start = 0.96 if measure == "RA" else 1
    assert good.get_ydata() == pytest.approx([start, start - 0.2, start - 0.4])
    assert guess.get_color() == figures.GREY
    assert figure.get_supylabel().endswith("↑")
    assert figure.get_figwidth() <= 5  # inches: its text is read on a phone


def test_the_table_shows_what_a_verdict_rests_on(damaged):
    found = losses.losses(damaged, 0.1)
    shown = ordinary.shown(found, 0.1)
    row = shown[(shown["detector"] == "good") & (shown["setting"] == "quality 98")].iloc[0]
    assert row["loss [90 %]"].startswith("0.400 [")
    assert row["costs accuracy"] == HOLDS
    assert set(shown.loc[shown["detector"] == "guess", "costs accuracy"]) == {"does not detect"}


def test_the_sentence_on_transfer_counts_ordered_pairs_of_detectors_that_detect(seen):
    found = transfers.pairs(seen, 0.1)
    assert len(found) == 6
    fit = found[found["detects"]]
    assert sorted(zip(fit["source"], fit["detector"], strict=True)) == [("a", "b"), ("b", "a")]
    said = transfers.finding(found, "pgd", 0.01, transfers.matrix(seen, "RA", 0.1))
    assert "(pgd, ε = 0.01) cost another one accuracy in 1 of 2 ordered pairs; in 1 the loss is below 0.05" in said
    assert "On faces the attack on a carries furthest, to b: its accuracy falls from 0.960 to 0.560" in said
    assert "Attacked itself it keeps 0.060." in said
    assert said.count("guess does not detect on faces") == 1


def test_the_matrix_is_that_of_the_table_with_no_attack_above_it(seen):
    values = pd.concat([transfers.clean_row(seen, 0.1), transfers.matrix(seen, "RA", 0.1)], ignore_index=True)
    wide = transfers.wide(values).set_index("attack on ↓, seen by →")
    assert list(wide.index) == ["no attack", "a", "b", "guess"]
    assert list(wide) == ["a", "b", "guess"]
    assert wide.loc["no attack", "a"].startswith("0.960 [")
    assert wide.loc["a", "b"].startswith("0.560 [")
    figure = transfers.plot(values, "RA ↑", grey={"guess"})
    assert {text.get_text() for text in figure.axes[0].texts} >= {"0.96", "0.56", "0.06"}
    drawn = figure.axes[0].get_images()[0].get_array()
    assert drawn.mask[:, 2].all()
    assert drawn.mask[3].all()
    assert not drawn.mask[:3, :2].any()


def test_noise_is_a_row_of_its_own_where_the_study_has_it(seen):
    results = rows("a", "noise", 0.01, 0.02)
    assert transfers.noise_row(results, "noise", 0.01, 0.1, "RA")["value"].tolist() == pytest.approx([0.94])
    assert transfers.noise_row(results, "noise", 0.05, 0.1, "RA").empty


def test_a_single_detector_and_no_attack_at_all_are_told(seen):
    single = seen[(seen["source"] == "a") & (seen["detector"] == "a")]
    found = transfers.pairs(single, 0.1)
    assert "no two detectors" in transfers.finding(found, "pgd", 0.01, transfers.matrix(single, "RA", 0.1))
    nothing = pd.DataFrame()
    said = transfers.finding(transfers.pairs(nothing, 0.1), "pgd", 0, transfers.matrix(nothing, "RA", 0.1))
    assert said.startswith("**The study singles out ε = 0, where nothing is attacked")
