"""Numbers for `dvc metrics` and `dvc plots`: RA, RR and stability of each cell, and the curves behind them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rrlib import files, study
from rrlib.analysis import recorded
from rrlib.study import paths

METRICS = paths.OUTPUTS / "metrics.json"
PLOTS = paths.OUTPUTS / "plots"
CURVE = np.round(np.linspace(0, 1, 51), 2)


def write(found: study.Study) -> list[Path]:
    """outputs/metrics.json, by data set, detector and attack at the ε of `highlight`, and outputs/plots."""
    table = pd.concat(study.read_results(found).values(), ignore_index=True)
    at, tolerance = found.highlight.epsilon, found.highlight.tolerance
    name = f"RR({tolerance:g})"
    rows = recorded.rows(table, [tolerance])
    metrics: dict = {}
    for row in rows[rows["epsilon"] == at].to_dict("records"):
        cell = metrics.setdefault(row["dataset"], {}).setdefault(row["detector"], {})
        cell[row["attack"]] = {"RA": row["RA"], "RR": row[name], "stability": row["stability"]}
    files.write_text(METRICS, json.dumps(metrics, indent=1) + "\n")
    curves = recorded.rows(table[table["epsilon"] == at], CURVE.tolist())
    columns = [column for column in map(str, curves) if column.startswith("RR(")]
    long = curves.melt(["dataset", "detector", "attack"], columns, var_name="tolerance", value_name="RR")
    long["tolerance"] = long["tolerance"].str.slice(3, -1).astype(float)
    long = long.sort_values(["dataset", "detector", "attack", "tolerance"], kind="stable")
    written = []
    for file, frame in (
        ("rr.csv", long),
        ("ra.csv", rows[["dataset", "detector", "attack", "epsilon", "RA", "stability"]]),
    ):
        with files.whole(PLOTS / file) as unfinished:
            frame.to_csv(unfinished, index=False, lineterminator="\n")
        written.append(PLOTS / file)
    return [METRICS, *written]
