"""Tables and figures as a page shows them: each with a caption, with what made it, and with files to take away.

Whatever stands on a page of the study is made by one stage from tables whose hashes are known; the line below it says
which, and gives the command. Commits and dates stand nowhere here: equal tables give equal bytes.
"""

import base64
import hashlib
import html
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure

from rrlib import study, text
from rrlib.report import described, downloads, figures, notebooks, pages, provenance
from rrlib.study import paths

STAGES = {"evaluation": "pages", "detector": "pages", "dataset": "dataset-page", "damage": "damage-page"}
STAGES |= {"transfer": "transfer-page"}  # the others are called as their notebooks
DIGITS = 12  # of a SHA-256


@dataclass(frozen=True)
class Page:
    """A page of the study: its notebook in notebooks/, its parameters, and the tables that its numbers come from."""

    found: study.Study
    notebook: str
    inputs: tuple[Path, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)  # those that its stage gives it
    drawn: list[Figure] = field(default_factory=list, init=False, compare=False)  # so far, for the PDF of the page

    @property
    def stage(self) -> str:
        """The stage of dvc.yaml that makes this page.

        >>> Page(study.load(), "index", ()).stage
        'index'
        """
        name = STAGES.get(self.notebook, self.notebook)
        dataset, detector = self.parameters.get("dataset"), self.parameters.get("detector")
        if dataset is None:
            return name
        video = "-video" if dataset in self.found.video.datasets else ""
        return f"{name}{video}@{dataset}" + (f"-{detector}" if detector else "")

    @property
    def command(self) -> str:
        """What makes the page again, and with it every number on it, from tables that are there."""
        return f"dvc repro --force --single-item {shlex.quote(self.stage)}"

    @property
    def depth(self) -> int:
        """How many folders deep the page lies in the book."""
        return {"dataset": 1, "detector": 3, "evaluation": 3}.get(self.notebook, 0)

    def table(
        self, frame: pd.DataFrame, name: str, caption: str = "", filters: str = "", most: int = 1000, **shown: str
    ) -> HTML:
        """A table with its caption and what made it; `name` is that of the CSV file, `shown` goes to `pages.show`.

        most: rows that the page shows; the CSV file holds all.
        filters: what menus tables.js gives it: "name=column" or "name=column,column=chosen", separated by semicolons.
        """
        if frame.empty:
            return pages.show(frame, **shown)
        held = str(pages.show(frame.head(most), **shown).data)
        if len(frame) > most:
            caption += f" The first {most} of {len(frame)} rows; the CSV file holds all."
        if filters:
            held = f'<div data-filter="{text.html(filters)}">{held}</div>'
        return self.around(held, frame, name, caption)

    def around(self, held: str, frame: pd.DataFrame, name: str, caption: str) -> HTML:
        """HTML that shows a table in its own way, with what `table` puts around one; `frame` becomes the CSV file."""
        said = f'<p class="caption">{text.html(caption)}</p>' if caption else ""
        made = self._made([_csv(frame, name), *self._tables()])
        # the class of the book's style sheet for what scrolls by itself
        return HTML(f'<div class="exhibit">{said}<div class="pst-scrollable-table-container">{held}</div>{made}</div>')

    def figure(self, drawn: Figure, caption: str, photographs: bool = False) -> None:
        """Display a figure with a caption and what made it; then close it. Its alternative text is of what it draws.

        photographs: it shows samples, which a PDF would hold as the same pixels in ten times the bytes: SVG alone.
        """
        self.figures({"": drawn}, caption, photographs)

    def figures(self, panels: Mapping[str, Figure], caption: str, photographs: bool = False) -> None:
        """Display panels beside or, on a narrow screen, below each other, with one caption."""
        for title, drawn in panels.items():
            words = described.described(drawn) or caption
            svg = described.titled(figures.rendered(drawn, "svg").decode(), words)
            drawn.set_layout_engine("none")  # the PDF has the same places, which are not to be found a second time
            alt = words if words.startswith(title) else f"{title}. {words}"
            display({notebooks.SVG: svg}, raw=True, metadata={notebooks.SVG: {"alt": alt}})
            plt.close(drawn)
        links = [_take("SVG", [f'data-svg="{back}" download' for back in range(len(panels), 0, -1)])]
        if not photographs:
            first = len(self.drawn) + 1
            self.drawn.extend(panels.values())
            links.append(_take("PDF", [f'data-pdf="{first + number}"' for number in range(len(panels))]))
        made = self._made([*links, *self._tables()])
        display(HTML(f'<div class="exhibit"><p class="caption">{text.html(caption)}</p>{made}</div>'))

    def closing(self, parameters: Mapping[str, object], inputs: Iterable[Path] = ()) -> None:
        """Display the end of a page, and leave the PDF of all its figures, in which each font lies once."""
        bundle = {"text/html": self.ending(parameters, inputs)}
        if self.drawn:
            bundle[notebooks.PDF] = base64.b64encode(figures.sheets(self.drawn)).decode()
        display(bundle, raw=True)

    def ending(self, parameters: Mapping[str, object], inputs: Iterable[Path] = ()) -> str:
        """The HTML of the commands, the parameters, inputs and versions, and the code, each one click away."""
        record = provenance.record(dict.fromkeys([*self.inputs, *inputs]), parameters)
        again = ["python -m rrlib notebook", self.notebook, "page.ipynb"]
        again += [shlex.quote(f"{name}={value}") for name, value in self.parameters.items()]
        return (
            f"<p>Stage <code>{text.html(self.stage)}</code> of <code>dvc.yaml</code>. This makes the page again, in "
            f"its place:</p>{_block(self.command)}<p>This makes it as a notebook beside the study, also with other "
            f"parameters:</p>{_block(' '.join(again))}"
            f"<details><summary>Parameters, inputs and versions</summary>{pages.show(record).data}</details>"
            f'<p><a href="{"../" * self.depth}code.html#{self.notebook}">The code of this page</a></p>'
        )

    def _made(self, links: Sequence[str]) -> str:
        inputs = "".join(
            f"<li><code>{text.html(path)}</code>, SHA-256 <code>{digest}…</code></li>"
            for path, digest in self._hashes()
        )
        return (
            '<div class="made"><details><summary>How this was made</summary>'
            f"<p>By the stage <code>{text.html(self.stage)}</code>. Run again by</p>{_block(self.command)}"
            f"<p>From</p><ul>{inputs}</ul></details>{''.join(links)}</div>"
        )

    def _hashes(self) -> list[tuple[Path, str]]:
        return [(path, _digest(path, path.stat().st_mtime_ns)) for path in self.inputs if path.is_file()]

    def _tables(self) -> list[str]:
        """Links to the result tables, for as many as are few. Those of one cell lie in the file of all in the book.

        What was recorded lies in the repository, and not once more in the book.
        """
        made = [path for path in self.inputs if path.is_relative_to(paths.OUTPUTS)]
        there = [path for path in made if path.suffix == ".parquet" and path.is_file()]
        of_cells = [path for path in there if path.is_relative_to(paths.TABLES)]
        links = {self._shared(path): "Parquet, all tables" for path in of_cells}
        links |= {
            path: f"Parquet ({path.stem})" if len(there) > 1 else "Parquet" for path in there if path not in of_cells
        }
        if len(links) > 2:
            return []
        up = "../" * self.depth
        return [
            f'<a href="{text.html(up + downloads.in_book(path))}" download>{text.html(said)}</a>'
            for path, said in links.items()
        ]

    def _shared(self, table: Path) -> Path:
        dataset = table.relative_to(paths.TABLES).parts[0]
        return paths.results_path("video" if dataset in self.found.video.datasets else "image")


def for_print(drawn: Figure, place: Path) -> None:
    """Write a figure as SVG and as PDF, in its exact size, to `place` with these suffixes; then close it."""
    for suffix in (".svg", ".pdf"):
        figures.save(drawn, place.with_suffix(suffix))
    plt.close(drawn)


def _csv(frame: pd.DataFrame, name: str) -> str:
    """A link that holds the table itself, so that it works from a file, too."""
    written = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    held = base64.b64encode(written.encode()).decode()
    return f'<a href="data:text/csv;base64,{held}" download="{text.html(name)}.csv">CSV</a>'


def _take(form: str, targets: Sequence[str]) -> str:
    """Links to the files of figures; `downloads` gives them addresses, as the book names the files."""
    if len(targets) == 1:
        return f'<a class="take" {targets[0]}>{form}</a>'
    links = (f'<a class="take" {target}>{number}</a>' for number, target in enumerate(targets, start=1))
    return f"<span>{form} of panel {' '.join(links)}</span>"


@cache
def _digest(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]


def _block(said: str) -> str:
    """Code as a block; `html.escape` alone, as `text.html` would make one line of it."""
    return f"<pre><code>{html.escape(said)}</code></pre>"
