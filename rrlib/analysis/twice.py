"""One detector measured twice: two checkpoints, or two dates."""

from collections.abc import Sequence

import pandas as pd

from rrlib.analysis import comparisons
from rrlib.analysis.rules import Threshold
from rrlib.analysis.worst import worst_case
from rrlib.errors import InputError

NAMES = ("A", "B")


def compare_two(
    first: pd.DataFrame,
    second: pd.DataFrame,
    tolerance: float,
    threshold: Threshold = 0.5,
    names: Sequence[str] = NAMES,
) -> pd.DataFrame:
    """The worst case of two result tables of one data set, on the samples and at the ε that both have, as `compare`.

    first, second: the rows of all attacks on one detector each, whatever they call it; `names` are what the two are
    called in the columns first and second, in alphabetical order. The intervals and p-values are of paired samples.

    Raises InputError where a table holds several detectors or data sets, or both have no sample, no attack or no ε
    above 0 in common, or a sample with two labels.
    """
    parts = [_one(table, name) for table, name in zip((first, second), names, strict=True)]
    for column in ("attack", "epsilon", "sample"):
        both = set(parts[0][column]) & set(parts[1][column])
        if not both - {0}:
            raise InputError(f"{names[0]} and {names[1]} have no {column} in common; give tables that were made alike")
        parts = [part[part[column].isin(list(both))] for part in parts]
    labels = pd.concat(parts)[["sample", "label", "group"]].drop_duplicates()
    if labels["sample"].duplicated().any():
        sample = labels["sample"][labels["sample"].duplicated()].iloc[0]
        raise InputError(
            f"{sample} has another label or group in {names[1]} than in {names[0]}; give tables of one data set"
        )
    whole = pd.concat([worst_case(part) for part in parts], ignore_index=True)
    return comparisons.compare(whole, tolerance, threshold)


def _one(table: pd.DataFrame, name: str) -> pd.DataFrame:
    for column in ("dataset", "detector"):
        if table[column].nunique() != 1:
            raise InputError(f"{name} holds {table[column].nunique()} {column}s; give the tables of one")
    return table.assign(dataset="both", detector=name)
