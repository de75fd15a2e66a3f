"""A built book in a real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small import REPOSITORY

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("log", "info", "debug")


@pytest.fixture(scope="session")
def root(request: pytest.FixtureRequest) -> Path:
    """The folder of a study that has a book: the repository, or a clone with a tiny study."""
    if (REPOSITORY / "outputs/book/explorer.html").is_file() and (REPOSITORY / "outputs/results").is_dir():
        return REPOSITORY
    return request.getfixturevalue("study")


@pytest.fixture(scope="session")
def book(root: Path) -> Path:
    return root / "outputs/book"


@pytest.fixture(scope="session")
def pages(book: Path) -> list[Path]:
    return sorted(path for path in book.rglob("*.html") if path.name != "genindex.html")


@pytest.fixture(scope="session")
def kinds(book: Path, pages: list[Path]) -> list[Path]:
    """One page of each kind: of the pages of detectors, attacks and data sets the first alone."""
    first = {page.parent.parent if "detectors" in page.parts else page.parent: page for page in reversed(pages)}
    evaluations = {page for page in first.values() if page.parent != book}
    detector = next(page for page in pages if page.name == "detector.html")
    return sorted({*(page for page in pages if page.parent == book), *evaluations, detector})


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Chromium (apt-get install chromium) or name one in CHROMIUM")
    with playwright.sync_playwright() as running:
        # as root, as CI runs, Chromium starts without its sandbox alone
        opened = running.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


class Visit:
    """A tab of its own that remembers what went wrong in it."""

    def __init__(self, browser: Any, **options: Any):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", lambda said: said.type in QUIET or self.faults.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"external: {request.url}")

    def to(self, path: Path, after: str = "") -> Any:
        self.page.goto(path.resolve().as_uri() + after, wait_until="load")
        return self.page


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """visit(width=1280, dark=False, …): a `Visit`, closed after the test."""
    visits = []

    def make(width: int = 1280, dark: bool = False, **options: Any) -> Visit:
        size = {"width": width, "height": 844 if width < 500 else 900}
        visits.append(Visit(browser, viewport=size, color_scheme="dark" if dark else "light", **options))
        return visits[-1]

    yield make
    for each in visits:
        each.context.close()
