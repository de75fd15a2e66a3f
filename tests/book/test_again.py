"""A book that is built after a change, from what the build before read, is the book that is built of nothing."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import REPOSITORY

pytestmark = pytest.mark.slow
NEEDED = ("book", "notebooks", "data", "params.yaml", "CITATION.cff", "dvc.yaml")
MADE = ("notebooks", "figures", "results", "cards", "datasets", "sources")


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory) -> Iterator[Path]:
    """What a book is built from, outside the repository; and the book as it is built of nothing."""
    folder = tmp_path_factory.mktemp("again")
    for name in NEEDED:
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for name in MADE:
        if (root / "outputs" / name).is_dir():
            (folder / "outputs").mkdir(exist_ok=True)
            (folder / "outputs" / name).symlink_to((root / "outputs" / name).resolve())
    notebooks = folder / "outputs/notebooks"
    notebooks.unlink()
    shutil.copytree(root / "outputs/notebooks", notebooks)
    build(folder, "outputs/cold")
    yield folder
    shutil.rmtree(folder)


def build(folder: Path, target: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rrlib", "book", target],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return digests(folder / target)


def digests(book: Path) -> dict[str, str]:
    found = sorted(path for path in book.rglob("*") if path.is_file())
    return {str(path.relative_to(book)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def change_a_sentence(folder: Path) -> None:
    page = folder / "book/reading.md"
    page.write_text(page.read_text() + "\nA sentence about the robust ratio that was not there before.\n")


def change_what_others_show(folder: Path) -> None:
    """The title of a page stands in each side bar, the meaning of a word wherever the word does; and a figure."""
    page = folder / "book/attacks.md"
    page.write_text(page.read_text().replace("# Attacks\n", "# Every attack\n", 1))
    page = folder / "book/words.md"
    page.write_text(page.read_text().replace("Robust accuracy, RA", "The robust accuracy, RA", 1))
    page = folder / "outputs/notebooks/figure1.ipynb"
    notebook = json.loads(page.read_text())
    svg = "image/svg+xml"
    output = next(each for cell in notebook["cells"] for each in cell.get("outputs", []) if svg in each.get("data", {}))
    output["data"][svg] = "".join(output["data"][svg]).replace("<desc>", "<desc>Changed. ")
    page.write_text(json.dumps(notebook))


@pytest.mark.parametrize(
    ("change", "pages"),
    [(change_a_sentence, {"reading.html"}), (change_what_others_show, None)],
    ids=["one page", "what all show"],
)
def test_after_a_change_the_book_is_the_one_built_of_nothing(copy, change, pages):
    before = digests(copy / "outputs/cold")
    change(copy)
    again = build(copy, "outputs/again")
    shutil.rmtree(copy / "outputs/.book")
    assert again == build(copy, "outputs/cold")
    changed = {name for name in before.keys() | again.keys() if before.get(name) != again.get(name)}
    assert changed > (pages or {"index.html", "method.html", "figure1.html"})
    if pages:  # besides it, what finds words
        assert {name for name in changed if name.endswith(".html")} == pages
