"""What a loss may be called: simulated tables with known truth."""

import numpy as np
import pandas as pd
import pytest

from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, losses
from rrlib.errors import InputError


def cell(loss: float, groups: int = 200, name: str = "f", attack: str = "jpeg", skill: float = 0.95, seed: int = 0):
    """One detector, right before in a share `skill` of its groups, of which a share `loss` of all turn wrong."""
    rng = np.random.default_rng(seed)
    label = np.arange(groups) % 2
    order = rng.permutation(groups)
    right = np.isin(np.arange(groups), order[: round(skill * groups)])
    turned = np.isin(np.arange(groups), order[: round(loss * groups)])
    fake = np.where(right, label, 1 - label)
    after = np.where(turned, 1 - fake, fake)
    return pd.DataFrame(
        {
            **{
                "dataset": "d",
                "detector": name,
                "attack": attack,
                "epsilon": 50.0,
                "sample": np.arange(groups).astype(str),
            },
            **{"group": np.arange(groups).astype(str), "label": label},
            **{"p_clean": np.where(fake, 0.9, 0.1), "p_attacked": np.where(after, 0.9, 0.1)},
            "shift": np.abs(after - fake) * 0.8,
        }
    )


def verdict(*cells: pd.DataFrame) -> list[str]:
    return losses.losses(pd.concat(cells, ignore_index=True), 0.1)["verdict"].tolist()


def test_a_large_loss_holds_none_does_not_and_a_middling_one_is_undecided():
    cells = [cell(loss, attack=f"a{loss}") for loss in (0.3, 0, 0.04)]
    found = losses.losses(pd.concat(cells, ignore_index=True), 0.1)
    assert found["loss"].tolist() == pytest.approx([0.3, 0, 0.04])
    assert found["clean"].tolist() == pytest.approx([0.95] * 3)
    assert found["verdict"].tolist()[:2] == [HOLDS, DOES_NOT_HOLD]
    assert verdict(cell(0.1, groups=40)) == [UNDECIDED]
    assert (found["near_low"] <= found["loss"]).all()
    assert (found["loss"] <= found["near_high"]).all()
    assert found.loc[0, "loss_low"] < found.loc[0, "near_low"]  # corrected


def test_a_gain_is_no_loss():
    gain = cell(0.2)
    gain[["p_clean", "p_attacked"]] = gain[["p_attacked", "p_clean"]]
    found = losses.losses(gain, 0.1)
    assert found["loss"].item() == pytest.approx(-0.2)
    assert found["verdict"].item() == DOES_NOT_HOLD


def test_few_groups_and_detectors_that_do_not_detect_decide_nothing_and_leave_the_family():
    few, blind = cell(0.5, groups=19), cell(0.4, name="coin", skill=0.5)
    assert verdict(few) == [UNDECIDED]
    found = losses.losses(pd.concat([cell(0.3), blind], ignore_index=True), 0.1)
    assert found["verdict"].tolist() == [HOLDS, UNDECIDED]
    assert found["detects"].tolist() == [True, False]
    assert "coin does not detect on d" in found["reason"].iloc[1]
    assert np.isnan(found["p_holm"].iloc[1])
    assert found["p_holm"].iloc[0] == found["p"].iloc[0]  # a family of one


def test_clean_rows_are_no_cell_and_a_table_of_them_alone_is_told():
    clean = cell(0).assign(epsilon=0.0)
    assert len(losses.losses(pd.concat([clean, cell(0.3)], ignore_index=True), 0.1)) == 1
    with pytest.raises(InputError, match=r"^the table has no row where anything was changed"):
        losses.losses(clean, 0.1)


def test_where_nothing_costs_anything_one_study_in_twenty_at_most_says_so():
    """60 studies of ten settings, 40 groups of 2; each detector is right in .9 of the samples before and after."""
    rng, said, label = np.random.default_rng(0), 0, np.arange(80) % 2
    names = {"dataset": "d", "epsilon": 1.0, "sample": np.arange(80), "group": np.arange(80) // 2, "label": label}
    for _ in range(60):
        parts = []
        for number in range(10):
            p = [np.where((rng.random(80) < 0.9) == label, 0.9, 0.1) for _ in ("before", "after")]
            moved = {"p_clean": p[0], "p_attacked": p[1], "shift": np.abs(p[0] - p[1])}
            parts.append(pd.DataFrame({**names, "detector": f"f{number}", "attack": "a", **moved}))
        said += HOLDS in verdict(*parts)
    assert said <= 3 + 2 * 1.7  # 5 % and two standard deviations
