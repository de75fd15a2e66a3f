"""Names that are markup reach the pages of a built book as the text that they are."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image
from small import FEW

from rrlib import study
from rrlib.analysis import compare, worst_case
from rrlib.report import findings, made, notebooks, pages
from rrlib.sources import catalogue, table

ROOT = Path(__file__).resolve().parents[2]
IMG, FORMULA, LINK = "<img src=x onerror=alert(1)>", r"$5 \foo$", "[x](javascript:alert(1))"
FAMILIES = [IMG, FORMULA, LINK, "`a`|b", "**bold** {{ x }}", "{cite}`none`"]
SOURCE = "faces <img src=x onerror=alert(2)> `$5$ |"
BROKEN = f"{LINK} `b` | $5 \\foo$ <img src=x onerror=alert(3)>.png"


def hostile_study() -> None:
    """Images whose families, folder and file names are markup, one of them broken."""
    rng = np.random.default_rng(0)
    rows = []
    for number, family in enumerate(["", *FAMILIES]):
        for split in ("train", "validation", "test"):
            path = f"{number}{split}{family if number == 1 else ''}.png"
            Path(SOURCE).mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(Path(SOURCE, path))
            rows.append([path, int(number > 0), f"{number}{split}", split, family])
    Path(SOURCE, BROKEN).write_bytes(b"none")
    rows.append([BROKEN, 1, "broken", "train", IMG])
    with open(Path(SOURCE, "manifest.csv"), "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "label", "group", "split", "family"], *rows])
    given = FEW | {"datasets": {"faces": {"kind": "folder", "source": SOURCE, "seed": 0, "on_error": "skip"}}}
    Path("params.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> BeautifulSoup:
    """The page of the data set as Jupyter Book builds it, with every warning an error."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        hostile_study()
        shutil.copytree(ROOT / "notebooks", "notebooks")
        study.prepare_dataset(study.load(), "faces")
        notebooks.execute("dataset", Path("book/index.ipynb"), {"dataset": "faces"})
        for path in (ROOT / "book/_config.yml", ROOT / "book/references.bib", *(ROOT / "book").glob("*.py")):
            shutil.copy(path, "book")
        shutil.copytree(ROOT / "book/_scripts", "book/_scripts")
        Path("book/sources.md").write_text(f"# Sources\n\n{table.markdown([hostile_source()])}", encoding="utf-8")
        Path("book/_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: sources}]\n")
        target = "book/_build/html"
        built = subprocess.run(
            [sys.executable, "-m", "rrlib.report.building", "book", target, str(os.getpid())],
            capture_output=True,
            text=True,
        )
        assert built.returncode == 0, built.stdout + built.stderr
        return BeautifulSoup(
            "".join(Path("book/_build/html", f"{name}.html").read_text("utf-8") for name in ("index", "sources")),
            "html.parser",
        )


def hostile_source() -> catalogue.Source:
    said = {"title": f"{IMG} | {LINK}", "page": "javascript:alert(4)", "licence": FORMULA}
    return catalogue.Source("nasty", "here", kind="data set", media="images", access="form", cite="none", **said)


def test_no_name_becomes_an_element(page):
    assert not page.select("[onerror]")
    assert not page.select('a[href^="javascript"]')
    article = page.select("article")
    assert len(article) == 2
    assert not [math for part in article for math in part.select("math, .math, cite")]


def test_families_head_their_columns_as_they_are(page):
    header = [cell.get_text() for cell in page.find("table").find("tr").find_all("th")]
    assert header == ["split", *sorted(f"fake {family}" for family in FAMILIES), "real", "images", "groups"]


def test_what_was_left_out_is_named_as_it_is(page):
    cells = [cell.get_text() for cell in page.find_all("td")]
    assert BROKEN in cells
    assert any(code.get_text() == SOURCE for code in page.select("blockquote code"))


def test_a_table_of_sources_has_its_columns_whatever_they_hold(page):
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in page.find_all("table")[-1].find_all("tr")]
    name, what, link, _, licence, access = rows[-1]
    assert (name, link, licence, access) == ("nasty", "javascript:alert(4)", FORMULA, "form")
    assert what == f"{IMG} | {LINK} (data set, images)"


def test_numbers_in_a_column_with_text_are_shown_as_elsewhere():
    shown = pages.show(pd.DataFrame({"a": [0.12345, "<b>", None, 7, True], "<i>": 1.0}), missing="–").data
    for cell in (">0.123<", ">&lt;b&gt;<", ">–<", ">7<", ">True<", ">&lt;i&gt;<", ">1.000<"):
        assert cell in shown, cell


def test_a_weights_file_is_code():
    assert made.how_made({"weights": "a`<b>.pth"}, "images").endswith("from ``a`<b>.pth``.")


def test_a_title_is_text():
    notebook = new_notebook(cells=[new_markdown_cell("# {{ detector }}")])
    (cell,) = notebooks.fill(notebook, {"detector": "<script>alert(1)</script>"}).cells
    assert cell.source == r"# \<script\>alert(1)\</script\>"


def test_a_finding_names_detectors_as_they_are(random_results):
    comparison = compare(worst_case(random_results(datasets=(IMG,), detectors=(LINK, "b"))), 0.1)
    comparison["verdict"] = "holds"
    said = findings.finding_of(comparison, 0.1)
    assert IMG not in said
    assert LINK not in said
    assert r"\[x\](javascript\:alert(1))" in said
