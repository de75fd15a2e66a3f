"""A clean AUC below ½ says that a detector and a data set disagree on which label is which."""

from collections.abc import Iterator

import pandas as pd

from rrlib import analysis, study, text
from rrlib.errors import InputError
from rrlib.evaluation import Cell, tables
from rrlib.study import paths


def note(table: pd.DataFrame, entry: study.Detector) -> str:
    """Markdown of a warning if the interval of the clean AUC of a detector's table lies below ½; else nothing."""
    said = _doubt(table, entry)
    return f"> **Warning.** {text.markdown(said[0].upper() + said[1:])}." if said else ""


def doubts(found: study.Study) -> Iterator[str]:
    """The same as a line for each detector that was not trained here and is measured already."""
    for dataset, detector in found.pairs():
        attacks = study.half_of(found, dataset, detector).attacks
        path = paths.table_path(Cell(dataset, detector, next(iter(attacks))))
        if found.detectors[detector].training is not None or not path.is_file():
            continue
        try:
            said = _doubt(tables.read(path), found.detectors[detector])
        except InputError:  # a damaged table is told, and made again, by what needs it
            continue
        if said:
            yield f"{dataset}: {detector}: {said}"


def _doubt(table: pd.DataFrame, entry: study.Detector) -> str:
    (row,) = analysis.clean_performance(table[table["epsilon"] == 0]).to_dict("records")
    if not row["auc_high"] < 0.5:
        return ""
    return study.label_doubt(row["auc"], row["auc_high"], row["samples"], entry)
