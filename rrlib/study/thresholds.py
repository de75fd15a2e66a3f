"""The threshold of each detector, as params.yaml asks for it, where tables are judged."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rrlib.errors import InputError
from rrlib.study import paths
from rrlib.study.params import Study

THRESHOLDS = paths.OUTPUTS / "thresholds.json"
HALF = 0.5


def read_thresholds(path: Path = THRESHOLDS) -> dict[tuple[str, str], dict[str, Any]]:
    """What the stage `thresholds` chose, by (data set, detector): `threshold` and what it was chosen by."""
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    chosen = json.loads(path.read_text(encoding="utf-8"))
    return {(dataset, detector): about for dataset, each in chosen.items() for detector, about in each.items()}


def judged(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """A result table with the column `threshold`, by which `analysis` judges it; as it is where the threshold is ½.

    Probabilities and shifts stay as they were measured.

    Raises:
        InputError: for a detector of which no threshold was chosen.
    """
    if study.threshold == HALF:
        return table
    if isinstance(study.threshold, float):
        return table.assign(threshold=study.threshold)
    chosen = read_thresholds()
    cells = pd.MultiIndex.from_frame(table[["dataset", "detector"]])
    for dataset, detector in cells.unique():
        if (dataset, detector) not in chosen:
            raise InputError(f"{THRESHOLDS} says nothing of {detector} on {dataset}; make it again with `dvc repro`")
    return table.assign(threshold=[chosen[cell]["threshold"] for cell in cells])
