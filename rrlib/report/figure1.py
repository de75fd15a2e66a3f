"""Figure 1 of the paper: RR on the left axis and RA on the right, in its forms; panels for images beside video.

A panel is one column of a printed page wide (85 mm), a figure of several the whole page (180 mm).
"""

from collections.abc import Collection, Iterator, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrlib.analysis import summary
from rrlib.errors import InputError
from rrlib.report.figures import (
    COLUMN,
    CURVE,
    PAGE,
    RA_LABEL,
    RR_LABEL,
    Looks,
    epsilon_axis,
    legend_below,
    of_table,
    plot_line,
    plot_linearity,
)

OVER_EPSILON = "ε, radius of the attack"


def figure1(table: pd.DataFrame, epsilon: float, looks: Looks | None = None, grey: Collection[str] = ()) -> Figure:
    """RR against tolerance on the left axis and RA on the right, a panel per data set and attack, at one ε.

    The band is a 95 % interval at each tolerance. RA is the dotted line that ends in a marker, and a number in the
    legend. `looks` are from `figures.styles` of all detectors of a study; `grey` are detectors to be drawn grey.
    """
    parts = dict(_parts(table, epsilon))
    return _several(parts, lambda ax, part: _draw(ax, part, looks, grey))


def figure1_panels(
    table: pd.DataFrame, epsilon: float, looks: Looks | None = None, grey: Collection[str] = ()
) -> dict[str, Figure]:
    """The panels of `figure1` as a figure each, by their titles: so a page can put them beside or below each other."""
    return {
        title: _alone(title, part, lambda ax, part: _draw(ax, part, looks, grey))
        for title, part in _parts(table, epsilon)
    }


def figure1_by_epsilon(
    table: pd.DataFrame, tolerance: float, looks: Looks | None = None, grey: Collection[str] = ()
) -> Figure:
    """The other reading of Figure 1's x axis: RR(ε) at one tolerance on the left axis, RA(ε) on the right."""
    parts = dict(_parts_over_epsilon(table, tolerance))
    return _several(parts, lambda ax, part: _draw_over_epsilon(ax, part, tolerance, looks, grey))


def by_epsilon_panels(
    table: pd.DataFrame, tolerance: float, looks: Looks | None = None, grey: Collection[str] = ()
) -> dict[str, Figure]:
    """The panels of `figure1_by_epsilon` as a figure each, by their titles."""
    return {
        title: _alone(title, part, lambda ax, part: _draw_over_epsilon(ax, part, tolerance, looks, grey))
        for title, part in _parts_over_epsilon(table, tolerance)
    }


def figure1_halves(
    halves: Mapping[str, pd.DataFrame],
    epsilon: float,
    attack: str,
    grey: Collection[str] = (),
    looks: Looks | None = None,
) -> Figure:
    """Figure 1 as the paper lays it out: a panel for each half of the study ("image", "video") under one attack.

    A half that holds several data sets has a panel for each. Drawn as in `figure1`, with a legend below each panel,
    as the halves have different detectors. `grey` are detectors that do not detect here: they are drawn grey.

    Raises:
        InputError: for no half, and for an ε or attack that a half does not hold.
    """
    return _several(dict(_half_parts(halves, epsilon, attack)), lambda ax, part: _draw(ax, part, looks, grey))


def halves_panels(
    halves: Mapping[str, pd.DataFrame],
    epsilon: float,
    attack: str,
    grey: Collection[str] = (),
    looks: Looks | None = None,
) -> dict[str, Figure]:
    """The panels of `figure1_halves` as a figure each, by their titles."""
    return {
        title: _alone(title, part, lambda ax, part: _draw(ax, part, looks, grey))
        for title, part in _half_parts(halves, epsilon, attack)
    }


def linearity_halves(
    halves: Mapping[str, pd.DataFrame], epsilon: float, attack: str, looks: Looks | None = None
) -> Figure:
    """RR(τ) with its fitted lines, a panel for each half of the study and data set, as in `figure1_halves`."""
    return _several(dict(_half_parts(halves, epsilon, attack)), lambda ax, part: _draw_linearity(ax, part, looks))


def linearity_panels(
    halves: Mapping[str, pd.DataFrame], epsilon: float, attack: str, looks: Looks | None = None
) -> dict[str, Figure]:
    """The panels of `linearity_halves` as a figure each, by their titles."""
    return {
        title: _alone(title, part, lambda ax, part: _draw_linearity(ax, part, looks))
        for title, part in _half_parts(halves, epsilon, attack)
    }


