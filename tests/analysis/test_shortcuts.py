"""A shortcut is judged on groups from which it was not learned, so that chance is not taken for one."""

import numpy as np
import pandas as pd

from rrlib.analysis import shortcuts

NAMES = {"size": ("the size", False), "format": ("the format", True)}


def files(seed: int, gap: float, groups: int = 60) -> pd.DataFrame:
    """Two files of each group, real and fake; fakes are larger by `gap` standard deviations; formats are chance."""
    rng = np.random.default_rng(seed)
    label = np.tile([0, 1], groups)
    return pd.DataFrame(
        {
            "label": label,
            "group": [f"g{number}" for number in np.repeat(np.arange(groups), 2)],
            "size": rng.normal(size=2 * groups) + gap * label,
            "format": [f"f{number}" for number in rng.integers(0, 40, 2 * groups)],
        }
    )


def test_many_names_that_mean_nothing_are_no_shortcut():
    found = [shortcuts.shortcuts(files(seed, 0), NAMES) for seed in range(40)]
    assert not pd.concat(found)["tells"].any()
    assert abs(pd.concat(found)["auc"].mean() - 0.5) < 0.05


def test_smaller_fakes_are_told_as_larger_ones_are():
    for gap in (-3, 3):
        row = shortcuts.shortcuts(files(1, gap), NAMES).iloc[0]
        assert (row["trace"], row["tells"]) == ("the size", True)
        assert row["auc"] > 0.95


def test_one_sentence_names_all_that_tells():
    found = shortcuts.shortcuts(files(1, 3).assign(format=lambda rows: rows["label"].map({0: "a", 1: "b"})), NAMES)
    said = shortcuts.said(found)
    assert said.startswith("Without a look at the faces, the format of the files alone tells real from fake: AUC 1.00")
    assert "; so do the size." in said
