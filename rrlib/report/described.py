"""What a figure shows, in words, from the data drawn in it: the text for who cannot see it."""

import html
import re
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

LINES = 8  # of one pair of axes that are told of
LONGEST = 1200  # characters


def described(figure: Figure) -> str:
    """Plain sentences: what is drawn over what, and of each named line its first, middle and last value.

    >>> figure = Figure()
    >>> ax = figure.subplots()
    >>> _ = ax.plot([0, 0.5, 1], [1.0, 0.75, 0.25], label="meso4")
    >>> _ = ax.set(xlabel="ε", ylabel="RA ↑")
    >>> described(figure)
    'RA over ε. meso4: 1 at 0, 0.75 at 0.5, 0.25 at 1.'
    """
    parts: list[str] = []
    drawn = [ax for ax in figure.axes if not hasattr(ax, "_colorbar") and ax.axison]
    scales = [_plain(ax.get_ylabel() or ax.get_xlabel()) for ax in figure.axes if hasattr(ax, "_colorbar")]
    pictures = [ax for ax in drawn if ax.images and not len(ax.get_xticks())]
    if pictures:
        rows = ", ".join(dict.fromkeys(name for ax in pictures if (name := _plain(ax.get_ylabel()))))
        titles = "; ".join(dict.fromkeys(name for ax in pictures if (name := _plain(ax.get_title()))))
        parts.append(f"{len(pictures)} pictures{f' in rows: {rows}' if rows else ''}.")
        parts += [f"Titles: {titles}."] if titles else []
    parts += [part for ax in drawn if ax not in pictures for part in _axes(ax, scales)]
    title = _plain(figure.get_suptitle())
    said = " ".join(dict.fromkeys([f"{title}." if title else "", *parts])).strip()
    return said if len(said) <= LONGEST else said[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def titled(svg: str, said: str) -> str:
    """The SVG with the words in it, as its `desc`.

    >>> titled("<svg><g/></svg>", "RA < 1.")
    '<svg><desc>RA &lt; 1.</desc><g/></svg>'
    """
    return re.sub(r"(<svg[^>]*>)", lambda found: f"{found[1]}<desc>{html.escape(said)}</desc>", svg, count=1)


def words(svg: str) -> str:
    """What `titled` wrote into an SVG; of another's SVG its texts, as they stand in it."""
    if found := re.search(r"<desc>(.*?)</desc>", svg, flags=re.DOTALL):
        return html.unescape(found[1])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>|<!-- (.*?) -->", svg)
    told = [text for pair in texts if (text := html.unescape("".join(pair)).strip()) and not _is_number(text)]
    return f"Figure with the words: {', '.join(dict.fromkeys(told))}." if told else "Figure without words."


def _axes(ax: Axes, scales: list[str]) -> Iterator[str]:
    title, x, y = _plain(ax.get_title()), _plain(ax.get_xlabel()), _plain(ax.get_ylabel())
    meshes = [mesh for mesh in ax.collections if isinstance(mesh, QuadMesh)] + list(ax.images)
    what = " over ".join(name for name in (y, x) if name)
    if meshes:
        values = np.ma.filled(np.ma.asarray(meshes[0].get_array()).astype(float), np.nan)
        of = scales[0] if scales else "values"
        what = f"Map of {of}, from {np.nanmin(values):.3g} to {np.nanmax(values):.3g}{f': {what}' if what else ''}"
    if title or what:
        yield f"{': '.join(part for part in (title, what) if part)}."
    lines = [line for line in ax.get_lines() if len(np.atleast_1d(line.get_xdata())) > 2]
    named = [line for line in lines if not str(line.get_label()).startswith("_")]
    if named:
        more = f" And {len(named) - LINES} more." if len(named) > LINES else ""
        yield "; ".join(_line(line, ax) for line in named[:LINES]) + "." + more


def _line(line: Line2D, ax: Axes) -> str:
    x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
    chosen = dict.fromkeys([0, len(x) // 2, len(x) - 1])
    told = ", ".join(f"{y[number]:.3g} at {_tick(ax, x[number])}" for number in chosen)
    return f"{_plain(str(line.get_label()))}: {told}"


def _tick(ax: Axes, position: float) -> str:
    """The label of a place on the x axis, where it has one of its own."""
    for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=False):
        if abs(place - position) < 1e-9 and (text := str(label.get_text())) and text != f"{position:.1f}":
            return text
    return f"{position:.3g}"


def _plain(label: str) -> str:
    return re.sub(r"\s+", " ", label.replace("↑", "").replace("↓", "")).strip().rstrip(".")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[−\-+]?[\d.]+%?", text) is not None
