"""The results that are recorded with the repository, and a rerun beside them."""

import re

import pandas as pd

from rrlib import analysis, files, study
from rrlib.analysis import recorded
from rrlib.errors import InputError
from rrlib.study import paths

RESULTS = paths.DATA / "reference.csv"
FIGURE = paths.DATA / "figure1.svg"
FINDING = paths.DATA / "finding.md"


def record(found: study.Study) -> list[str]:
    """Write the present results, the finding of the start page and Figure 1 to data/; the lines to be shown."""
    from rrlib.report import board, figure1, figures, trusted  # here: `verify` need not wait for matplotlib

    halves = study.read_results(found)
    rows = recorded.rows(pd.concat(halves.values(), ignore_index=True))
    with files.whole(RESULTS) as unfinished:
        rows.to_csv(unfinished, index=False, float_format=f"%.{recorded.DECIMALS}f", lineterminator="\n")
    figures.set_style()
    worst = {name: analysis.worst_case(half) for name, half in halves.items()}
    grey = board.does_not_detect(pd.concat(worst.values(), ignore_index=True))
    grey |= trusted.names(trusted.distrusted(found, halves, worst))
    figure = figure1.figure1_halves(worst, found.highlight.epsilon, analysis.WORST_CASE, grey)
    figures.save(figure, FIGURE)
    files.write_text(FINDING, finding(found))
    return [f"{len(rows)} rows in {RESULTS}, {FINDING} and {FIGURE}", "run `dvc commit --force data.dvc` to pin them"]


def compared(found: study.Study) -> pd.DataFrame:
    """The present results beside the recorded ones, as `analysis.recorded.compare` says."""
    return recorded.compare(_here(found), read())


def verify(found: study.Study) -> str:
    """One line: how many rows match, lie within tolerance, differ, which is the worst, and if the finding is another.

    Where every row matches to the last digit that is recorded, the finding, which is told from the same tables, is not
    computed again.
    """
    here = _here(found)
    beside = recorded.compare(here, read())
    line = recorded.said(beside, len(here))
    of_default = set(beside["dataset"]) <= set(pd.read_csv(RESULTS)["dataset"])  # whose finding was recorded
    if beside.empty or not beside["difference"].any() or not FINDING.is_file() or not of_default:
        return line
    same = _without_decimals(finding(found)) == _without_decimals(FINDING.read_text(encoding="utf-8"))
    return f"{line}; the finding is {'the recorded one' if same else f'another than that of {FINDING}'}"


def finding(found: study.Study) -> str:
    """Markdown, a line: what the start page begins with."""
    from rrlib.report import front, trusted

    halves = study.read_results(found)
    worst = {name: analysis.worst_case(half) for name, half in halves.items()}
    every = pd.concat(worst.values(), ignore_index=True)
    kept = trusted.without(every, trusted.distrusted(found, halves, worst))
    tolerance = found.highlight.tolerance
    return front.headline(analysis.compare(kept, tolerance), tolerance) + "\n"


def _without_decimals(said: str) -> str:
    """The same statement about the same detectors, whatever the digits of its shares, which may differ a little."""
    return re.sub(r"\d\.\d+", "#", said)


def read() -> pd.DataFrame:
    """The recorded results, those of studies in data/recorded too; InputError if they are not there."""
    if not RESULTS.is_file():
        raise InputError(f"{RESULTS} is absent; `git checkout {RESULTS}` brings it back")
    others = [recorded.rows(study.recorded.tables_of(name)) for name in study.recorded.names()]
    return pd.concat([pd.read_csv(RESULTS), *others], ignore_index=True)


def _here(found: study.Study) -> pd.DataFrame:
    return recorded.rows(pd.concat(study.read_results(found).values(), ignore_index=True))
