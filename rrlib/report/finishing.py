"""What is done to a book after Jupyter Book has built it: lighter, readable without seeing, nothing that it lacks.

The theme ships what serves a developer of it, and each page names scripts that this book has no use for.
"""

import base64
import functools
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from rrlib.errors import InputError
from rrlib.report import described, downloads, listing, reference, sheets

# of _static: maps to the sources of scripts, translations of a theme that is English here, fonts in an old format and
# of icons that no page shows, and logos of services that this book does not use
NEEDLESS = (
    "**/*.map",
    "locales",
    "images",
    "**/fa-brands-*",
    "**/fa-regular-*",
    "**/*.ttf",
    "webpack-macros.html",
    "sbt-webpack-macros.html",
    "**/*.LICENSE.txt",
)
# Sphinx's notes to its own next build, which name a folder of this machine
NOTES = (".buildinfo", ".buildinfo.bak")
SCRIPTS = Path("book", "_scripts", "explorer")  # [!dp]: those of this book, and not d3 and Plot, which it ships
ICONS = Path("_static", "scripts", "fontawesome.js")
SAFE = "/:;,.!$()*+-=?@[]_|~'"  # in an address that an attribute holds between quotes
POINT = 4 / 3  # pixels of CSS
LEGIBLE = 0.77  # of its size, at which the smallest words of a figure are 9 pixels high
# a picture of this many pixels and more, not the few of a scale beside a map
PHOTO = re.compile(r"<image [^>]*?base64,[A-Za-z0-9+/=]{1500}")


def assemble(raw: Path, book: Path, known: Path, figures: Mapping[str, downloads.Figures]) -> None:
    """Make the folder `book` of what Jupyter Book built in `raw`, whose files stay as they are.

    known: a folder with the pages that were finished before, which are taken where nothing of them has changed; those
    that are finished now are put there. figures: of a page of the study, by its name, from `downloads.of_notebook`.
    """
    pages = {path.relative_to(raw).as_posix(): path.read_text(encoding="utf-8") for path in sorted(raw.rglob("*.html"))}
    pages = {
        name: downloads.linked(page, figures.get(name, downloads.Figures([])), book / "_images")
        for name, page in pages.items()
        if not name.startswith("_static/")
    }
    for name, page in _finished(pages, raw, known).items():
        _write(book / name, page)
    scripts = [
        path.read_text(encoding="utf-8")
        for path in [*raw.glob("_static/*.js"), *raw.glob("_static/scripts/*.js"), *SCRIPTS.glob("[!dp]*.js")]
        if path.name not in (ICONS.name, "passages.js")
    ]
    names = sheets.names_in(pages.values(), scripts)
    for path in sorted(_taken(raw, pages)):
        place = path.relative_to(raw)
        if place.suffix == ".ipynb":
            _write(book / place, without_outputs(path.read_text(encoding="utf-8")))
        elif place.suffix == ".css":
            _write(book / place, sheets.lighter(path.read_text(encoding="utf-8"), names))
        else:
            book.joinpath(place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, book / place)
    _write(book / "_static/icons.css", icons((raw / ICONS).read_text(encoding="utf-8"), [*pages.values(), *scripts]))


def _finished(pages: Mapping[str, str], raw: Path, known: Path) -> dict[str, str]:
    """Each page as `finished` makes it, or made it before of the same page and pictures."""
    notes = known / "made_of.json"
    before = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    now, done = {}, {}
    for name, page in pages.items():
        pictures = [(raw / name).parent / link for link in re.findall(r' src="([^"]+\.svg)"', page)]
        content = [page.encode(), *(picture.read_bytes() for picture in pictures if picture.is_file())]
        now[name] = hashlib.sha256(b"".join(content)).hexdigest()
        if before.get(name) == now[name]:
            done[name] = (known / name).read_text(encoding="utf-8")
        else:
            done[name] = finished(page, raw / name, raw)
            _write(known / name, done[name])
    _write(notes, json.dumps(now))
    return done


