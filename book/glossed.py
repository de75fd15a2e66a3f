"""A Sphinx extension: on each page, the first mention of a word of the glossary leads there and says what it means."""

import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# what stands in these is no running text, or leads elsewhere already
CLOSED = (
    nodes.title,
    nodes.reference,
    nodes.literal,
    nodes.table,
    nodes.caption,
    nodes.footnote,
    nodes.raw,
    nodes.term,
)
PLACES = (nodes.paragraph,)


class Word(NamedTuple):
    """Where a word is explained, and how."""

    page: str
    anchor: str
    said: str


def setup(app: Sphinx) -> dict[str, bool]:
    """Words are known once all pages are read."""
    known: dict[str, Word] = {}
    app.connect("env-updated", lambda app, env: known.update(words(env)))
    app.connect("doctree-resolved", lambda app, doctree, page: _mark(app, doctree, page, known))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def words(env: BuildEnvironment) -> dict[str, Word]:
    """Each word in lower case, unless it is a symbol."""
    objects = env.domaindata["std"]["objects"]
    pages = sorted({page for (kind, _), (page, _) in objects.items() if kind == "term"})
    return dict(pair for page in pages for pair in _explained(env, page))


@functools.cache
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    """Finds the names, the longest first."""
    listed = "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name)))) or "(?!)"
    return re.compile(rf"(?<![\w-])({listed})(?![\w-])", re.IGNORECASE)


def _explained(env: BuildEnvironment, page: str) -> Iterator[tuple[str, Word]]:
    for listed in env.get_doctree(page).findall(glossary):
        for item in listed.findall(nodes.definition_list_item):
            said = " ".join(next(item.findall(nodes.definition)).astext().split())
            sentence = re.split(r"(?<=[.;]) (?=[A-Z])", said)[0]
            for term in item.findall(nodes.term):
                name = term.astext()
                yield _key(name), Word(page, term["ids"][0], sentence)


def _key(name: str) -> str:
    return name if _symbol(name) else name.lower()


def _symbol(name: str) -> bool:
    """RA, RR, ε: what is written in one way only."""
    return len(name) <= 2 or name.isupper()


def _mark(app: Sphinx, doctree: nodes.document, page: str, known: dict[str, Word]) -> None:
    pattern = _pattern(frozenset(known))
    done: set[tuple[str, str]] = set()
    for text in [text for place in doctree.findall(_is_place) for text in place.findall(nodes.Text)]:
        if not _open(text) or not (new := list(_linked(app, text.astext(), page, pattern, known, done))):
            continue
        text.parent.replace(text, new)


def _is_place(node: nodes.Node) -> bool:
    return isinstance(node, PLACES)


def _open(node: nodes.Node) -> bool:
    parent: Any = node.parent
    while parent is not None:
        if isinstance(parent, CLOSED):
            return False
        parent = parent.parent
    return True


def _linked(
    app: Sphinx, said: str, page: str, pattern: re.Pattern[str], known: dict[str, Word], done: set[tuple[str, str]]
) -> Iterator[nodes.Node]:
    """The text in pieces; none if it mentions no new word."""
    at = 0
    for found in pattern.finditer(said):
        name = found[0]
        word = known.get(name) or (None if _symbol(name) else known.get(name.lower()))
        if word is None or word.page == page or (word.page, word.anchor) in done:
            continue
        done.add((word.page, word.anchor))
        link = f"{app.builder.get_relative_uri(page, word.page)}#{word.anchor}"
        yield nodes.Text(said[at : found.start()])
        yield nodes.reference("", name, internal=True, refuri=link, reftitle=word.said, classes=["term"])
        at = found.end()
    if at:
        yield nodes.Text(said[at:])
