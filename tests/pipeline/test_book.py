"""A fault in the book stops the build with a sentence, and the book that was there stays."""

import json
from contextlib import contextmanager

import pytest
from bs4 import BeautifulSoup
from small import hashes, run

pytestmark = pytest.mark.slow


@contextmanager
def changed(path, text):
    """The file with other content, for a while."""
    before = path.read_bytes()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_bytes(before)


def build(study):
    return run("python", "-m", "rrlib", "book", "outputs/book", folder=study)


@pytest.fixture
def whole_book(study):
    """The study; afterwards its book must be as before."""
    before = hashes(study, "outputs/book/**/*.html")
    yield study
    assert hashes(study, "outputs/book/**/*.html") == before
    assert not list(study.glob("outputs/.book-*"))


def test_a_broken_link_stops_the_build(whole_book):
    page = whole_book / "book/method.md"
    with changed(page, page.read_text() + "\n[there](nowhere.md)\n"):
        failed = build(whole_book)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: the book has faults; mend them in book/ or notebooks/: method.md")
    assert "nowhere.md" in failed.stderr


def test_a_page_that_the_table_of_contents_names_must_exist(whole_book):
    toc = whole_book / "book/_toc.yml"
    with changed(toc, toc.read_text().replace("file: api", "file: absent")):
        failed = build(whole_book)
    assert failed.returncode == 1
    assert "absent" in failed.stderr


def test_a_page_of_the_study_must_exist(whole_book):
    page = whole_book / "outputs/notebooks/detectors/synthetic/resnet/pgd.ipynb"
    hidden = page.rename(page.with_suffix(".hidden"))
    failed = build(whole_book)
    hidden.rename(page)
    assert failed.stderr == (
        "error: outputs/notebooks/detectors/synthetic/resnet/pgd.ipynb is absent; make it with `dvc repro`\n"
    )


def test_an_error_in_a_cell_stops_the_build(whole_book):
    page = whole_book / "outputs/notebooks/figure1.ipynb"
    notebook = json.loads(page.read_text())
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "error", "ename": "ValueError", "evalue": "x", "traceback": []}]
    with changed(page, json.dumps(notebook)):
        failed = build(whole_book)
    assert failed.stderr == (
        "error: outputs/notebooks/figure1.ipynb: ValueError; mend the notebook and run `dvc repro`\n"
    )


def test_no_page_loads_anything_from_a_network(study):
    for page in study.glob("outputs/book/**/*.html"):
        html = BeautifulSoup(page.read_text(), "html.parser")
        loaded = html.select("script[src], img[src], iframe[src]") + html.select('link[rel="stylesheet"]')
        assert loaded
        for tag in loaded:
            assert not (tag.get("src") or tag.get("href")).startswith(("http:", "https:", "//")), f"{page.name}: {tag}"
