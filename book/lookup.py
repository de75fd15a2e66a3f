"""A Sphinx extension: what search shows of a page and finds it by, and the sentence that describes each page.

Sphinx's own search fetches each page that it found, which no browser allows for a book opened from a disk. Here the
first words of each section lie beside the index (`_static/passages.js`).
"""

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.fileutil import copy_asset_file

MEASURED = ("detectors/", "datasets/")
PASSAGE = 300  # characters that search knows of a section
DESCRIPTION = 160  # characters that a search engine shows of a page
SCRIPTS = Path(__file__).parent / "_scripts"  # not _static, all scripts of which each page would load


def setup(app: Sphinx) -> dict[str, bool]:
    """Passages are taken when a page is read, whichever process reads it."""
    app.connect("config-inited", _score)
    app.connect("doctree-read", _take)
    app.connect("html-page-context", _describe, priority=900)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _score(app: Sphinx, config: Config) -> None:
    config.html_search_scorer = str(SCRIPTS / "scorer.js")


def _take(app: Sphinx, doctree: nodes.document) -> None:
    app.env.metadata[app.env.docname]["passages"] = dict(_passages(doctree))


def _passages(doctree: nodes.document) -> Iterator[tuple[str, str]]:
    """The anchor and the first words of each section; the anchor of the first is empty."""
    for number, section in enumerate(doctree.findall(nodes.section)):
        own = [child for child in section.children if not isinstance(child, nodes.section | nodes.title)]
        prose = " ".join(filter(None, (_plain(paragraph) for child in own for paragraph in _paragraphs(child))))
        if prose:
            yield "" if number == 0 else section["ids"][0], _shortened(prose, PASSAGE)


def _kept(page: str, passages: dict[str, str]) -> dict[str, str]:
    """All of a page that explains; of those that measure, which say the same below each heading, how they begin."""
    return passages if not page.startswith(MEASURED) else {name: said for name, said in passages.items() if not name}


def _paragraphs(node: nodes.Node) -> Iterator[nodes.Element]:
    for paragraph in node.findall(nodes.paragraph):
        parents, parent = [], paragraph.parent
        while parent is not None:
            parents.append(parent)
            parent = parent.parent
        if not any(isinstance(each, nodes.table | nodes.caption) for each in parents):
            yield paragraph


def _plain(node: nodes.Element) -> str:
    return " ".join(node.astext().split())


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rsplit(" ", 1)[0].rstrip(",;:–") + "…"


def _describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """The title and the first paragraph that is not the note on drawn data, which every page has."""
    if doctree is None:
        return
    section = next(iter(doctree.findall(nodes.section)), doctree)
    own = (_plain(each) for each in section.findall(nodes.paragraph) if not isinstance(each.parent, nodes.block_quote))
    said = next((text for text in own if re.search(r"\w\w", text)), "")
    title = next((_plain(each) for each in section.findall(nodes.title)), page)
    said = f"{title}: {said}" if said else title
    context["metatags"] += f'<meta name="description" content="{escape(_shortened(said, DESCRIPTION))}" />\n'


def _write(app: Sphinx, failure: Exception | None) -> None:
    if failure is not None or app.builder.format != "html":
        return
    kept = {page: _kept(page, about.get("passages", {})) for page, about in sorted(app.env.metadata.items())}
    static = Path(app.outdir, "_static")
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    static.joinpath("passages.js").write_text(f"window.PASSAGES={text};\n", encoding="utf-8")
    copy_asset_file(str(SCRIPTS / "find.js"), str(static))
