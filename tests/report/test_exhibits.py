"""A table or a figure on a page says what made it, and can be taken away."""

import base64
import hashlib
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from pypdf import PdfReader

from rrlib import study
from rrlib.report import downloads, exhibits, figures, listing
from rrlib.report.notebooks import PDF, SVG
from rrlib.study import paths

ROOT = Path(__file__).resolve().parents[2]
FRAME = pd.DataFrame({"detector": ["a", "<b>"], "RA": [0.123456789, 1.0]})


@pytest.fixture(scope="module")
def found():
    return study.load()


@pytest.fixture
def page(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (Path("outputs/tables/d/f/pgd.parquet"), Path("notebooks/evaluation.ipynb")):
        path.parent.mkdir(parents=True)
    Path("outputs/tables/d/f/pgd.parquet").write_bytes(b"table")
    Path("notebooks/evaluation.ipynb").write_bytes((ROOT / "notebooks/evaluation.ipynb").read_bytes())
    names = {"dataset": "d", "detector": "f", "attack": "pgd"}
    return exhibits.Page(found, "evaluation", (Path("outputs/tables/d/f/pgd.parquet"),), names)


def test_every_notebook_has_a_stage_that_exists(found):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        names = {"dataset": "d", "detector": "f"} if notebook.stem in ("detector", "evaluation") else {}
        names = {"dataset": "d"} if notebook.stem == "dataset" else names
        stage = exhibits.Page(found, notebook.stem, (), names).stage
        assert f"notebooks/{notebook.name}" in stages[stage.split("@")[0]]["deps"]


def test_the_stage_of_a_page_of_clips_is_that_of_video(found):
    (dataset, *_) = found.video.datasets
    (detector, *_) = found.video.detectors
    page = exhibits.Page(found, "evaluation", (), {"dataset": dataset, "detector": detector, "attack": "pgd"})
    assert page.stage == f"pages-video@{dataset}-{detector}"
    assert page.command == f"dvc repro --force --single-item pages-video@{dataset}-{detector}"


def test_below_a_table_stand_its_stage_its_command_the_hash_of_its_source_and_its_files(page):
    html = BeautifulSoup(page.table(FRAME, "shares", "What is <left>.").data, "html.parser")
    assert html.select_one(".caption").get_text() == "What is <left>."
    made = html.select_one(".made")
    assert made.select_one("pre").get_text() == "dvc repro --force --single-item pages@d-f"
    digest = hashlib.sha256(b"table").hexdigest()[:12]
    assert made.select_one("li").get_text() == f"outputs/tables/d/f/pgd.parquet, SHA-256 {digest}…"
    csv, parquet = made.select("a")
    assert csv["download"] == "shares.csv"
    held = pd.read_csv(io.BytesIO(base64.b64decode(csv["href"].partition(",")[2])))
    assert held["RA"].tolist() == [0.123457, 1.0]
    assert held["detector"].tolist() == ["a", "<b>"]
    assert parquet["href"] == "../../../" + downloads.in_book(paths.results_path("image"))
    assert parquet.get_text() == "Parquet, all tables"


def test_of_a_table_that_was_recorded_the_book_holds_no_second_copy(found, page):
    Path("data/recorded").mkdir(parents=True)
    Path("data/recorded/results.parquet").write_bytes(b"table")
    recorded = exhibits.Page(found, "faces", (Path("data/recorded/results.parquet"),))
    html = BeautifulSoup(recorded.table(FRAME, "shares", "Shares.").data, "html.parser")
    assert [link.get_text() for link in html.select(".made a")] == ["CSV"]
    assert html.select_one(".made li").get_text().startswith("data/recorded/results.parquet, SHA-256 ")


def test_of_a_long_table_the_page_shows_the_first_rows_and_the_file_holds_all(page):
    html = BeautifulSoup(page.table(FRAME, "shares", "Shares.", most=1).data, "html.parser")
    assert len(html.select("tbody tr")) == 1
    assert html.select_one(".caption").get_text() == "Shares. The first 1 of 2 rows; the CSV file holds all."
    assert len(base64.b64decode(html.select_one(".made a")["href"].partition(",")[2]).splitlines()) == 3


def test_an_empty_table_is_a_word(page):
    assert page.table(FRAME.head(0), "none", empty="Nowhere.").data == "<p>Nowhere.</p>"


def test_a_figure_is_told_in_words_for_who_cannot_see_it_and_is_closed(page, monkeypatch):
    shown = []
    monkeypatch.setattr(exhibits, "display", lambda *what, **more: shown.append((what, more)))
    figures.set_style()
    panels = {"left": plt.figure(), "right": plt.figure()}
    panels["left"].add_subplot(xlabel="ε", ylabel="RA").plot([0, 0.5, 1], [1, 0.75, 0.5], label="meso4")
    page.figures(panels, "What it shows.")
    page.figure(plt.figure(figsize=(2, 1)), "One more.")
    page.figure(plt.figure(), "Samples.", photographs=True)
    assert plt.get_fignums() == []
    *panels, ((line,), _), _, ((single,), _), _, ((samples,), _) = shown
    assert [link.get_text() for link in BeautifulSoup(samples.data, "html.parser").select("a.take")] == ["SVG"]
    for title, ((bundle,), more) in zip(("left", "right"), panels, strict=True):
        assert bundle[SVG].lstrip().startswith("<?xml")
        words = "RA over ε. meso4: 1 at 0, 0.75 at 0.5, 0.5 at 1." if title == "left" else "What it shows."
        assert more["metadata"][SVG]["alt"] == f"{title}. {words}"
    of = [[link.attrs for link in BeautifulSoup(each.data, "html.parser").select("a.take")] for each in (line, single)]
    back, sheet = [[link.get(name) for link in of[0]] for name in ("data-svg", "data-pdf")]
    assert back == ["2", "1", None, None]
    assert sheet == [None, None, "1", "2"]
    assert [link.get("data-svg") or link["data-pdf"] for link in of[1]] == ["1", "3"]

    shown.clear()
    page.closing({})
    [((bundle,), _)] = shown
    printed = PdfReader(io.BytesIO(base64.b64decode(bundle[PDF])))
    assert len(printed.pages) == 3
    assert printed.pages[2].mediabox[2:] == [144, 72]  # points: each sheet is as large as its figure


def test_the_end_of_a_page_leads_to_its_code_and_holds_the_command_with_its_parameters(page):
    html = BeautifulSoup(page.ending({"seed": 0}), "html.parser")
    again, notebook, *_ = (block.get_text() for block in html.select("pre"))
    assert again == page.command
    assert notebook == "python -m rrlib notebook evaluation page.ipynb dataset=d detector=f attack=pgd"
    (record,) = html.select("details")
    assert "seed" in record.get_text()
    (code,) = html.select("a")
    assert code["href"] == "../../../code.html#evaluation"
    assert "\n## evaluation\n" in (made := listing.markdown())
    assert "the_study = study.load()" in made


def test_equal_pages_are_equal_bytes(page):
    assert page.table(FRAME, "x").data == page.table(FRAME, "x").data
    assert page.ending({}) == page.ending({})


@pytest.mark.parametrize("notebook", sorted(Path("notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_page_ends_with_what_made_it_in_sight_and_its_code_elsewhere(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert "page.closing(" in "".join(cells[-1]["source"])
    assert cells[-1]["metadata"]["tags"] == ["remove-input"]
    for cell in cells:
        assert not {"hide-cell", "hide-input"} & set(cell["metadata"].get("tags", []))
        assert "pages.show(" not in "".join(cell["source"]), "a table without its command and its CSV file"
