"""The curve of what is still decided over ε."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from rrlib.report import guardrail


def bands(decided: dict[float, float], verdict: str = "promised") -> pd.DataFrame:
    rows = []
    for on, less in (("clean score", 0.0), ("attacked score", 0.3)):
        for epsilon, share in decided.items():
            value = max(0.0, share - less)
            rows.append(
                (epsilon, on, verdict, value, max(0.0, value - 0.1), value + 0.05, "cannot be promised with 4 groups")
            )
    names = ["epsilon", "on", "verdict", "decided", "decided_low", "decided_high", "reason"]
    return pd.DataFrame(rows, columns=names)


def test_the_curve_shows_the_share_of_both_ways_to_abstain_at_every_epsilon():
    _, ax = plt.subplots()
    guardrail.plot_decided(bands({0.01: 0.9, 0.02: 0.7, 0.2: 0.1}), ax)
    clean, attacked = ax.get_lines()
    assert clean.get_ydata().tolist() == [0.9, 0.7, 0.1]
    assert attacked.get_ydata() == pytest.approx([0.6, 0.4, 0.0])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.01", "0.02", "0.2"]
    assert len(ax.collections) == 2  # their intervals
    plt.close()


def test_the_sentence_counts_on_the_lower_end_and_stops_at_the_first_gap():
    said = guardrail.up_to_where(bands({0.01: 0.9, 0.02: 0.7, 0.05: 0.55, 0.2: 0.8}), 0.05, 0.9)
    assert said == (
        "With flips kept within 0.05 of all inputs (90 % confidence), at least half of the clean inputs are known to "
        "be still decided up to ε = 0.02 abstaining by the clean score, and up to ε = 0.01 abstaining by the attacked "
        "score."
    )


def test_where_nothing_is_decided_or_promised_it_says_so():
    said = guardrail.up_to_where(bands({0.01: 0.3}), 0.05, 0.95)
    assert "not even at ε = 0.01 abstaining by the clean score" in said
    said = guardrail.up_to_where(bands({0.01: 0.3}, "cannot be promised"), 0.05, 0.95)
    assert said == "A band cannot be promised with 4 groups (budget 0.05, confidence 95 %)."
