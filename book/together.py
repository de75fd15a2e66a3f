"""A Sphinx extension: which pages are written anew when a few of them were read anew.

A page shows what others say: titles in the side bar, meanings of words, names of what it links to. While none of that
has changed since the last build, a page that changed is written alone; otherwise all are. Sphinx itself rewrites the
page that changed and those that list it, and leaves the others as they were.
"""

import hashlib
from pathlib import Path

from glossed import words
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

NOTE = "told.txt"  # lies with what Sphinx keeps of its reading


def setup(app: Sphinx) -> dict[str, bool]:
    """After all other extensions have settled what they know of the pages."""
    app.connect("env-updated", _anew, priority=900)
    app.connect("build-finished", _keep)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _anew(app: Sphinx, env: BuildEnvironment) -> list[str]:
    note = Path(app.doctreedir, NOTE)
    if not note.is_file() or note.read_text(encoding="utf-8") != told(env):
        return sorted(env.found_docs)
    # the index of search knows the words that a page explains from writing that page alone
    return sorted(page for page, entries in env.domaindata["index"]["entries"].items() if entries)


def told(env: BuildEnvironment) -> str:
    """A digest of all that pages know of each other."""
    std, cited = env.domaindata["std"], env.domaindata["cite"]
    known = [
        sorted((page, title.astext()) for page, title in env.titles.items()),
        *(sorted(std[name].items()) for name in ("labels", "anonlabels", "objects")),
        sorted(words(env).items()),
        sorted((page, sorted(about.get("myst_slugs", {}).items())) for page, about in env.metadata.items()),
        sorted(
            (each.docname, each.citation_ref_id, [target.key for target in each.targets])
            for each in cited["citation_refs"]
        ),
        sorted((each.bibliography_key.docname, each.citation_id, each.key) for each in cited["citations"]),
    ]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _keep(app: Sphinx, failure: Exception | None) -> None:
    if failure is None:
        Path(app.doctreedir, NOTE).write_text(told(app.env), encoding="utf-8")