def _half_parts(halves: Mapping[str, pd.DataFrame], epsilon: float, attack: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """A title and the rows of each panel."""
    if not halves:
        raise InputError("no half of the study was given; pass a table as image, as video or as both")
    for half, table in halves.items():
        if attack not in set(table["attack"]):
            known = ", ".join(table["attack"].unique())
            raise InputError(f"the {half} table has no rows of {attack}; choose from {known}")
        table = summary.at_epsilon(table[table["attack"] == attack], epsilon)
        for dataset, part in table.groupby("dataset", sort=False):
            yield f"{half}: {dataset} · {attack}, ε = {epsilon:g}", part


def _parts(table: pd.DataFrame, epsilon: float) -> Iterator[tuple[str, pd.DataFrame]]:
    for (dataset, attack), part in summary.at_epsilon(table, epsilon).groupby(["dataset", "attack"], sort=False):
        yield f"{dataset} · {attack}, ε = {epsilon:g}", part


def _parts_over_epsilon(table: pd.DataFrame, tolerance: float) -> Iterator[tuple[str, pd.DataFrame]]:
    for (dataset, attack), part in table.groupby(["dataset", "attack"], sort=False):
        yield f"{dataset} · {attack}, τ = {tolerance:g}", part


def _draw(ax: Axes, part: pd.DataFrame, looks: Looks | None, grey: Collection[str]) -> None:
    """One panel: the detectors of one data set under one attack at one ε."""
    right = ax.twinx()
    for detector, look in of_table(part, looks, grey).items():
        data = summary.by_epsilon(part[part["detector"] == detector], CURVE.tolist())
        rr, ra = data[data["measure"] == "RR"], data[data["measure"] == "RA"]["value"].item()
        # the marker of RA in the legend alone: along a curve it would hide what it marks
        ax.plot(rr["tolerance"], rr["value"], **look, markevery=[], label=f"{detector}: RA {ra:.3f}")
        band = rr.iloc[::2]  # nobody sees more, and a file is a quarter smaller
        ax.fill_between(band["tolerance"], band["low"], band["high"], color=look["color"], alpha=0.15, linewidth=0)
        right.axhline(ra, color=look["color"], linestyle=":", linewidth=0.8)
        right.plot(
            [1], [ra], color=look["color"], marker=look["marker"], linestyle="none",
            markersize=6, markeredgecolor="white", clip_on=False, zorder=5,
        )  # fmt: skip
    ax.set(xlim=(0, 1), xlabel="τ, tolerance")


def _draw_over_epsilon(
    ax: Axes, part: pd.DataFrame, tolerance: float, looks: Looks | None, grey: Collection[str]
) -> None:
    right = ax.twinx()
    for detector, look in of_table(part, looks, grey).items():
        data = summary.by_epsilon(part[part["detector"] == detector], [tolerance])
        plot_line(ax, data[data["measure"] == "RR"], **look, label=detector)
        plot_line(right, data[data["measure"] == "RA"], **look | {"linestyle": ":"}, label=None)
    epsilon_axis(ax, sorted(part["epsilon"].unique()))
    ax.tick_params(axis="x", rotation=45)
    ax.set_xlabel(f"{OVER_EPSILON} · dotted: RA (right axis)")


def _draw_linearity(ax: Axes, part: pd.DataFrame, looks: Looks | None) -> None:
    plot_linearity(part, ax, looks)
    ax.set(ylim=(-0.1, 1.1), xlabel="τ, tolerance · dotted: least-squares line")


def _alone(title: str, part: pd.DataFrame, draw) -> Figure:
    """One panel as a figure of one column."""
    figure, ax = plt.subplots(figsize=(COLUMN, _height([part])), layout="constrained")
    draw(ax, part)
    ax.set_title(title)
    _label_sides([ax], 1)
    legend_below(ax)
    return figure


def _several(parts: Mapping[str, pd.DataFrame], draw) -> Figure:
    """Panels two abreast on the width of a page, each with its legend below it."""
    columns = min(len(parts), 2)
    rows = -(-len(parts) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(PAGE if columns == 2 else COLUMN, rows * _height(parts.values())),
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[len(parts) :]:
        ax.set_axis_off()
    shown = list(axes.flat[: len(parts)])
    for ax, (title, part) in zip(shown, parts.items(), strict=True):
        draw(ax, part)
        ax.set_title(title)
        legend_below(ax)
    _label_sides(shown, columns)
    return figure


def _height(parts: Collection[pd.DataFrame]) -> float:
    """Inches of a panel: its axes, and below them a row of the legend for every two detectors."""
    most = max(part["detector"].nunique() for part in parts)
    return 2.65 + 0.15 * -(-most // 2)


def _label_sides(axes: list[Axes], columns: int) -> None:
    """Both vertical axes on one scale, named at the outer edges."""
    right_axes = [ax for ax in axes[0].figure.axes if ax.yaxis.get_label_position() == "right"]
    for number, left in enumerate(axes):
        left.set(ylabel=RR_LABEL if number % columns == 0 else None)
        if right_axes:
            left.set(ylim=(-0.03, 1.03))
    for number, right in enumerate(right_axes):
        at_right_edge = number % columns == columns - 1 or number == len(axes) - 1
        right.set(ylim=(-0.03, 1.03), ylabel=RA_LABEL if at_right_edge else None)
        right.tick_params(labelright=at_right_edge)
        right.grid(False)
