"""The catalogue as a Markdown table, for the book and for a person who looks for a name."""

import re
from collections.abc import Iterable

from rrlib import text
from rrlib.sources.catalogue import Source

COLUMNS = ("name", "what", "from", "pinned", "licence", "access")


def markdown(sources: Iterable[Source]) -> str:
    """One row per source, in the catalogue's order; ends with a line break."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *map(_row, sources)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(source: Source) -> tuple[str, ...]:
    what = f"{text.markdown(source.title)} ({source.kind}, {source.media})"
    if source.cite != "none":
        what += f" {{cite}}{text.code(source.cite)}"
    licence = text.markdown(source.licence)
    return text.code(source.name), what, _link(source.page), _pinned(source), licence, source.access


def _link(page: str) -> str:
    """An address as a link; what is none as text."""
    return f"<{page}>" if re.fullmatch(r"https?://[^\s<>|`\\]+", page) else text.markdown(page)


def _pinned(source: Source) -> str:
    if source.hub:
        return "revision" if source.hub.revision else "not yet"
    if source.files:
        return "SHA-256" if all(file.sha256 for file in source.files) else "not yet"
    return "–"
