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


def results(groups: int = 160) -> pd.DataFrame:
    """A sure detector that nothing moves, and one that is pushed over its threshold."""
    rows = []
    for detector, pushed in (("firm", 0.9), ("soft", 0.4)):
        for sample in range(2 * groups):
            label = sample % 2
            for epsilon, p_fake in ((0.0, 0.9), (0.1, pushed)):
                p_clean, p_attacked = (p if label else 1 - p for p in (0.9, p_fake))
                rows.append(
                    ["d", detector, "pgd", epsilon, f"s{sample}", f"g{sample // 2}", label, p_clean, p_attacked]
                )
    names = ["dataset", "detector", "attack", "epsilon", "sample", "group", "label", "p_clean", "p_attacked"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(shift=(table["p_attacked"] - table["p_clean"]).abs(), linf=table["epsilon"], gradient=True)
