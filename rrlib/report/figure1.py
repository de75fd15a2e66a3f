"""Figure 1 of the paper: RR on the left axis and RA on the right, in its forms; panels for images beside video."""

from collections.abc import Collection, Iterator, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrlib.analysis import summary
from rrlib.errors import InputError
from rrlib.report.figures import CURVE, RA_LABEL, RR_LABEL, epsilon_axis, plot_line, plot_linearity, styles

GREY = {"color": "0.65"}
NOTE = "dotted line and marker: RA (right axis)   ·   curve: RR (left axis)"


def figure1(table: pd.DataFrame, epsilon: float) -> Figure:
    """RR against tolerance on the left axis and RA on the right, a panel per data set and attack, at one ε.

    The band is a 95 % interval at each tolerance; RA is the dotted line that ends in a marker.
    """
    table = summary.at_epsilon(table, epsilon)
    figure, axes = _panels(table)
    style = styles(table["detector"].unique())
    for ax, ((dataset, attack), part) in zip(axes, table.groupby(["dataset", "attack"], sort=False), strict=True):
        _draw(ax, part, style)
        ax.set_title(f"{dataset} · {attack}, ε = {epsilon:g}")
    return _finish(figure, axes, NOTE)


def figure1_by_epsilon(table: pd.DataFrame, tolerance: float) -> Figure:
    """The other reading of Figure 1's x axis: RR(ε) at one tolerance on the left axis, RA(ε) on the right."""
    figure, axes = _panels(table)
    epsilons = sorted(table["epsilon"].unique())
    for ax, ((dataset, attack), part) in zip(axes, table.groupby(["dataset", "attack"], sort=False), strict=True):
        right = ax.twinx()
        for detector, style in styles(table["detector"].unique()).items():
            data = summary.by_epsilon(part[part["detector"] == detector], [tolerance])
            plot_line(ax, data[data["measure"] == "RR"], **style, linestyle="-", label=detector)
            plot_line(right, data[data["measure"] == "RA"], **style, linestyle=":", label=None)
        epsilon_axis(ax, epsilons)
        ax.tick_params(axis="x", rotation=45)
        ax.set(title=f"{dataset} · {attack}, τ = {tolerance:g}", xlabel="ε, radius of the attack")
    return _finish(figure, axes, "dotted: RA (right axis)   ·   solid: RR (left axis)")


def figure1_halves(
    halves: Mapping[str, pd.DataFrame], epsilon: float, attack: str, grey: Collection[str] = ()
) -> Figure:
    """Figure 1 as the paper lays it out: a panel for each half of the study ("image", "video") under one attack.

    A half that holds several data sets has a panel for each. Drawn as in `figure1`, with a legend below each panel,
    as the halves have different detectors. `grey` are detectors that do not detect here: they are drawn grey.

    Raises:
        InputError: for no half, and for an ε or attack that a half does not hold.
    """
    parts = dict(_half_parts(halves, epsilon, attack))
    figure, axes = _grid(len(parts), columns=min(len(parts), 2), width=4.2, height=4.0)
    for ax, (title, part) in zip(axes, parts.items(), strict=True):
        style = styles(part["detector"].unique())
        _draw(ax, part, {name: look | GREY if name in grey else look for name, look in style.items()})
        ax.set_title(title)
        _legend_below(ax)
    _label_sides(axes)
    figure.supxlabel(NOTE, fontsize="small")
    return figure


def linearity_halves(halves: Mapping[str, pd.DataFrame], epsilon: float, attack: str) -> Figure:
    """RR(τ) with its fitted lines, a panel for each half of the study and data set, as in `figure1_halves`."""
    parts = dict(_half_parts(halves, epsilon, attack))
    figure, axes = _grid(len(parts), columns=min(len(parts), 2), width=4.2, height=4.0)
    for number, (ax, (title, part)) in enumerate(zip(axes, parts.items(), strict=True)):
        plot_linearity(part, ax)
        ax.set(title=title, ylim=(-0.1, 1.1), ylabel=RR_LABEL if number % 2 == 0 else None)
        _legend_below(ax)
    note = "curve: RR   ·   dashed: its least-squares line   ·   number: the largest vertical distance between them"
    figure.supxlabel(note, fontsize="small")
    return figure


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


def _draw(ax: Axes, part: pd.DataFrame, style: Mapping[str, dict]) -> None:
    """One panel: the detectors of one data set under one attack at one ε."""
    right = ax.twinx()
    for detector, look in style.items():
        data = summary.by_epsilon(part[part["detector"] == detector], CURVE.tolist())
        rr, ra = data[data["measure"] == "RR"], data[data["measure"] == "RA"]["value"].item()
        ax.plot(rr["tolerance"], rr["value"], color=look["color"], label=detector)
        ax.fill_between(rr["tolerance"], rr["low"], rr["high"], color=look["color"], alpha=0.15, linewidth=0)
        right.axhline(ra, color=look["color"], linestyle=":", linewidth=1)
        right.plot([1], [ra], **look, markersize=7, markeredgecolor="white", clip_on=False, zorder=5)
    ax.set(xlim=(0, 1), xlabel="τ, tolerance")


def _panels(table: pd.DataFrame) -> tuple[Figure, list[Axes]]:
    """One panel per data set and attack, at most three side by side, so that its text stays legible on a page."""
    count = len(table[["dataset", "attack"]].drop_duplicates())
    return _grid(count, columns=min(count, 2 if count == 4 else 3), width=3.2, height=2.7)


def _grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """`count` axes in rows of `columns`, of about these inches each."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width * columns + 0.8, height * rows + 0.7),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return figure, list(axes.flat[:count])


def _finish(figure: Figure, axes: list[Axes], note: str) -> Figure:
    """The axes named, and one legend below all panels."""
    _label_sides(axes)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), title=note)
    return figure


def _label_sides(axes: list[Axes]) -> None:
    """Both vertical axes on one scale, named at the outer edges."""
    grid = axes[0].get_gridspec()
    assert grid is not None  # axes of a figure's own grid
    columns = grid.ncols
    right_axes = [ax for ax in axes[0].figure.axes if ax.yaxis.get_label_position() == "right"]
    for number, (left, right) in enumerate(zip(axes, right_axes, strict=True)):
        at_right_edge = number % columns == columns - 1 or number == len(axes) - 1
        left.set(ylim=(-0.03, 1.03), ylabel=RR_LABEL if number % columns == 0 else None)
        right.set(ylim=(-0.03, 1.03), ylabel=RA_LABEL if at_right_edge else None)
        right.tick_params(labelright=at_right_edge)
        right.grid(False)


def _legend_below(ax: Axes) -> None:
    """A legend below the panel's axis label, so that it covers no curve."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
