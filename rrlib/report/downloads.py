"""What a reader can take away from the built book: figures as SVG and PDF, tables as Parquet. Alt texts come along."""

import base64
import html
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from rrlib.report import notebooks
from rrlib.study import paths

FIGURES = paths.OUTPUTS / "figures"  # for print
TABLES = "tables"  # the folder of the book in which the result tables lie, as they lie in outputs/
FOUND = re.compile(
    r'<img alt="[^"]*"(?P<before>[^>]*?) src="(?P<stem>[^"]*_images/(?P<name>[0-9a-f]{64}))\.svg"(?P<after>[^>]*)>'
    r'|<a class="take" data-form="(?P<form>svg|pdf)" data-back="(?P<back>\d+)" download>'
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


def of_notebook(notebook: dict) -> list[tuple[str, str | None]]:
    """Alternative text and PDF, in base64, of each SVG of an executed notebook in its order."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return [
        (output.get("metadata", {}).get(notebooks.SVG, {}).get("alt", ""), output["data"].get(notebooks.PDF))
        for output in outputs
        if notebooks.SVG in output.get("data", {})
    ]


def linked(page: str, figures: list[tuple[str, str | None]], folder: Path) -> str:
    """The HTML of a page with alternative texts and addresses of its figures; their PDF are written into `folder`.

    figures: from `of_notebook` of the page's notebook. A link names its figure by how many figures back it is.
    """
    rest = iter(figures)
    seen: list[str] = []

    def put(found: re.Match[str]) -> str:
        if form := found["form"]:
            return f'<a href="{seen[-int(found["back"])]}.{form}" download>'
        alt, pdf = next(rest, ("", None))
        seen.append(found["stem"])
        if pdf is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{found['name']}.pdf").write_bytes(base64.b64decode(pdf))
        return f'<img alt="{html.escape(alt)}"{found["before"]} src="{found["stem"]}.svg"{found["after"]}>'

    return FOUND.sub(put, page)
