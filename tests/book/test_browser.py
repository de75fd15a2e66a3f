"""The book as a reader has it: opened from a disk, in a browser, on a desk and on a phone, by day and by night."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from rrlib import analysis, study
from rrlib.analysis import intervals, summary

pytestmark = pytest.mark.slow
SHARED = ("_static", "_sources", "_downloads")
# what must come first for these words
DEFINED = ("robust accuracy", "robust ratio", "tolerance", "epsilon", "RA", "RR", "shift", "guardrail", "band")


# --- the files alone


def test_the_book_is_light(book):
    """15 MB at most for the default study, result tables and all; it was 68."""
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) <= 15e6


def test_no_page_weighs_more_than_400_kB_beyond_what_pages_share(book, pages):
    heavy = {}
    for page in pages:
        soup = BeautifulSoup(page.read_text(), "html.parser")
        own = {page, *((page.parent / img["src"]).resolve() for img in soup.find_all("img"))}
        weight = sum(path.stat().st_size for path in own if "_static" not in path.parts)
        if weight > 400e3:
            heavy[str(page.relative_to(book))] = weight
    assert not heavy


def test_the_explorer_ships_its_library_and_data_in_less_than_5_MB(book):
    files = {path.name: path.stat().st_size for path in (book / "_static/explorer").iterdir()}
    assert files["data.js"] < 2e6 + 2**17
    assert sum(files.values()) < 5e6


def test_every_figure_says_what_it_shows(book, pages):
    for page in pages:
        alts = [img.get("alt", "") for img in BeautifulSoup(page.read_text(), "html.parser").select("article img")]
        assert all(len(alt) > 15 and not re.search(r"\.(svg|png)$|^_images", alt) for alt in alts), page


def test_every_page_describes_itself_in_a_sentence_of_its_own(book, pages):
    described = {}
    for page in pages:
        if page.name in ("search.html", "404.html"):
            continue
        found = BeautifulSoup(page.read_text(), "html.parser").find("meta", attrs={"name": "description"})
        assert found is not None, page
        assert 20 <= len(found["content"]) <= 160, page
        described[page] = found["content"]
    prose = [text for page, text in described.items() if page.parent == book]
    assert len(set(prose)) == len(prose)


def test_a_downloaded_notebook_can_be_run_and_holds_no_outputs(book):
    notebooks = list((book / "_sources").rglob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert code
        assert all(cell["outputs"] == [] for cell in code)


def test_the_citation_names_the_authors(book):
    said = BeautifulSoup((book / "references.html").read_text(), "html.parser").find(class_="citation").get_text()
    assert "Zhijin Lyu, Yutong Jin, Sneha Das" in " ".join(said.split())
    assert "@article{lyu2024" in said


# --- in a browser


def test_no_page_has_an_error_a_failed_or_an_external_request(book, pages, visit):
    tab = visit()
    for page in pages:
        shown = tab.to(page)
        assert shown.locator("h1:visible").count() == 1, page
        assert tab.faults == [], page


@pytest.mark.parametrize("word", DEFINED)
def test_search_shows_the_page_that_defines_a_word_first_with_an_excerpt(book, visit, word):
    tab = visit()
    shown = tab.to(book / "search.html", f"?q={word.replace(' ', '+')}")
    first = shown.locator("ul.search > li").first
    first.locator("p.context").wait_for()
    assert first.locator("a").get_attribute("href").startswith(("words.html#term-", "method.html"))
    assert len(first.locator("p.context").inner_text()) > 40
    assert tab.faults == []


def test_a_word_of_the_glossary_is_explained_to_mouse_and_keyboard(book, visit):
    shown = visit().to(book / "method.html")
    term = shown.locator("article a.term").first
    term.focus()
    said = term.evaluate("link => getComputedStyle(link, '::after').content")
    assert len(said) > 30
    assert term.get_attribute("data-says") in said
    target = book / term.get_attribute("href").split("#")[0]
    assert f'id="{term.get_attribute("href").split("#")[1]}"' in target.read_text()


# each takes seconds: by day one page of each make-up, by night and on a phone the most read
BY_DAY = ["index", "explorer", "figure1", "compare", "detectors", "words", "tutorial", "references", "search"]
BY_DAY += ["detector", "fgsm", "pgd", "synthetic"]
BY_NIGHT = ["index", "explorer", "evaluations", "method", "detector"]
SERIOUS = ("serious", "critical")
RULES = {"preload": False, "resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk, day", "phone, night"])
def test_axe_finds_nothing_serious(book, kinds, visit, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    tab = visit(width, dark)
    chosen = [page for page in kinds if page.stem in (BY_NIGHT if dark else BY_DAY)]
    assert len(chosen) > 4
    for page in chosen:
        found = axe.run(tab.to(page), options=RULES).response["violations"]
        told = [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in SERIOUS]
        assert told == [], page


def test_on_a_phone_no_page_is_wider_than_the_screen_and_words_in_figures_can_be_read(book, kinds, visit):
    tab = visit(390)
    for page in kinds:
        shown = tab.to(page)
        assert shown.evaluate("document.documentElement.scrollWidth") <= 391, page
        drawn = "i => i.getBoundingClientRect().width / Number(i.getAttribute('width'))"
        scales = shown.evaluate(f"[...document.querySelectorAll('article img.plot')].map({drawn})")
        assert all(scale > 0.75 for scale in scales), page


def test_what_scrolls_can_be_reached_with_the_keyboard(book, kinds, visit):
    tab = visit(390)
    for page in kinds:
        unreachable = tab.to(page).evaluate(
            "[...document.querySelectorAll('article div')].filter(d => d.scrollWidth > d.clientWidth + 1"
            " && ['auto', 'scroll'].includes(getComputedStyle(d).overflowX) && d.tabIndex !== 0"
            " && !d.querySelector('pre, math')).map(d => d.className)"
        )
        assert unreachable == [], page


def test_the_keyboard_meets_a_link_past_the_side_bar_first_and_focus_is_seen(book, visit):
    shown = visit().to(book / "index.html")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    for _ in range(6):
        shown.keyboard.press("Tab")
        seen = shown.evaluate(
            "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(document.activeElement))"
        )
        assert seen[0] != "none"
        assert seen[1] >= 2


def test_by_night_figures_stand_on_the_pages_own_ground(book, pages, visit):
    tab = visit(dark=True)
    page = next(page for page in pages if page.name == "detector.html")
    shown = tab.to(page)
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
    for image in shown.locator("article img.plot").all():
        look = image.evaluate("i => (s => [s.backgroundColor, s.filter])(getComputedStyle(i))")
        assert look[0] == "rgba(0, 0, 0, 0)"
        assert "invert" in look[1]


def test_pages_print(book, visit):
    shown = visit().to(book / "index.html")
    printed = shown.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000


def test_screenshots_are_kept(root, book, kinds, visit):
    folder = root / "outputs/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [page for page in kinds if page.stem in ("index", "figure1", "explorer", "choose", "detector", "words")]
    for width in (1280, 390):
        for dark in (False, True):
            tab = visit(width, dark)
            for page in chosen:
                name = f"{page.stem}-{width}-{'dark' if dark else 'light'}.png"
                shown = tab.to(page)
                shown.screenshot(path=folder / name)
                assert (folder / name).stat().st_size > 10_000


# --- the explorer


@pytest.fixture(scope="module")
def tables(root):
    """The results of the book's study, by data set."""
    import os

    before = Path.cwd()
    os.chdir(root)
    try:
        halves = study.read_results(study.load())
    finally:
        os.chdir(before)
    return {name: part for half in halves.values() for name, part in half.groupby("dataset", sort=False)}


