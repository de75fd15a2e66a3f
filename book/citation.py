"""A Sphinx directive: how to cite the compendium and the paper, from CITATION.cff, which the book's folder has."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def setup(app: Sphinx) -> dict[str, bool]:
    """`{citation}` in a page."""
    app.add_directive("citation", Citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Citation(SphinxDirective):
    """A box with both references in words and as BibTeX."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, "CITATION.cff")
        self.env.note_dependency(str(path))
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
        works = [about, *about.get("references", [])]
        box = nodes.admonition(classes=["citation", "tip"])
        box += nodes.title("", "How to cite")
        said = nodes.bullet_list()
        for work in works:
            said += nodes.list_item("", nodes.paragraph("", "", *_words(work)))
        bibtex = "\n\n".join(map(_bibtex, works))
        box += [said, nodes.literal_block(bibtex, bibtex, language="bibtex")]
        return [box]


def _words(work: dict) -> list[nodes.Node]:
    kind = "software" if "version" in work else "paper"
    ends = f" Version {work['version']}, {work['license']} licence." if kind == "software" else f" {work['year']}. "
    words = [nodes.Text(f"{', '.join(map(_name, work['authors']))}. "), nodes.emphasis("", work["title"])]
    words.append(nodes.Text(f".{ends}"))
    if url := work.get("url") or work.get("repository-code"):
        words.append(nodes.reference("", url.removeprefix("https://"), refuri=url))
    return [*words]


def _name(author: dict) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _bibtex(work: dict) -> str:
    fields = {
        "author": " and ".join(_braced(each) for each in work["authors"]),
        "title": f"{{{work['title']}}}",
        "year": str(work.get("year") or work.get("date-released", "")[:4]),
        "version": str(work.get("version", "")),
        "url": work.get("url") or work.get("repository-code") or "",
    }
    kind, key = ("software", "rrlib") if "version" in work else ("article", "lyu2024")
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _braced(author: dict) -> str:
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
