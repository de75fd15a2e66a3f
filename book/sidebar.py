"""A Sphinx extension: the list of pages in the side bar, with the branch of the page at hand open.

The theme's own resolves the whole tree of contents for each page, a third of the time of a build, and writes all of it
into each page, with arrows that have no name.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """After the theme has put its own function into the page's context."""
    app.connect("html-page-context", _replace, priority=900)
    # Jupyter Book sets it, for an extension that this book leaves out
    app.add_config_value("comments_config", {}, "")
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _replace(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    themes: Callable[..., Any] = context["generate_toctree_html"]
    context["generate_toctree_html"] = lambda kind, **options: (
        _parts(app, page) if kind == "sidebar" else themes(kind, **options)
    )


def _parts(app: Sphinx, page: str) -> str:
    site = app.config.external_site_map
    parts = []
    for subtree in site.root.subtrees:
        # a paragraph and no heading: the page's own begin with its title
        caption = f'<p class="caption"><span class="caption-text">{escape(subtree.caption or "")}</span></p>'
        parts.append(caption + _list(app, page, subtree.items, depth=1))
    return "\n".join(parts)


def _list(app: Sphinx, page: str, items: Sequence[str], depth: int) -> str:
    lines = [_item(app, page, str(item), depth) for item in items]
    kind = ' class="nav bd-sidenav"' if depth == 1 else ""
    return f"<ul{kind}>\n" + "\n".join(lines) + "\n</ul>"


def _item(app: Sphinx, page: str, item: str, depth: int) -> str:
    below = [str(each) for subtree in app.config.external_site_map[item].subtrees for each in subtree.items]
    here = item == page
    on_the_way = here or _leads_to(app, below, page)
    title = escape(app.env.titles[item].astext())
    link = escape(app.builder.get_relative_uri(page, item)) if not here else "#"
    current = ' aria-current="page"' if here else ""
    opened = "\n" + _list(app, page, below, depth + 1) if below and on_the_way else ""
    kind = ' class="current active"' if on_the_way else ""
    kind_of_link = ' class="current"' if on_the_way else ""
    return f'<li{kind}><a{kind_of_link} href="{link}"{current}>{title}</a>{opened}</li>'


def _leads_to(app: Sphinx, items: Sequence[str], page: str) -> bool:
    for item in items:
        below = [str(each) for subtree in app.config.external_site_map[item].subtrees for each in subtree.items]
        if item == page or _leads_to(app, below, page):
            return True
    return False
