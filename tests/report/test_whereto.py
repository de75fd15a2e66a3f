"""The start page leads to every page."""

from pathlib import Path

import yaml

from rrlib.report import whereto

CONTENTS = Path(__file__).resolve().parents[2] / "book/_toc.yml"


def test_every_page_of_the_contents_is_there_once_and_says_what_for():
    pages = list(whereto.entries(yaml.safe_load(CONTENTS.read_text())))
    rows = whereto.table(CONTENTS).splitlines()[2:]
    assert len(pages) == len(set(pages)) == len(rows)
    for page, row in zip(pages, rows, strict=True):
        assert row.endswith(f"| []({page}) |")
    assert set(whereto.WANTED) <= set(pages)


def test_a_page_without_words_of_its_own_is_there_by_its_title(tmp_path):
    contents = tmp_path / "_toc.yml"
    contents.write_text("root: index\nparts: [{chapters: [{file: method}, {file: new}]}]")
    assert whereto.table(contents).splitlines()[2:] == [
        f"| {whereto.WANTED['method']} | [](method) |",
        "|  | [](new) |",
    ]
