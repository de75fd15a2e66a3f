"""The book: prose of book/ and executed notebooks in one folder, built by Jupyter Book with every warning an error."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import yaml

from rrlib import files, study
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.report import card_files, downloads, kept, listing, notebooks, reference
from rrlib.study import paths

PACKAGE = Path(__file__).parents[1]
PROSE, TOC = Path("book"), "_toc.yml"
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
# the code that shapes a page besides what its notebook shows
SHAPING = ("book", "building", "described", "downloads", "finishing", "kept", "sheets")
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
        reference.ROOT: [{"file": f"{reference.ROOT}/{door}"} for door in reference.DOORS],
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

    Only the pages of the present study are taken. After a build, the next one reads and writes those pages alone that
    changed since (`kept`); the book is the same, byte for byte. Raises InputError for a page that is missing, holds an
    error, or makes Sphinx warn (a broken link, say), and for a `target` that holds what is not ours; `target` is then
    as before.
    """
    files.check_ours(target)
    found = study.load()
    contents_of_study = yaml.safe_dump(contents(found, yaml.safe_load((PROSE / TOC).read_text())), sort_keys=False)
    with kept.place(_key(contents_of_study)) as place, _beside(target) as built:
        source, html = place / "source", place / "html"
        changed = kept.put(source, _sources(found, contents_of_study, _reference(place)))
        for name in changed:  # by its content, whatever its time says
            place.joinpath(".doctrees", name).with_suffix(".doctree").unlink(missing_ok=True)
        highlight = {"epsilon": found.highlight.epsilon, "tolerance": found.highlight.tolerance}
        with _sphinx(source, html) if changed or not html.is_dir() else nullcontext():
            from rrlib.report import explorer, finishing  # which take a while to import, while Sphinx is at work

            data = explorer.script(study.read_results(found), found.distance, highlight)
        finishing.assemble(html, built, place / "finished", _figures(found))
        explorer.write(data, built)
        _cards(found, built)
        tables = [paths.results_path(half) for half in ("image", "video")]
        downloads.take([path for path in tables if path.is_file()], built)
        files.mark(built)
        files.remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(built, target)
    return target / "index.html"


def _key(contents_of_study: str) -> str:
    """Of all that any page may depend on besides itself and the other pages: another key, and all pages are built."""
    given = [path for path in PROSE.rglob("*") if path.is_file() and not _is_page(path) and path.name != TOC]
    code = [Path(__file__).with_name(f"{name}.py") for name in SHAPING]
    installed = sorted(path.name for place in sys.path for path in Path(place).glob("*.dist-info"))
    about = [sys.version, str(kept.PLACE.resolve()), contents_of_study, *installed]
    return kept.key(
        [(str(path), path.read_bytes()) for path in [*given, *code, CITATION]] + [("about", repr(about).encode())]
    )


def _is_page(path: Path) -> bool:
    return path.suffix in (".md", ".ipynb")


def _sources(found: study.Study, contents_of_study: str, reference_pages: dict[str, str]) -> dict[str, bytes]:
    """What the book is built from, by path."""
    given = [path for path in PROSE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {path.relative_to(PROSE).as_posix(): path.read_bytes() for path in given}
    wanted |= {CITATION.name: CITATION.read_bytes(), TOC: contents_of_study.encode()}
    wanted |= {f"{name}.md": text.encode() for name, text in reference_pages.items()}
    wanted[f"{listing.PAGE}.md"] = listing.markdown().encode()
    wanted |= {page.as_posix(): _taken(paths.NOTEBOOKS / page) for page in pages(found)}
    for name in PRINTED:
        wanted[f"{downloads.FIGURES.name}/{name}"] = _made(downloads.FIGURES / name)
    for pair in found.pairs():
        page = paths.detector_pages(*pair).relative_to(paths.NOTEBOOKS)
        card = card_files.read(card_files.card_path(*pair))
        wanted[f"{page.as_posix()}/{card_files.card_name(*pair)}"] = card_files.text(card).encode()
    return wanted


def _reference(place: Path) -> dict[str, str]:
    """The pages of the API reference, made anew where code of rrlib changed: that means to import all of it."""
    code = [path for path in sorted(PACKAGE.rglob("*.py*")) if path.suffix in (".py", ".pyi")]
    now = kept.key((path.relative_to(PACKAGE).as_posix(), path.read_bytes()) for path in code)
    known = place / "reference.json"
    if known.is_file() and (held := json.loads(known.read_text(encoding="utf-8")))["of"] == now:
        return dict(held["pages"])
    made = reference.pages()
    files.write_text(known, json.dumps({"of": now, "pages": made}))
    return made


@contextmanager
def _sphinx(source: Path, html: Path) -> Iterator[None]:
    """Build `source` into `html` meanwhile; raises InputError at the end for what Sphinx finds fault with."""
    with subprocess.Popen(
        [sys.executable, "-m", "rrlib.report.building", source, html, str(os.getpid())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        yield
        said, _ = run.communicate()
    if run.returncode != 0 or not (html / "index.html").is_file():
        raise InputError(f"the book has faults; mend them in book/ or notebooks/: {_faults(said, source)}")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new folder in outputs/, gone afterwards unless it was moved."""
    paths.OUTPUTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".book-", dir=paths.OUTPUTS) as folder:
        yield Path(folder, "book")


def _figures(found: study.Study) -> dict[str, downloads.Figures]:
    """The figures of each page of the study, by the page's name."""
    return {
        page.with_suffix(".html").as_posix(): downloads.of_notebook(json.loads(_made(paths.NOTEBOOKS / page)))
        for page in pages(found)
    }


def _cards(found: study.Study, built: Path) -> None:
    """Cards leave the study with the commit that they were made of, which no page shows."""
    for pair in found.pairs():
        card = card_files.text(card_files.committed(card_files.read(card_files.card_path(*pair))))
        for place in built.glob(f"_downloads/*/{card_files.card_name(*pair)}"):
            place.write_text(card, encoding="utf-8")


def _entry(page: Path) -> str:
    return page.relative_to(paths.NOTEBOOKS).with_suffix("").as_posix()


def _taken(page: Path) -> bytes:
    content = _made(page)
    if faults := notebooks.failures(page):
        raise InputError(f"{faults[0]}; mend the notebook and run `dvc repro`")
    return content


def _made(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    return path.read_bytes()


def _faults(log: str, source: Path) -> str:
    """The first few complaints of Sphinx, with paths as they stand in the book."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log).replace(f"{source.resolve()}/", "")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "CRITICAL"))]
    told = told or [line for line in lines if re.match(r"[\w.]*(Error|Exception|Required)\b", line)] or lines[-3:]
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return "; ".join(told[:3]) + more
