"""The leaderboard: every detector of a study at every ε under every attack, and the pages of its evaluations."""

import json
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from rrlib import analysis, study, text
from rrlib.analysis import guardrails, summary
from rrlib.report import trusted

MEASURES = ("RA", "RR", "stability", "band", "decided", "tightness")
COLUMNS = {
    "dataset": "data set",
    "detector": "detector",
    "accuracy": "clean accuracy",
    "auc": "AUC",
    "RA": "RA",
    "RR": "RR",
    "stability": "stability",
    "band": "band",
    "decided": "decided",
    "tightness": "gap",
    "trust": "attacks",
}


def entries(
    found: study.Study,
    halves: Mapping[str, pd.DataFrame],
    worst: Mapping[str, pd.DataFrame],
    tolerance: float,
    budget: float,
    confidence: float,
    distrusted: Mapping[tuple[str, str], str],
) -> pd.DataFrame:
    """One row per (data set, detector, attack, ε > 0), the worst case among the attacks.

    Columns: dataset, detector, attack, epsilon; accuracy and auc (clean); RA and RR(τ) each with low and high (95 %);
    stability; band and decided of the abstention guardrail; tightness, the recorded gap in RR to a longer search; and
    trust. Guardrails and gaps are those of the worst case, and missing under a single attack.

    Args:
        halves: the tables of each half of the study; worst: the worst case of each.
        distrusted: from `trusted.distrusted`.
    """
    every = pd.concat([*worst.values(), *halves.values()], ignore_index=True)
    every = every[every["epsilon"] > 0]
    shares = summary.by_epsilon(every, [tolerance])
    wide = shares.pivot(index=[*summary.CELL, "epsilon"], columns="measure", values=["value", "low", "high"])
    rows = pd.DataFrame(
        {
            f"{measure}{suffix}": wide[part, measure]
            for measure in ("RA", "RR")
            for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
    ).reset_index()
    stability = 1 - every.groupby([*summary.CELL, "epsilon"], sort=False)["shift"].mean().rename("stability")
    rows = rows.merge(stability.reset_index(), on=[*summary.CELL, "epsilon"])
    clean = analysis.clean_performance(pd.concat(worst.values(), ignore_index=True))
    rows = rows.merge(clean[["dataset", "detector", "accuracy", "auc", "detects"]], on=["dataset", "detector"])
    rows = rows.merge(_promises(worst, budget, confidence, distrusted), how="left")
    rows = rows.merge(_gaps(found), how="left")
    single = rows["attack"] != analysis.WORST_CASE
    rows.loc[single, ["band", "decided", "tightness"]] = math.nan
    pairs = zip(rows["dataset"], rows["detector"], rows["detects"], strict=True)
    rows["trust"] = [
        "does not detect" if not detects else "not trusted" if (dataset, detector) in distrusted else "trusted"
        for dataset, detector, detects in pairs
    ]
    # as the study names its detectors
    place = rows["detector"].map({name: number for number, name in enumerate(found.detectors)}).rename("place")
    order = pd.concat([rows["dataset"], place, rows["epsilon"]], axis=1)
    return rows.loc[order.sort_values(["dataset", "place", "epsilon"], kind="stable").index].reset_index(drop=True)


def board(
    found: study.Study, rows: pd.DataFrame, epsilon: float, tolerance: float, detector_page: str = "detector"
) -> str:
    """HTML: the worst case at one ε as a table that stands by itself, and all else as data for tables.js.

    A script lets a reader choose data set, ε and attack, and sort by any column; a detector's name links to its page,
    and each attack to that of the evaluation.
    """
    first = rows[(rows["attack"] == analysis.WORST_CASE) & (rows["epsilon"] == epsilon)]
    first = first.sort_values(["dataset", "RR"], ascending=[True, False], kind="stable")
    heads = "".join(f'<th scope="col">{text.html(_head(name, tolerance))}</th>' for name in [*COLUMNS, "evaluations"])
    body = "".join(_row(found, row) for row in first.to_dict("records"))
    return (
        f'<div class="leaderboard" data-epsilon="{epsilon:g}" data-attack="{analysis.WORST_CASE}">'
        f'<table class="dataframe sortable"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
        f'<script type="application/json" class="cells">{_cells(rows)}</script></div>'
    )


def best(rows: pd.DataFrame, epsilon: float, tolerance: float) -> str:
    """Markdown, a sentence: per data set the detectors with the highest worst-case RA and RR at ε, of those trusted."""
    said = []
    part = rows[(rows["attack"] == analysis.WORST_CASE) & (rows["epsilon"] == epsilon) & (rows["trust"] == "trusted")]
    for dataset, of in part.groupby("dataset", sort=False):
        told = []
        for name in ("RA", "RR"):
            top = of.sort_values(name, kind="stable").iloc[-1]
            share = f"{top[name]:.3f} [{top[f'{name}_low']:.3f}, {top[f'{name}_high']:.3f}]"
            told.append(f"{_head(name, tolerance)} is highest for {text.markdown(top['detector'])} ({share})")
        said.append(f"on {text.markdown(dataset)}, {' and '.join(told)}")
    if not said:
        return "**No detector of this study detects and has attacks on it that can be trusted.**"
    return f"**At ε = {epsilon:g} in the worst case, {'; '.join(said)}.** [Whether that is more than chance](compare)."


def _promises(
    worst: Mapping[str, pd.DataFrame], budget: float, confidence: float, distrusted: Mapping[tuple[str, str], str]
) -> pd.DataFrame:
    bands = pd.concat([analysis.bands_over_epsilon(half, budget, confidence) for half in worst.values()])
    bands = trusted.without(bands[bands["on"] == guardrails.ON_ATTACKED], distrusted)
    return bands[["dataset", "detector", "epsilon", "band", "decided"]]


def _gaps(found: study.Study) -> pd.DataFrame:
    parts = []
    for dataset, detector in found.pairs():
        _, gaps = trusted.tightness(found, dataset, detector)
        if len(gaps):
            parts.append(
                pd.DataFrame(
                    {
                        "dataset": dataset,
                        "detector": detector,
                        "epsilon": gaps["ε"],
                        "tightness": gaps["largest gap in RR"],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True) if parts else no_gaps()


def no_gaps() -> pd.DataFrame:
    """The gaps of a study of which none was recorded."""
    names = ["dataset", "detector", "epsilon", "tightness"]
    return pd.DataFrame(columns=names).astype({"epsilon": float, "tightness": float})


def _head(name: str, tolerance: float) -> str:
    return f"RR({tolerance:g})" if name == "RR" else COLUMNS.get(name, name)


def _row(found: study.Study, row: dict) -> str:
    dataset, detector = row["dataset"], row["detector"]
    cells = [f"<td>{text.html(dataset)}</td>"]
    if dataset in found.datasets:
        folder = f"detectors/{dataset}/{detector}"
        cells.append(f'<th scope="row"><a href="{text.html(folder)}/detector.html">{text.html(detector)}</a></th>')
        attacks = study.half_of(found, dataset, detector).attacks
        links = [f'<a href="{text.html(f"{folder}/{name}.html")}">{text.html(name)}</a>' for name in attacks]
    else:  # videos that detectors of images score have no pages of their own
        cells.append(f'<th scope="row">{text.html(detector)}</th>')
        links = []
    cells += [f"<td>{_number(row[name])}</td>" for name in ("accuracy", "auc")]
    cells += [f'<td data-measure="{name}">{_said(row, name)}</td>' for name in MEASURES]
    cells += [f"<td>{row['trust']}</td>", f"<td>{' '.join(links)}</td>"]
    return f'<tr data-key="{text.html(f"{dataset}/{detector}")}">{"".join(cells)}</tr>'


def _said(row: Mapping, name: str) -> str:
    if name in ("RA", "RR"):
        return f"{row[name]:.3f} <small>[{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]</small>"
    return _number(row[name])


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _cells(rows: pd.DataFrame) -> str:
    """JSON: "data set/detector" → attack → ε → the cells of `MEASURES`, as the table shows them."""
    cells: dict[str, dict[str, dict[str, Sequence[str]]]] = {}
    for row in rows.to_dict("records"):
        of_detector = cells.setdefault(f"{row['dataset']}/{row['detector']}", {})
        of_attack = of_detector.setdefault(row["attack"], {})
        of_attack[f"{row['epsilon']:g}"] = [_plain(row, name) for name in MEASURES]
    # "<" could end the script
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _plain(row: Mapping, name: str) -> str:
    if name in ("RA", "RR"):
        return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
    return _number(row[name])
