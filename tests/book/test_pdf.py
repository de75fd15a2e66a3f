"""The whole book as one PDF: every page of its contents, in their order, each with a bookmark."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))
import pdf  # noqa: E402

PAGE = "<html><head><title>{0} — the book</title></head><body><nav class='bd-links' hidden>{1}</nav><h1>{0}</h1>"
LINKS = "<a href='second.html'>2</a><a href='part/third.html'>3</a><a href='https://example.org'>elsewhere</a>"


@pytest.fixture
def book(tmp_path) -> Path:
    (tmp_path / "part").mkdir()
    for name, title in (("index", "First"), ("second", "Second"), ("part/third", "Third")):
        (tmp_path / f"{name}.html").write_text(PAGE.format(title, LINKS if name == "index" else ""), encoding="utf-8")
    return tmp_path


def test_the_pages_are_those_of_the_contents_in_their_order(book):
    names = [path.relative_to(book.resolve()).as_posix() for path in pdf.pages(book)]
    assert names == ["index.html", "second.html", "part/third.html"]


def test_every_page_is_printed_and_has_a_bookmark(book):
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("no Chromium here: .ci/run installs it")
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tools/pdf.py", book, book / "book.pdf"],
        cwd=book,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("book.pdf: 3 sheets\n"), done.stderr
    printed = PdfReader(book / "book.pdf")
    assert [entry.title for entry in printed.outline] == ["First", "Second", "Third"]
    assert [page.extract_text().strip() for page in printed.pages] == ["First", "Second", "Third"]


def test_an_absent_book_is_one_sentence(tmp_path):
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("no Chromium here: .ci/run installs it")
    with pytest.raises(SystemExit, match=r"index\.html is absent; `make` builds the book$"):
        pdf.write(tmp_path, tmp_path / "book.pdf")
