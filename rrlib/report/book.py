"""The book: prose of book/ and executed notebooks in one folder, built by Jupyter Book with every warning an error."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rrlib import study
from rrlib.errors import InputError
from rrlib.report import notebooks
from rrlib.study import paths

PROSE = Path("book")
NOTEBOOKS = paths.OUTPUTS / "notebooks"


def pages(found: study.Study) -> list[Path]:
    """The executed notebooks that the study's book holds, relative to outputs/notebooks."""
    datasets = [Path("datasets", f"{dataset}.ipynb") for dataset in found.datasets]
    training = [Path("training", f"{'-'.join(pair)}.ipynb") for pair in found.pairs()]
    evaluations = [Path("evaluations", f"{'-'.join(cell)}.ipynb") for cell in found.cells()]
    return [*map(Path, ("index.ipynb", "figure1.ipynb", "linearity.ipynb")), *datasets, *training, *evaluations]


def build(target: Path) -> Path:
    """Build the book into the folder `target` and return the path of its first page.

    Only the pages of the present study are taken. Raises InputError for a page that is missing, holds an error, or
    makes Sphinx warn (a broken link, say); `target` is then as before.
    """
    with tempfile.TemporaryDirectory(prefix=".book-", dir=paths.OUTPUTS) as folder:
        source = Path(folder, "source")
        shutil.copytree(PROSE, source)
        for page in pages(study.load()):
            _take(NOTEBOOKS / page, source / page)
        run = subprocess.run(
            [Path(sys.executable).with_name("jupyter-book"), "build", "--quiet",
             "--warningiserror", "--nitpick", "--keep-going", str(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        built = source / "_build" / "html"
        if run.returncode != 0 or not (built / "index.html").is_file():
            raise InputError(f"the book has faults; mend them in book/ or notebooks/: {_faults(run.stdout, source)}")
        # Sphinx's note to its own next build; it names the temporary folder, so no two builds would be alike
        (built / ".buildinfo").unlink(missing_ok=True)
        if target.exists():
            shutil.rmtree(target)
        os.replace(built, target)
    return target / "index.html"


def _take(page: Path, place: Path) -> None:
    if not page.is_file():
        raise InputError(f"{page} is absent; make it with `dvc repro`")
    if faults := notebooks.failures(page):
        raise InputError(f"{faults[0]}; mend the notebook and run `dvc repro`")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, place)


def _faults(log: str, source: Path) -> str:
    """The first few complaints of Sphinx, with paths as they stand in the book."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log).replace(f"{source.resolve()}/", "")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "CRITICAL"))] or lines[-3:]
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return "; ".join(told[:3]) + more
