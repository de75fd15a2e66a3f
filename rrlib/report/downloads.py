"""What a reader can take away from the built book: figures as SVG and PDF, tables as Parquet. Alt texts come along."""

import base64
import hashlib
import html
import posixpath
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rrlib.report import notebooks
from rrlib.study import paths

FIGURES = paths.OUTPUTS / "figures"  # for print
TABLES = "tables"  # the folder of the book in which the result tables lie, as they lie in outputs/
FOUND = re.compile(
    r'<img alt="[^"]*"(?P<before>[^>]*?) src="(?P<stem>[^"]*_images/[0-9a-f]{64})\.svg"(?P<after>[^>]*)>'
    r'|<a class="take" data-svg="(?P<back>\d+)" download>'
    r'|<a class="take" data-pdf="(?P<sheet>\d+)">'
)


def take(tables: Iterable[Path], built: Path) -> None:
    """Put result tables, files below outputs/, into the book `built`."""
    for table in tables:
        copy = built / in_book(table)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(table, copy)


def in_book(table: Path) -> str:
    """Where a table of outputs/ lies in the book.

    >>> in_book(Path("outputs/results/image.parquet"))
    'tables/results/image.parquet'
    """
    return f"{TABLES}/{Path(table).relative_to(paths.OUTPUTS).as_posix()}"


@dataclass(frozen=True)
class Figures:
    """What the figures of a page are in words, in its order, and one PDF of them all, a sheet for each."""

    alts: list[str]
    pdf: bytes = b""


def of_notebook(notebook: dict) -> Figures:
    """The figures of an executed notebook; without a PDF where it has none."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    drawn = [output for output in outputs if notebooks.SVG in output.get("data", {})]
    sheets = [output["data"][notebooks.PDF] for output in outputs if notebooks.PDF in output.get("data", {})]
    alts = [output.get("metadata", {}).get(notebooks.SVG, {}).get("alt", "") for output in drawn]
    return Figures(alts, base64.b64decode(sheets[-1]) if sheets else b"")


def linked(page: str, figures: Figures, folder: Path) -> str:
    """The HTML of a page with alternative texts and addresses of its figures; their PDF is written into `folder`.

    A link to an SVG names its figure by how many figures back it is, one to the PDF by its sheet.
    """
    alts = iter(figures.alts)
    seen: list[str] = []
    printed = f"{hashlib.sha256(figures.pdf).hexdigest()}.pdf"
    if figures.pdf:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / printed).write_bytes(figures.pdf)

    def put(found: re.Match[str]) -> str:
        if back := found["back"]:
            return f'<a href="{seen[-int(back)]}.svg" download>'
        if sheet := found["sheet"]:
            return f'<a href="{posixpath.dirname(seen[-1])}/{printed}#page={sheet}">'
        alt = next(alts, "")
        seen.append(found["stem"])
        return f'<img alt="{html.escape(alt)}"{found["before"]} src="{found["stem"]}.svg"{found["after"]}>'

    return FOUND.sub(put, page)
