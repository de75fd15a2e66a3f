"""The results that are recorded with the repository, and a rerun beside them."""

import pandas as pd

from rrlib import analysis, files, study
from rrlib.analysis import recorded
from rrlib.errors import InputError
from rrlib.study import paths

RESULTS = paths.DATA / "reference.csv"
FIGURE = paths.DATA / "figure1.svg"


def record(found: study.Study) -> list[str]:
    """Write the present results and Figure 1 to data/; the lines to be shown."""
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
    return [f"{len(rows)} rows in {RESULTS}, and {FIGURE}", "run `dvc commit --force data.dvc` to pin them"]


def compared(found: study.Study) -> pd.DataFrame:
    """The present results beside the recorded ones, as `analysis.recorded.compare` says."""
    return recorded.compare(_here(found), read())


def verify(found: study.Study) -> str:
    """One line: how many rows match, lie within tolerance, differ, and which is the worst."""
    here = _here(found)
    return recorded.said(recorded.compare(here, read()), len(here))


def read() -> pd.DataFrame:
    """The recorded results, those of studies in data/recorded too; InputError if they are not there."""
    if not RESULTS.is_file():
        raise InputError(f"{RESULTS} is absent; `git checkout {RESULTS}` brings it back")
    others = [recorded.rows(study.recorded.tables_of(name)) for name in study.recorded.names()]
    return pd.concat([pd.read_csv(RESULTS), *others], ignore_index=True)


def _here(found: study.Study) -> pd.DataFrame:
    return recorded.rows(pd.concat(study.read_results(found).values(), ignore_index=True))
