"""The whole book as one PDF, page after page in the order of its contents: python tools/pdf.py [BOOK] [TARGET].

Needs Chromium on PATH, as `apt-get install chromium` brings it.
"""

import io
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from tqdm import tqdm

from rrlib import files

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MARGIN = {"top": "15mm", "bottom": "15mm", "left": "15mm", "right": "15mm"}


def pages(book: Path) -> list[Path]:
    """The book's pages in the order of its contents: each page's list opens the part that it stands in."""
    from bs4 import BeautifulSoup

    found = [(book / "index.html").resolve()]
    for page in found:  # which grows
        listed = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("nav.bd-links a")
        links = [link["href"] for link in listed if re.fullmatch(r"[^:#]+\.html", link["href"])]
        after = page
        for other in ((page.parent / link).resolve() for link in links):
            if other not in found:
                found.insert(found.index(after) + 1, other)
            after = other
    return found


def write(book: Path, target: Path) -> int:
    """Print every page of `book` into `target`, each with a bookmark of its title; how many sheets there are."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit(f"no browser was found ({', '.join(BROWSERS)}); `apt-get install chromium` brings one")
    if not (book / "index.html").is_file():
        raise SystemExit(f"{book}/index.html is absent; `make` builds the book")
    whole = PdfWriter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path)
        page = browser.new_page()
        for path in tqdm(pages(book), unit="page"):
            page.goto(path.as_uri())
            printed = page.pdf(format="A4", margin=MARGIN, print_background=True)
            title = page.title().rpartition(" — ")[0] or page.title()
            whole.append(PdfReader(io.BytesIO(printed)), outline_item=title)
        browser.close()
    with files.whole(target) as unfinished:
        whole.write(unfinished)
    return len(whole.pages)


if __name__ == "__main__":
    given = [Path(each) for each in sys.argv[1:]]
    place = given[1] if len(given) > 1 else Path("outputs/book.pdf")
    print(f"{place}: {write(given[0] if given else Path('outputs/book'), place)} sheets")
