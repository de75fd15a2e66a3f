"""What leaves a built book keeps all that a reader sees."""

from bs4 import BeautifulSoup

from rrlib.report import finishing, pages, sheets

STATIC = "_static/scripts/fontawesome.js"


def raw_book(folder, body: str):
    """A book of one page as Jupyter Book leaves it."""
    (folder / "_static/scripts").mkdir(parents=True)
    (folder / STATIC).write_text('{bars:[448,512,["navicon"],"f0c9","M0 96h448"]}')
    (folder / "index.html").write_text(f"<html><head></head><body>\n\n  {body}\n</body></html>")
    return folder


def assembled(tmp_path, body: str):
    raw = raw_book(tmp_path / "raw", body)
    finishing.assemble(raw, tmp_path / "book", tmp_path / "known", {})
    return tmp_path / "book"


def test_tables_keep_their_cells_and_lose_the_names_that_pandas_gives_them(tmp_path):
    import pandas as pd

    held = str(pages.show(pd.DataFrame({"ε": [0.1], "name": ["a"]})).data)
    page = (assembled(tmp_path, held) / "index.html").read_text()
    assert "T_table" in held
    assert "T_table" not in page
    cells = [[cell.get_text() for cell in BeautifulSoup(each, "html.parser").select("th, td")] for each in (held, page)]
    assert cells[0] == cells[1] == ["ε", "name", "0.1", "a"]
    assert BeautifulSoup(page, "html.parser").table["class"] == ["dataframe", "mathjax_ignore"]


def test_code_keeps_its_lines_and_indents_and_what_looks_like_a_comment(tmp_path):
    code = "<pre>def f():\n\n    return 1  <!-- no comment -->\n</pre>"
    page = (assembled(tmp_path, f"<p>a</p>\n\n   <!-- gone -->\n  {code}") / "index.html").read_text()
    assert code in page
    assert "gone" not in page
    assert "\n\n" not in page.replace(code, "code")


def test_only_pictures_and_files_that_a_page_names_are_taken(tmp_path):
    raw, digest = tmp_path / "raw", "0" * 32
    for name in (
        "_images/a.svg",
        "_images/old.svg",
        f"_downloads/{digest}/card one.yaml",
        f"_downloads/{digest}/old.yaml",
    ):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text('<svg viewBox="0 0 30 30"><desc>A thing.</desc></svg>')
    body = f'<img alt="" src="_images/a.svg" /><a href="_downloads/{digest}/card%20one.yaml">card</a>'
    book = assembled(tmp_path, body)
    assert sorted(path.name for path in book.rglob("*.svg")) == ["a.svg"]
    assert sorted(path.name for path in book.rglob("*.yaml")) == ["card one.yaml"]
    assert 'alt="A thing."' in (book / "index.html").read_text()


def test_a_page_is_finished_again_only_where_it_or_a_picture_of_it_changed(tmp_path, monkeypatch):
    done = []
    finish = finishing.finished
    monkeypatch.setattr(
        finishing, "finished", lambda page, path, book: done.append(path.name) or finish(page, path, book)
    )
    book = assembled(tmp_path, "<p>a</p>")
    first = (book / "index.html").read_text()
    again = tmp_path / "again"
    finishing.assemble(tmp_path / "raw", again, tmp_path / "known", {})
    assert done == ["index.html"]
    assert (again / "index.html").read_text() == first
    page = tmp_path / "raw/index.html"
    page.write_text(page.read_text().replace("<p>a</p>", "<p>b</p>"))
    finishing.assemble(tmp_path / "raw", tmp_path / "third", tmp_path / "known", {})
    assert done == ["index.html"] * 2
    assert "<p>b</p>" in (tmp_path / "third/index.html").read_text()


def test_a_style_sheet_keeps_what_pages_and_scripts_may_show():
    css = """@charset "UTF-8"; /* all {of} it */ :root { --a: url("data:image/svg+xml,<svg a='b(c)'/>") }
    .on, .off > a { top: 0 } .off { top: 1 } @media print { .off { top: 2 } #here:not(.off) { top: 3 } }
    @keyframes turn { from { top: 4 } } .sd\\:on { top: 5 } .bs-tooltip-top { top: 6 }
    [data-theme="dark"] p { top: 7 }"""
    assert sheets.lighter(css, {"on", "here", "sd:on", "bs-tooltip-"}) == (
        """@charset "UTF-8";:root{--a: url("data:image/svg+xml,<svg a='b(c)'/>")}.on{top: 0}"""
        "@media print{#here:not(.off){top: 3}}@keyframes turn{from { top: 4 }}.sd\\:on{top: 5}"
        """.bs-tooltip-top{top: 6}[data-theme="dark"] p{top: 7}"""
    )
