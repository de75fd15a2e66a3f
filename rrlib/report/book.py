"""The book: prose of book/ and executed notebooks in one folder, built by Jupyter Book with every warning an error."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from rrlib import files, study
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.report import card_files, downloads, explorer, finishing, notebooks, reference
from rrlib.study import paths

PROSE = Path("book")
CITATION = Path("CITATION.cff")
# of the whole study, each a notebook
SINGLE: tuple[str, ...] = (
    "index",
    "figure1",
    "claims",
    "compare",
    "linearity",
    "choose",
    "explorer",
    "evaluations",
    "damage",
)
SINGLE += ("transfer", "faces", "drawn-and-real")
PRINTED = ("figure1.pdf", "figure1.svg")  # for print, linked from their page


def pages(found: study.Study) -> list[Path]:
    """The executed notebooks that the study's book holds, relative to outputs/notebooks; so they lie in the book."""
    of_detectors = [job.target for pair in found.pairs() for job in pages_of_detector(found, *pair)]
    whole = [*map(paths.dataset_page, found.datasets), *of_detectors]
    return [*(Path(f"{name}.ipynb") for name in SINGLE), *(page.relative_to(paths.NOTEBOOKS) for page in whole)]


def pages_of_detector(found: study.Study, dataset: str, detector: str) -> list[notebooks.Job]:
    """What makes the pages of a detector on a data set: one about the detector, one for each attack."""
    names = {"dataset": dataset, "detector": detector}
    jobs = [notebooks.Job("detector", paths.detector_page(dataset, detector), names)]
    for attack in study.half_of(found, dataset, detector).attacks:
        target = paths.evaluation_page(Cell(dataset, detector, attack))
        jobs.append(notebooks.Job("evaluation", target, names | {"attack": attack}))
    return jobs


def contents(found: study.Study, given: dict) -> dict:
    """The table of contents of book/_toc.yml with the study's own pages below the chapters `data` and `detectors`."""
    below = {
        "data": [{"file": f"datasets/{dataset}"} for dataset in found.datasets],
        "detectors": [
            {"file": entries[0], "sections": [{"file": entry} for entry in entries[1:]]}
            for pair in found.pairs()
            if (entries := [_entry(job.target) for job in pages_of_detector(found, *pair)])
        ],
    }
    for part in given["parts"]:
        for chapter in part["chapters"]:
            if chapter["file"] in below:
                chapter["sections"] = below[chapter["file"]]
    return given


def build(target: Path) -> Path:
    """Build the book into the folder `target` and return the path of its first page.

    Only the pages of the present study are taken. Raises InputError for a page that is missing, holds an error, or
    makes Sphinx warn (a broken link, say), and for a `target` that holds what is not ours; `target` is then as before.
    """
    with tempfile.TemporaryDirectory(prefix=".book-", dir=paths.OUTPUTS) as folder:
        source = Path(folder, "source")
        shutil.copytree(PROSE, source)
        shutil.copy(CITATION, source)
        found = study.load()
        (source / "api-reference.md").write_text(reference.markdown(), encoding="utf-8")
        toc = source / "_toc.yml"
        toc.write_text(yaml.safe_dump(contents(found, yaml.safe_load(toc.read_text())), sort_keys=False))
        for page in pages(found):
            _take(paths.NOTEBOOKS / page, source / page)
        for name in PRINTED:
            _copy(downloads.FIGURES / name, source / downloads.FIGURES.name / name)
        for pair in found.pairs():
            card = card_files.committed(card_files.read(card_files.card_path(*pair)))
            page = source / paths.detector_pages(*pair).relative_to(paths.NOTEBOOKS)
            files.write_text(page / card_files.card_name(*pair), card_files.text(card))
        built = source / "_build" / "html"
        run = subprocess.run(
            [sys.executable, "-m", "rrlib.report.building", source, built],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if run.returncode != 0 or not (built / "index.html").is_file():
            raise InputError(f"the book has faults; mend them in book/ or notebooks/: {_faults(run.stdout, source)}")
        highlight = {"epsilon": found.highlight.epsilon, "tolerance": found.highlight.tolerance}
        explorer.write(study.read_results(found), found.distance, highlight, built)
        # Sphinx's note to its own next build; it names the temporary folder, so no two builds would be alike
        (built / ".buildinfo").unlink(missing_ok=True)
        tables = [paths.results_path(half) for half in ("image", "video")]
        tables += [path for pair in found.pairs() for path in sorted(paths.tables_folder(*pair).glob("*.parquet"))]
        downloads.finish(built, pages(found), [path for path in tables if path.is_file()])
        finishing.finish(built)  # last: it describes the figures that have no words of their own yet
        files.mark(built)
        files.remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(built, target)
    return target / "index.html"


def _entry(page: Path) -> str:
    return page.relative_to(paths.NOTEBOOKS).with_suffix("").as_posix()


def _take(page: Path, place: Path) -> None:
    _copy(page, place)
    if faults := notebooks.failures(page):
        raise InputError(f"{faults[0]}; mend the notebook and run `dvc repro`")


def _copy(made: Path, place: Path) -> None:
    if not made.is_file():
        raise InputError(f"{made} is absent; make it with `dvc repro`")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made, place)


def _faults(log: str, source: Path) -> str:
    """The first few complaints of Sphinx, with paths as they stand in the book."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log).replace(f"{source.resolve()}/", "")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "CRITICAL"))]
    told = told or [line for line in lines if re.match(r"[\w.]*(Error|Exception|Required)\b", line)] or lines[-3:]
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return "; ".join(told[:3]) + more
