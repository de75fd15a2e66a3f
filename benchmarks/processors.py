"""How far does another processor move the study? Two finished runs side by side: numbers, finding, ranking, claims.

    git clone . ../older && cd ../older
    ATEN_CPU_CAPABILITY=default DNNL_MAX_CPU_ISA=SSE41 make
    cd - && python benchmarks/processors.py ../older --record book/benchmarks

The two variables make PyTorch and oneDNN compute as on an older processor: sums are rounded otherwise. `python -m rrlib
run` must have finished here, and the study be the same there.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

from rrlib import analysis, study
from rrlib.analysis import recorded
from rrlib.errors import InputError
from rrlib.evaluation import tables
from rrlib.report import findings, front
from rrlib.study import paths
from rrlib.study.thresholds import judged

PAIR, ROW = ["dataset", "detector"], ["sample", "attack", "epsilon"]
WITHIN = 0.02  # of a single attacked probability: the bound that is aimed at
FILES = "processors.csv", "processors-said.csv"
DECIMALS = re.compile(r"\d*\.\d+")


def numbers(here: pd.DataFrame, there: pd.DataFrame) -> pd.DataFrame:
    """One row for each detector: the largest differences over all attacks, ε and tolerances of two result tables."""
    made = []
    for pair, one in here.groupby(PAIR, sort=False):
        other = there[(there[PAIR] == list(pair)).all(axis=1)]
        both = one.merge(other, on=ROW, suffixes=("", " there"), validate="one_to_one")
        if not len(one) == len(other) == len(both):
            raise InputError(f"{'/'.join(pair)} has other rows there; run the same study in both folders")
        moved = (both["p_attacked"] - both["p_attacked there"]).abs()
        rows = recorded.rows(one).merge(recorded.rows(other), on=recorded.CELL, suffixes=("", " there"))
        apart = {name: (rows[name] - rows[f"{name} there"]).abs().max() for name in rows if f"{name} there" in rows}
        made.append(
            {
                **dict(zip(["data set", "detector"], pair, strict=True)),
                "largest |ΔRA|": apart["RA"],
                "largest |ΔRR|": max(value for name, value in apart.items() if name.startswith("RR")),
                "largest |Δp|": moved.max(),
                "in": "{attack}, ε = {epsilon:g}".format(**both.loc[moved.idxmax()]) if moved.max() > 0 else "–",
                "rows": len(both),
                f"with |Δp| > {WITHIN:g}": int((moved > WITHIN).sum()),
            }
        )
    return pd.DataFrame(made)


def told(found: study.Study, halves: dict[str, pd.DataFrame]) -> dict[str, str]:
    """What the pages say of these tables, without the decimals in it: the finding, each ranking, each claim."""
    highlight = found.highlight
    worst = pd.concat([analysis.worst_case(half) for half in halves.values()], ignore_index=True)
    said = {"the finding": front.headline(analysis.compare(worst, highlight.tolerance), highlight.tolerance)}
    for dataset in worst["dataset"].unique():
        choice = analysis.choose(worst, analysis.Requirements(dataset, highlight.epsilon, highlight.tolerance))
        order = choice.ranking[["rank", "detector", "status"]].to_string(index=False, header=False)
        said[f"the ranking on {dataset}"] = f"{order}\n{choice.sentence}"
    claims = analysis.paper_claims(
        worst, highlight.tolerance, found.tolerances, halves.get("image"), halves.get("video"), highlight.epsilon
    )
    for number, claim in enumerate(claims, start=1):
        said[f"claim {number}"] = f"{claim.verdict}: {findings.claim_said(claim)}"
    return {what: DECIMALS.sub("…", words) for what, words in said.items()}


def beside(found: study.Study, here: dict[str, pd.DataFrame], folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of the run in another folder, as `study.read_results` gives those of the one here."""
    paths_there = {name: folder / paths.results_path(name) for name in here}
    for path in paths_there.values():
        if not path.is_file():
            raise InputError(f"{path} is missing; run `make` in {folder} first")
    return {name: judged(found, tables.read(path)) for name, path in paths_there.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a copy of this project where the other processor ran the study")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help=f"write {' and '.join(FILES)} here")
    given = parser.parse_args()
    found = study.load()
    here = study.read_results(found)
    there = beside(found, here, given.folder)
    moved = numbers(*(pd.concat(each.values(), ignore_index=True) for each in (here, there)))
    ours, theirs = told(found, here), told(found, there)
    same = pd.DataFrame(
        [{"what": what, "there": "the same" if ours[what] == theirs.get(what) else "another"} for what in ours]
    )
    print(moved.round(4).to_string(index=False), same.to_string(index=False), sep="\n\n")
    for what in ours:
        if ours[what] != theirs.get(what):
            print(f"\n{what}, here:  {ours[what]}\n{what}, there: {theirs.get(what)}")
    if given.record:
        for table, name in zip((moved, same), FILES, strict=True):
            table.round(4).to_csv(given.record / name, index=False, lineterminator="\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