def views(tables) -> list[dict]:
    """Views of each data set: its usual one, the strongest ε with one attack, the smallest ε with other promises."""
    found = []
    for dataset, table in tables.items():
        epsilons = sorted(table["epsilon"].unique())[1:]
        attacks = list(table["attack"].unique())
        plain = {"dataset": dataset, "detectors": list(table["detector"].unique()), "by": "RR"}
        found += [
            plain | {"epsilon": epsilons[len(epsilons) // 2], "tolerance": 0.1, "budget": 0.05, "confidence": 0.95,
                     "on": "attacked score", "attacks": attacks},
            plain | {"epsilon": epsilons[-1], "tolerance": 0.37, "budget": 0.2, "confidence": 0.8,
                     "on": "clean score", "attacks": attacks[:1]},
            plain | {"epsilon": epsilons[0], "tolerance": 0.01, "budget": 0.3, "confidence": 0.6,
                     "on": "attacked score", "attacks": attacks[-2:]},
        ]  # fmt: skip
    return found


def test_the_explorer_counts_what_pandas_counts(book, tables, visit):
    tab = visit()
    shown = tab.to(book / "explorer.html")
    for view in views(tables):
        rows = {row["name"]: row for row in shown.evaluate("view => Explorer.compute(view)", view)}
        table = tables[view["dataset"]]
        worst = analysis.worst_case(table, view["attacks"])
        bands = analysis.bands(worst, view["epsilon"], view["budget"], view["confidence"])
        bands = bands[bands["on"] == view["on"]].set_index("detector")
        for detector, part in worst.groupby("detector"):
            row = rows[detector]
            at = part[part["epsilon"] == view["epsilon"]]
            groups = at["group"]
            for measure, hits in (("RA", summary.correct(at)), ("RR", (at["shift"] <= view["tolerance"]).to_numpy())):
                low, high, _ = intervals.share_interval(hits, groups, view["confidence"])
                found = row[measure]
                assert found["value"] == hits.mean(), (view, detector, measure)
                assert [found["low"], found["high"]] == pytest.approx([low, high], abs=1e-9), (view, detector, measure)
            assert row["stability"] == pytest.approx(1 - at["shift"].mean(), abs=1e-12)
            over = {each["epsilon"]: each for each in row["over"]}
            for epsilon, each in part.groupby("epsilon"):
                assert over[epsilon]["RR"]["value"] == (each["shift"] <= view["tolerance"]).mean()
                assert over[epsilon]["RA"]["value"] == summary.correct(each).mean()
            band, card = bands.loc[detector], row["card"]
            assert card["verdict"] == band["verdict"], (view, detector)
            if not pd.isna(band["band"]):
                assert card["band"] == pytest.approx(band["band"], abs=1e-12)
                for share in ("decided", "flipped"):
                    found = [card[share][name] for name in ("value", "low", "high")]
                    expected = [band[share], band[f"{share}_low"], band[f"{share}_high"]]
                    assert found == pytest.approx(expected, abs=1e-9), (view, detector)
    assert tab.faults == []


def test_the_quantiles_of_the_explorer_are_those_of_scipy(book, visit):
    from scipy.special import betaincinv, stdtrit

    shown = visit().to(book / "explorer.html")
    cases = [
        (a, b, p) for a in (1e-300, 0.3, 1, 7.5, 200) for b in (0.5, 1, 33, 380) for p in (0.001, 0.025, 0.4, 0.975)
    ]
    found = shown.evaluate("cases => cases.map(([a, b, p]) => Statistics.inverseBeta(a, b, p))", cases)
    assert found == pytest.approx([betaincinv(*case) for case in cases], abs=1e-10)
    quantiles = [(freedom, tail) for freedom in (0.7, 1, 3.2, 63, 383) for tail in (0.0005, 0.025, 0.2)]
    found = shown.evaluate("cases => cases.map(([f, t]) => Statistics.tQuantile(f, t))", quantiles)
    assert found == pytest.approx([stdtrit(*case) for case in quantiles], rel=1e-8)


def test_the_explorer_is_driven_by_the_keyboard_and_keeps_its_view_in_the_address(book, visit):
    tab = visit()
    shown = tab.to(book / "explorer.html")
    before = shown.locator(".explorer-table").inner_text()
    shown.locator("#explorer-tolerance").focus()
    for _ in range(5):
        shown.keyboard.press("ArrowRight")
    shown.locator("#explorer-by").focus()
    shown.keyboard.press("ArrowDown")
    shown.wait_for_function("new URLSearchParams(location.hash.slice(1)).get('by') === 'RA'")
    shown.wait_for_function("before => document.querySelector('.explorer-table').innerText !== before", arg=before)
    address = shown.url
    tolerance = shown.evaluate("Explorer.view().tolerance")
    assert f"tolerance={tolerance}" in address
    again = visit()
    other = again.to(book / "explorer.html", "#" + address.split("#")[1])
    assert other.evaluate("Explorer.view()") == shown.evaluate("Explorer.view()")
    assert other.locator(".explorer-table").inner_text() == shown.locator(".explorer-table").inner_text()
    assert tab.faults + again.faults == []


def test_an_address_that_asks_for_what_is_not_there_shows_the_usual_view(book, visit):
    tab = visit()
    usual = tab.to(book / "explorer.html").evaluate("Explorer.view()")
    odd = visit()
    shown = odd.to(book / "explorer.html", "#dataset=constructor&epsilon=7&tolerance=-1&detectors=nobody&by=toString")
    assert shown.evaluate("Explorer.view()") == usual
    assert odd.faults == []


def test_without_scripts_the_explorer_page_shows_the_studys_own_view(book, visit):
    shown = visit(java_script_enabled=False).to(book / "explorer.html")
    assert shown.locator("article img.plot").first.is_visible()
    assert shown.locator("article table").first.is_visible()