def _taken(raw: Path, pages: Mapping[str, str]) -> Iterator[Path]:
    """The files besides pages that the book has: not those that no page mentions, as of pages as they were before."""
    static = raw / "_static"
    needless = {path for pattern in NEEDLESS for path in static.glob(pattern)} | {raw / ICONS}
    mentioned = {
        name
        for page in pages.values()
        for name in re.findall(r"_(?:images|downloads)/((?:[0-9a-f]{32}/)?[^\"]+)\"", page)
    }
    for path in raw.rglob("*"):
        name = path.relative_to(raw)
        if not path.is_file() or name.as_posix() in pages or name.name in NOTES:
            continue
        if needless.intersection([path, *path.parents]):
            continue
        if name.parts[0] in ("_images", "_downloads"):
            if quote("/".join(name.parts[1:])) not in mentioned:
                continue
        elif name.parts[0] == "_sources":
            page = name.relative_to("_sources").with_suffix("")
            if f"{page.as_posix()}.html" not in pages or _is_made(page.as_posix()):
                continue
        yield path


def _is_made(page: str) -> bool:
    """Whether a page is made of the code of this project, and has no source that one would take away."""
    return page == listing.PAGE or page.split("/")[0] == reference.ROOT


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def without_outputs(notebook: str) -> str:
    """An executed notebook as one that can be run: its pictures and tables are on the page already.

    >>> cell = '{"cell_type": "code", "outputs": ["much"], "execution_count": 3, "source": ["1"], "metadata": {}}'
    >>> without_outputs('{"cells": [' + cell + "]}")
    '{"cells":[{"cell_type":"code","outputs":[],"execution_count":null,"source":"1","metadata":{}}]}'
    """
    read = json.loads(notebook)
    for cell in read["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
        if not cell["metadata"].get("tags", True):
            del cell["metadata"]["tags"]
        cell["source"] = "".join(cell["source"])  # of a list of lines, as the format allows
    return json.dumps(read, ensure_ascii=False, separators=(",", ":"))


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
        ".fa-solid,.fa-regular,.fa-brands,.fas,.far,.fab{display:inline-block;width:1em;height:1em;vertical-align:-.125em;"
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
    page = _plain_tables(page)
    page = re.sub(r'href="data:text/csv;base64,([A-Za-z0-9+/=]+)"', _plain_csv, page)
    # the name of a function may go on in the next line, as book.css has it; the rest of a page is never so marked
    page = re.sub(r'<span class="pre">([^<]*)</span>', r"\1", page)
    page = page.replace('<div role="list" class="citation-list">', '<div class="citation-list">')  # its items are none
    # the list of contents that stands at the side already, for print
    page = re.sub(r'<div id="print-main-content">.*?</nav>\s*</div>\s*</div>', "", page, flags=re.DOTALL)
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
    if _is_made(path.relative_to(book).with_suffix("").as_posix()):
        page = re.sub(r'<li><a href="[^"]*_sources/[^"]*".*?</li>', "", page, flags=re.DOTALL)
    # its name has a digest already; Sphinx adds another one from its second build on
    page = re.sub(r"(/mystnb\.[0-9a-f]+\.css)\?v=[0-9a-f]+", r"\1", page)
    return _dense(page)


def _plain_tables(page: str) -> str:
    """Without the names that pandas gives to each cell, for styles, of which there are none."""
    page = re.sub(r'<style type="text/css">\s*</style>\s*', "", page)
    if "#T_table_" in page:
        return page
    page = re.sub(
        r'(<t[hd])(?: id="T_table_[^"]*")?(?: class="(?:data|col_heading|row_heading|blank) [^"]*")?', r"\1", page
    )
    page = re.sub(r"<(t[hd])\s+>", r"<\1>", page)
    page = re.sub(r"\s*\n\s*(?=</?(?:table|thead|tbody|tr|th|td)\b)", "", page)
    return re.sub(r'<table id="T_table"', "<table", page)


def _plain_csv(found: re.Match[str]) -> str:
    """A table that its link holds, with its signs as they are: a quarter less than in base 64."""
    held = base64.b64decode(found[1]).decode()
    return f'href="data:text/csv;charset=utf-8,{quote(held, safe=SAFE)}"'


def _dense(page: str) -> str:
    """Without the comments, indents and empty lines that templates leave, but for those of code."""
    parts = re.split(r"(<pre.*?</pre>|<script.*?</script>|<textarea.*?</textarea>)", page, flags=re.DOTALL)
    return "".join(
        part if number % 2 else re.sub(r"\s*\n\s*", "\n", re.sub(r"<!--.*?-->", "", part, flags=re.DOTALL))
        for number, part in enumerate(parts)
    )


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
