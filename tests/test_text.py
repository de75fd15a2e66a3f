"""Text of others is text in every place that it is shown in."""

import html
import random
import re

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from rrlib import text
from rrlib.report import figures

# what Jupyter Book reads pages with
EXTENSIONS = {"colon_fence", "dollarmath", "linkify", "substitution", "tasklist"}
PIECES = [
    *("<img src=x onerror=alert(1)>", "<!-- -->", "&lt;", "&", "$", "$$", "$5 \\foo$", "|", "|a|\n|-|\n", "`", "```"),
    *("~~~", "~", "[x](javascript:alert(1))", "![i](u)", "[^1]", "[^1]: x", "[ ] ", "\\", "\\(a\\)", "'", '"', "\n"),
    *("\n\n", "\t", "    ", " ", "# ", "- ", "- [ ] ", "1. ", "1) ", "1", ".", "+ ", "* ", "> ", "% c", "(x)=", "+++"),
    *("---", "===", "--", ":::", "_a_", "**b**", "{cite}`x`", "{{ x }}", "{#id}", "^", "http://e.com", "www.e.com"),
    *("e.com", "a@b.com", "javascript:a", "a", "é", "\r", "\x1b[2J", "\u202e", "\x00", "\udce9"),
]


def hostile(count: int) -> list[str]:
    rng = random.Random(0)
    return [*PIECES, *("".join(rng.choices(PIECES, k=rng.randint(2, 6))) for _ in range(count))]


def seen(rendered: str, tag: str) -> str | None:
    """The text inside one element that holds nothing else; None for anything else."""
    found = re.fullmatch(rf"<{tag}>([^<]*)</{tag}>\n?", rendered)
    return html.unescape(found.group(1)) if found else None


def test_markdown_is_one_paragraph_of_the_text_as_it_stands():
    parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
    for said in filter(text.line, hostile(3000)):
        assert seen(parser.render(text.markdown(said)), "p") == text.line(said), said
        assert seen(parser.render(f"# {text.markdown(said)}"), "h1") == text.line(said), said


def test_a_cell_of_a_markdown_table_is_one_cell():
    parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
    for said in hostile(500):
        rendered = parser.render(f"| a | b |\n|---|---|\n| {text.markdown(said)} | 1 |\n")
        cells = BeautifulSoup(rendered, "html.parser").find_all("td")
        assert [cell.get_text() for cell in cells] == [text.line(said), "1"], said
        assert not any(cell.find() for cell in cells), said


def test_code_is_code_whatever_it_holds():
    parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
    for said in filter(text.line, hostile(1000)):
        page = BeautifulSoup(parser.render(f"Those of {text.code(said)}."), "html.parser")
        assert [code.get_text() for code in page.p.find_all(True)] == [text.line(said)], said
        assert page.get_text().strip() == f"Those of {text.line(said)}.", said


def test_html_is_text_in_an_element_and_in_an_attribute():
    for said in hostile(500):
        page = BeautifulSoup(f'<td title="{text.html(said)}">{text.html(said)}</td>', "html.parser")
        (cell,) = page.find_all("td")
        assert (cell["title"], cell.get_text()) == (text.line(said), text.line(said))
        assert cell.attrs.keys() == {"title"}
        assert not cell.find()


@pytest.mark.parametrize("said", hostile(20))
def test_a_line_is_one_line_that_can_be_printed(said):
    assert text.line(said).isprintable()
    assert text.label(said).isprintable()
    assert len(text.label(said)) <= text.LABEL


def test_figures_know_no_formulas(tmp_path):
    figures.set_style()
    figure, ax = plt.subplots()
    ax.set(title=r"$5 \foo$", xlabel="$x^2$", ylabel="$")
    figures.save(figure, tmp_path / "figure.svg")
    plt.close(figure)
    assert r">$5 \foo$</text>" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
