"""Result tables whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def cell(
    p_clean: Sequence[float] | np.ndarray,
    p_attacked: Sequence[float] | np.ndarray,
    label: Sequence[int] | np.ndarray,
    groups: Sequence[object] | None = None,
    **names: object,
) -> pd.DataFrame:
    """One cell at one ε: a row per sample, with `names` over the defaults of dataset, detector, attack and epsilon."""
    samples = [f"s{number:05}" for number in range(len(p_clean))]
    before, after = np.asarray(p_clean, dtype=float), np.asarray(p_attacked, dtype=float)
    table = pd.DataFrame({"dataset": "d", "detector": "a", "attack": "pgd", "epsilon": 0.1, **names, "sample": samples})
    return table.assign(
        group=[str(group) for group in (samples if groups is None else groups)],
        label=np.asarray(label, dtype=int),
        p_clean=before,
        p_attacked=after,
        shift=np.abs(before - after),
        linf=table["epsilon"],
        gradient=True,
    )


def with_clean(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the rows of ε = 0 that belong to each cell."""
    first = table.drop_duplicates(["dataset", "detector", "attack", "sample"])
    clean = first.assign(epsilon=0.0, p_attacked=first["p_clean"], shift=0.0, linf=0.0, gradient=None)
    return pd.concat([clean, table], ignore_index=True)
