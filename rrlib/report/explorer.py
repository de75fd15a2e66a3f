"""What the explorer page of the book draws from: the scores of every sample, as a script beside the pages.

The numbers are those of the tables in full, so that what the page counts is what pandas counts. Only where they would
be more than `MOST` bytes they are rounded to float32; the page then says so.
"""

import base64
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rrlib import files
from rrlib.analysis import guardrails, rules
from rrlib.report import figures

SCRIPTS = Path("book", "_scripts", "explorer")
PLACE = Path("_static", "explorer")
MOST = 2**21
LOADED = ("d3.min.js", "plot.umd.min.js", "data.js", "statistics.js", "explorer.js")
BUDGET, CONFIDENCE = 0.05, 0.95


def mount() -> str:
    """HTML: where the explorer appears in the built book, and the scripts that make it."""
    scripts = "".join(f'<script defer src="{(PLACE / name).as_posix()}"></script>' for name in LOADED)
    return (
        '<div id="explorer-view"><p>The explorer appears here in the built book, in a browser that runs scripts. '
        f"The figure and the table below show the study's own view.</p></div>{scripts}"
    )


def write(data: str, book: Path) -> None:
    """The scripts and the data of the explorer into the built book."""
    shutil.copytree(SCRIPTS, book / PLACE, dirs_exist_ok=True)
    files.write_text(book / PLACE / "data.js", data)


def script(halves: Mapping[str, pd.DataFrame], distance: str, highlight: Mapping[str, float]) -> str:
    """`window.EXPLORER = {...};` with the results of a study; in float32 where float64 would be too many bytes."""
    exact = _script(halves, distance, highlight, np.dtype("<f8"))
    return exact if len(exact) <= MOST else _script(halves, distance, highlight, np.dtype("<f4"))


def _script(
    halves: Mapping[str, pd.DataFrame], distance: str, highlight: Mapping[str, float], kind: np.dtype[Any]
) -> str:
    tables = [table for half in halves.values() for _, table in half.groupby("dataset", sort=False)]
    names = dict.fromkeys(str(name) for table in tables for name in table["detector"].unique())
    study = {
        "bytes": kind.itemsize,
        "highlight": {**highlight, "budget": BUDGET, "confidence": CONFIDENCE},
        "looks": {name: {"color": style["color"]} for name, style in figures.styles(names).items()},
        "places": [table["dataset"].iloc[0] for table in tables],
        "datasets": {table["dataset"].iloc[0]: _dataset(table, distance, kind) for table in tables},
    }
    text = json.dumps(study, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"window.EXPLORER={text};\n"


def _dataset(table: pd.DataFrame, distance: str, kind: np.dtype[Any]) -> dict[str, Any]:
    detectors = {str(name): _detector(part, distance, kind) for name, part in table.groupby("detector", sort=False)}
    epsilons = sorted(float(epsilon) for epsilon in table["epsilon"].unique())
    return {"epsilons": epsilons, "detectors": detectors, "order": list(detectors)}


def _detector(table: pd.DataFrame, distance: str, kind: np.dtype[Any]) -> dict[str, Any]:
    """One detector's scores: of each attack those at every ε > 0, one ε after the other, samples in one order."""
    attacks = list(map(str, table["attack"].unique()))
    first = table[(table["attack"] == attacks[0]) & (table["epsilon"] == table["epsilon"].min())]
    samples = first.sort_values("sample", kind="stable").reset_index(drop=True)
    names = sorted(set(samples["group"].astype(str)))
    codes = samples["group"].astype(str).map({name: number for number, name in enumerate(names)})
    attacked = {}
    for attack in attacks:
        part = table[(table["attack"] == attack) & (table["epsilon"] > 0)].sort_values(["epsilon", "sample"])
        attacked[attack] = {"p": _packed(part["p_attacked"], kind)}
        if distance not in ("linf", "tv"):  # for two classes both are the change of P(fake)
            attacked[attack]["shift"] = _packed(part["shift"], kind)
    return {
        "attacks": attacked,
        "order": attacks,
        "threshold": float(rules.thresholds(samples, rules.USUAL)[0]),
        "label": "".join(map(str, samples["label"])),
        "group": codes.tolist(),
        # which groups find a band and which judge it, by a hash of their names
        "finding": "".join(str(int(each)) for each in guardrails.halves(samples["group"].to_numpy())),
        "clean": _packed(samples["p_clean"], kind),
    }


def _packed(column: pd.Series, kind: np.dtype[Any]) -> str:
    return base64.b64encode(column.to_numpy(kind).tobytes()).decode()
