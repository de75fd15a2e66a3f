"""What a figure shows and what a table holds, to be compared."""

import numpy as np
import pandas as pd

from rrlib.analysis import summary


def lines(ax, label: str) -> np.ndarray:
    """The y values of the line with that label."""
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return np.asarray(line.get_ydata())


def value(table: pd.DataFrame, measure: str, tolerance: float | None = None) -> np.ndarray:
    data = summary.by_epsilon(table, [] if tolerance is None else [tolerance])
    return data[data["measure"] == measure]["value"].to_numpy()


def cell(table: pd.DataFrame, dataset: str, detector: str, attack: str) -> pd.DataFrame:
    chosen = (table["dataset"] == dataset) & (table["detector"] == detector) & (table["attack"] == attack)
    return table[chosen]
