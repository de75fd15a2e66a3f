"""The computed sentence that a page about one detector, or about one evaluation, opens with."""

from collections.abc import Sequence

import pandas as pd

from rrlib import analysis, text
from rrlib.analysis import summary, trust
from rrlib.study import Highlight


def evaluation(table: pd.DataFrame, highlight: Highlight, samples: str) -> str:
    """Markdown: what one attack leaves of RA and RR at the ε that the study singles out.

    table: of one cell; samples: how many there are, in words.
    """
    clean, attacked = (_shares(table, epsilon, highlight.tolerance) for epsilon in (0, highlight.epsilon))
    detector, attack = (text.markdown(table[name].iloc[0]) for name in ("detector", "attack"))
    return (
        f"**Under {attack} at ε = {highlight.epsilon:g}, {detector} is right on {_said(attacked['RA'])} of the samples "
        f"(clean {_said(clean['RA'])}), and {_said(attacked['RR'])} of its probabilities move by at most "
        f"{highlight.tolerance:g}.** On {samples}; 95 % intervals."
    )


def detector(worst: pd.DataFrame, highlight: Highlight, samples: str, items: Sequence[trust.Item]) -> str:
    """Markdown: a detector unattacked and in the worst case, and whether the attacks on it can be trusted.

    worst: its worst case; samples: what the data set's samples are called; items: its checklist.
    """
    clean, attacked = (_shares(worst, epsilon, highlight.tolerance) for epsilon in (0, highlight.epsilon))
    trusted = "cannot be trusted" if trust.failing(items) else "passed every check that could be decided"
    name = text.markdown(worst["detector"].iloc[0])
    return (
        f"**{name} is right on {_said(clean['RA'])} of the clean test {samples}. In "
        f"the worst case at ε = {highlight.epsilon:g} its RA is {_said(attacked['RA'])} and its "
        f"RR({highlight.tolerance:g}) {_said(attacked['RR'])}; the attacks on it {trusted}.** "
        f"{attacked['RA']['samples']} {samples} in {attacked['RA']['groups']} groups; 95 % intervals."
    )


def clean(table: pd.DataFrame, samples: str) -> str:
    """Markdown: clean accuracy and AUC with their intervals, of one detector's clean table."""
    (row,) = analysis.clean_performance(table).to_dict("records")
    return (
        f"Clean accuracy **{row['accuracy']:.3f}** [{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}], AUC "
        f"**{row['auc']:.3f}** [{row['auc_low']:.3f}, {row['auc_high']:.3f}] (95 % intervals; {row['samples']} "
        f"{samples} in {row['groups']} groups)."
    )


def _shares(table: pd.DataFrame, epsilon: float, tolerance: float) -> dict[str, dict]:
    rows = summary.by_epsilon(summary.at_epsilon(table, epsilon), [tolerance]).to_dict("records")
    return {row["measure"]: row for row in rows}


def _said(row: dict) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
