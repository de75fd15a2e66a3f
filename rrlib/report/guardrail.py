"""The guardrail of one detector over ε: up to where a band still decides something."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rrlib.analysis import guardrails
from rrlib.report import figures

LOOKS = {guardrails.ON_CLEAN: (figures.COLORS[0], "o", "-"), guardrails.ON_ATTACKED: (figures.COLORS[1], "s", "--")}
HALF = 0.5  # of the clean inputs: the sentence says up to which ε at least this share is still decided


def plot_decided(bands: pd.DataFrame, ax: Axes) -> None:
    """The share of clean inputs still decided over ε, the band found anew at each; `bands_over_epsilon` of one pair.

    One line for each score by which a system may abstain, with its interval. Where no band can be promised there is
    nothing to draw.
    """
    epsilons = sorted(bands["epsilon"].unique())
    for on, (color, marker, line) in LOOKS.items():
        rows = bands[bands["on"] == on].sort_values("epsilon")
        at = np.arange(len(rows))
        ax.plot(at, rows["decided"], color=color, marker=marker, linestyle=line, label=f"abstains by the {on}")
        ax.fill_between(at, rows["decided_low"], rows["decided_high"], color=color, alpha=0.12, linewidth=0)
    figures.epsilon_axis(ax, epsilons)
    ax.set(xlim=(-0.3, len(epsilons) - 0.7), ylim=(-0.03, 1.03), ylabel="clean inputs still decided ↑")
    figures.legend_below(ax, 1)


def up_to_where(bands: pd.DataFrame, budget: float, confidence: float) -> str:
    """A sentence: up to which ε at least half of the clean inputs are known to be decided, abstaining by either score.

    That is the largest ε up to which the lower end of the interval is at least one half at every ε of the table.
    """
    cannot = bands[bands["verdict"] == guardrails.CANNOT]
    if len(cannot) == len(bands):
        return f"A band {cannot['reason'].iloc[0]} (budget {budget:g}, confidence {100 * confidence:g} %)."
    told = []
    for on in LOOKS:
        rows = bands[bands["on"] == on].sort_values("epsilon")
        held = (rows["decided_low"] >= HALF).cummin()
        if held.any():
            told.append(f"up to ε = {rows.loc[held, 'epsilon'].max():g} abstaining by the {on}")
        else:
            told.append(f"not even at ε = {rows['epsilon'].min():g} abstaining by the {on}")
    return (
        f"With flips kept within {budget:g} of all inputs ({100 * confidence:g} % confidence), at least half of the "
        f"clean inputs are known to be still decided {', and '.join(told)}."
    )
