"""What is done to a book after Jupyter Book has built it: lighter, readable without seeing, nothing that it lacks.

The theme ships what serves a developer of it, and each page names scripts that this book has no use for.
"""

import functools
import html
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from rrlib.errors import InputError
from rrlib.report import described

# maps to the sources of scripts, translations of a theme that is English here, fonts in an old format
NEEDLESS = (
    "**/*.map",
    "locales",
    "**/*.ttf",
    "webpack-macros.html",
    "sbt-webpack-macros.html",
    "**/*.LICENSE.txt",
)
ICONS = Path("_static", "scripts", "fontawesome.js")
POINT = 4 / 3  # pixels of CSS
LEGIBLE = 0.77  # of its size, at which the smallest words of a figure are 9 pixels high
# a picture of this many pixels and more, not the few of a scale beside a map
PHOTO = re.compile(r"<image [^>]*?base64,[A-Za-z0-9+/=]{1500}")


def finish(book: Path) -> None:
    """Finish the built pages of the folder `book` where they are."""
    static = book / "_static"
    for path in sorted({path for pattern in NEEDLESS for path in static.glob(pattern)}):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for notebook in sorted((book / "_sources").rglob("*.ipynb")):
        notebook.write_text(without_outputs(notebook.read_text(encoding="utf-8")), encoding="utf-8")
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(book.rglob("*.html"))}
    scripts = [path.read_text(encoding="utf-8") for path in static.glob("scripts/*.js") if path.name != ICONS.name]
    static.joinpath("icons.css").write_text(
        icons((book / ICONS).read_text(encoding="utf-8"), [*pages.values(), *scripts])
    )
    (book / ICONS).unlink()
    for page, given in pages.items():
        page.write_text(finished(given, page, book), encoding="utf-8")


def without_outputs(notebook: str) -> str:
    """An executed notebook as one that can be run: its pictures and tables are on the page already.

    >>> without_outputs('{"cells": [{"cell_type": "code", "outputs": ["much"], "execution_count": 3, "source": "1"}]}')
    '{"cells": [{"cell_type": "code", "outputs": [], "execution_count": null, "source": "1"}]}'
    """
    read = json.loads(notebook)
    for cell in read["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(read, ensure_ascii=False)


def icons(script: str, texts: Iterable[str]) -> str:
    """A style sheet with those icons of Font Awesome's script that the texts name, in place of 1.5 MB.

    >>> script = '{bars:[448,512,["navicon"],"f0c9","M0 96h448"],"arrow-up":[384,512,[],"f062","M2 3"]}'
    >>> print(icons(script, ['<i class="fa-solid fa-arrow-up">']).splitlines()[-1])
    .fa-arrow-up{--icon:url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
viewBox='0 0 384 512'%3E%3Cpath d='M2 3'/%3E%3C/svg%3E")}
    """
    named = sorted({name for text in texts for name in re.findall(r"\bfa-([a-z][a-z0-9-]*)", text)})
    rules = [
        "/* Icons: Font Awesome Free, https://fontawesome.com, CC BY 4.0 */",
        ".fa-solid,.fa-regular,.fa-brands{display:inline-block;width:1em;height:1em;vertical-align:-.125em;"
        "background:currentColor;mask:var(--icon) no-repeat center/contain}",
        ".fa-lg{font-size:1.25em}",
    ]
    for name in named:
        shape = re.search(rf'["{{,]{name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]', script)
        if shape:
            head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {shape[1]} {shape[2]}'>"
            drawn = quote(f"{head}<path d='{shape[3]}'/></svg>", safe=" ='/:.-")
            rules.append(f'.fa-{name}{{--icon:url("data:image/svg+xml,{drawn}")}}')
    return "\n".join(rules)


def finished(page: str, path: Path, book: Path) -> str:
    """One page, `path` in the folder `book`: figures described and sized, and only the scripts that it uses."""
    page = re.sub(r'<img alt="([^"]*)" src="([^"]+\.svg)" />', lambda found: _figure(found[2], path, found[1]), page)
    # a word of the glossary has its meaning where book.css shows it to the keyboard too
    page = re.sub(r'(<a class="[^"]*\bterm\b[^"]*" href="[^"]*") title="', r'\1 data-says="', page)
    page = page.replace(
        '<div id="pst-primary-sidebar"', '<div role="region" aria-label="Book" id="pst-primary-sidebar"'
    )
    if "#T_table_row" not in page:  # pandas names each cell for styles, of which there are none
        page = re.sub(r'<td id="T_table_row\d+_col\d+" class="data row\d+ col\d+"', "<td", page)
    page = page.replace('<div role="list" class="citation-list">', '<div class="citation-list">')  # its items are none
    root = "../" * (len(path.relative_to(book).parts) - 1)
    page = re.sub(
        r'<script defer src="[^"]*fontawesome\.js[^"]*"></script>',
        f'<link rel="stylesheet" href="{root}_static/icons.css" />',
        page,
    )
    # a mode that the theme's own script knows; it calls the empty one an error
    page = page.replace('localStorage.getItem("mode") || ""', 'localStorage.getItem("mode") || "auto"')
    if path.name != "search.html":
        page = re.sub(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>', "", page)
    else:
        page = page.replace(
            "</head>", '<script src="_static/passages.js"></script>\n<script src="_static/find.js"></script>\n</head>'
        )
    return re.sub(r"\n\s*\n\s*", "\n", page) if "<pre" not in page else _blank_lines(page)


def _blank_lines(page: str) -> str:
    """Without the empty lines that templates leave, but for those of code."""
    parts = re.split(r"(<pre.*?</pre>)", page, flags=re.DOTALL)
    return "".join(part if part.startswith("<pre") else re.sub(r"\n\s*\n\s*", "\n", part) for part in parts)


def _figure(link: str, page: Path, alt: str) -> str:
    words, size, kind = _about((page.parent / link).resolve())
    alt = alt if alt and not alt.endswith(".svg") else html.escape(words)  # Sphinx takes the file's name
    return f'<img alt="{alt}" src="{link}"{size} class="{kind}" loading="lazy" />'


@functools.cache
def _about(picture: Path) -> tuple[str, str, str]:
    """What an SVG shows, the attributes that say how large it is, and whether it is of photographs."""
    if not picture.is_file():
        raise InputError(f"{picture.name} is absent from the built book; build it again")
    svg = picture.read_text(encoding="utf-8")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    told = ""
    if size:
        width, height = (float(each) * POINT for each in size.groups())
        told = f' width="{width:.0f}" height="{height:.0f}" style="--legible:{LEGIBLE * width:.0f}px"'
    return described.words(svg), told, "photos" if PHOTO.search(svg) else "plot"
