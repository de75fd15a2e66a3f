"""Numbers that stand in the prose of the book are those that the code gives."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rrlib import attacks
from rrlib.analysis import guardrails, linearity, recorded
from rrlib.study import defaults

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


def test_the_gradients_of_attacks_that_go_together():
    rules = {name: attacks.rule(name) for name in ("noise", "fgsm", "pgd", "cw")}
    said = (BOOK / "attacks.md").read_text()
    together = attacks.work_together(rules.values(), epsilons=5).gradients
    alone = attacks.work_together([rules["pgd"]], epsilons=5).gradients
    assert f"take {together} gradients per sample, where `pgd` alone takes {alone}" in said


@pytest.mark.parametrize(("samples", "told"), [(400, "0.03"), (130, "0.05")])
def test_how_far_a_straight_curve_of_few_samples_is_from_a_line(samples, told):
    said = (ROOT / "notebooks/linearity.ipynb").read_text()
    assert f"{told} for {samples}" in said
    rng = np.random.default_rng(0)
    shifts = rng.uniform(0, 1, (200, samples, 1))
    curves = (shifts <= linearity.GRID).mean(axis=1)
    distance, _ = linearity.straightness(curves)
    assert distance.mean() == pytest.approx(float(told), abs=0.01)


def test_a_curve_of_shifts_below_a_hundredth_is_far_from_a_line():
    said = (ROOT / "notebooks/linearity.ipynb").read_text()
    distance, r2 = linearity.straightness((linearity.GRID > 0).astype(float))
    assert f"the distance is {distance:.2f} and R² is {r2:.2f}" in said


def test_how_many_groups_a_guardrail_needs():
    needed = int(re.search(r"5 % with 95 % confidence needs (\d+)", (BOOK / "method.md").read_text())[1])
    assert np.isnan(guardrails.promised_band([-1.0] * (needed - 1), list(range(needed - 1)), 0.05))
    assert guardrails.promised_band([-1.0] * needed, list(range(needed)), 0.05) == 0


def test_the_budget_was_broken_in_fewer_splits_than_the_confidence_allows():
    recorded = pd.read_csv(BOOK / "benchmarks" / "splits.csv")
    assert (recorded["splits"] == 1000).all()
    promised = recorded[recorded["promised"] > 0]
    assert (promised["share broken"] < promised["allowed"]).all()
    assert set(promised["data set"]) == {"synthetic"}


def test_the_card_that_is_asked_for_by_hand_is_at_an_epsilon_of_the_default_study():
    (asked,) = re.findall(r"rrlib card synthetic resnet --epsilon ([\d.]+)", (BOOK / "method.md").read_text())
    assert float(asked) in defaults.TOP["epsilons"]


def test_another_processor_moved_no_share_by_more_than_verify_tolerates_and_changed_no_statement():
    moved = pd.read_csv(BOOK / "benchmarks" / "processors.csv")
    assert set(moved["detector"]) == set(pd.read_csv(ROOT / "data/reference.csv")["detector"])
    assert (moved[["largest |ΔRA|", "largest |ΔRR|"]] <= recorded.WITHIN).all(axis=None)
    assert (pd.read_csv(BOOK / "benchmarks" / "processors-said.csv")["there"] == "the same").all()
