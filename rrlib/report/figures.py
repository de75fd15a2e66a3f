"""Result tables to axes. RR from an attack bounds the true RR from above: axis labels say so."""

import io
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.colors as mcolors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from rrlib import files
from rrlib.analysis import linearity, summary
from rrlib.report import vector

Looks = Mapping[str, dict[str, Any]]
EPSILON_LABEL = "ε, radius of the attack (share of pixel range)"
TOLERANCE_LABEL = "τ, tolerance (largest robust shift)"
RR_LABEL = "RR, robust ratio (upper bound) ↑"
RA_LABEL = "RA, robust accuracy ↑"
CURVE = np.linspace(0, 1, 101)  # the tolerances at which a curve RR(τ) is drawn
COLUMN, PAGE = 85 / 25.4, 180 / 25.4  # inches: one column of a printed page, and its whole width
MARKERS = "osD^vPX*"
_DASH, _DOT, _GAP = 6, 1.2, 1.4
DASHES: tuple[Any, ...] = (
    "-",
    (0, (_DASH, _GAP)),
    (0, (_DASH, _GAP, _DOT, _GAP)),
    (0, (_DASH / 2, _GAP)),
    (0, (_DASH, _GAP, _DOT, _GAP, _DOT, _GAP)),
)
# each at least 3.9 to 1 on white (WCAG asks 3 of graphics); which is which is told by marker and dashes too
COLORS = ("#0072b2", "#c65a00", "#00805b", "#b5488f", "#332288", "#80801f", "#882255", "#1e8c8c", "#8c564b", "#d43f3a")
BLACK, GREY = "#222222", "#808080"
# seaborn's "whitegrid", written out, as seaborn takes a while to import; sizes of text for print at `COLUMN` and `PAGE`
THEME: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": ".8",
    "axes.grid": True,
    "axes.labelcolor": ".15",
    "axes.labelsize": 8,
    "axes.linewidth": 1.0,
    "axes.titlesize": 8,
    "font.size": 8,
    "grid.color": ".8",
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "text.color": ".15",
    **{f"{axis}tick.color": ".15" for axis in "xy"},
    **{f"{axis}tick.labelsize": 7 for axis in "xy"},
    **{f"{axis}tick.major.size": 3 for axis in "xy"},
    **{f"{axis}tick.major.width": 1.0 for axis in "xy"},
    "xtick.bottom": False,
    "ytick.left": False,
}
OWN: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=COLORS),
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: glyphs that no machine lacks
    "text.parse_math": False,  # a name that holds two dollars is no formula
    "svg.hashsalt": "rrlib",
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # TrueType, embedded: what publishers take, and text that can be searched
    "figure.dpi": 110,
    "legend.frameon": False,
    "image.interpolation": "nearest",
}


def set_style() -> None:
    """Colours that colour-blind readers can tell apart, and files that repeat byte for byte, here and elsewhere.

    What a reader's own matplotlibrc says (LaTeX, other fonts or sizes) is put back to matplotlib's defaults first.
    """
    mpl.rcdefaults()
    mpl.rcParams.update(THEME | OWN)


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """One colour, marker and dash per name. Given all detectors of a study, they are the same in all of its figures.

    >>> styles(["a", "b"])["b"]["color"], styles(["a", "b"])["b"]["marker"]
    ('#c65a00', 's')
    """
    return {
        name: {
            "color": COLORS[number % len(COLORS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": DASHES[number % len(DASHES)],
        }
        for number, name in enumerate(dict.fromkeys(names))
    }


def of_table(table: pd.DataFrame, looks: Looks | None, grey: Collection[str] = ()) -> Looks:
    """The looks of a table's detectors in their order: those given, or their own; grey for those of `grey`."""
    names = list(table["detector"].unique())
    known = looks or styles(names)
    return {name: known[name] | ({"color": GREY} if name in grey else {}) for name in names}


def shades(count: int) -> list[dict[str, Any]]:
    """`count` looks in an order: colours of plasma from dark to light, as far as they stand out on white, and dashes.

    >>> [look["linestyle"] for look in shades(2)]
    ['-', (0, (6, 1.4))]
    """
    colors = mpl.colormaps["plasma"](np.linspace(0, 0.6, count))
    return [
        {"color": mcolors.to_hex(color), "linestyle": DASHES[number % len(DASHES)]}
        for number, color in enumerate(colors)
    ]


def epsilon_axis(ax: Axes, epsilons: Sequence[float]) -> None:
    """Every ε at an even distance: they span decades and begin with 0, so neither a linear nor a log axis shows all."""
    ax.set_xticks(range(len(epsilons)), [f"{epsilon:g}" for epsilon in epsilons])
    ax.set_xlabel(EPSILON_LABEL)


def plot_by_epsilon(table: pd.DataFrame, tolerances: Sequence[float], ax: Axes) -> None:
    """RA(ε) and RR(τ; ε) at a few tolerances, of one cell, with 95 % intervals."""
    data = summary.by_epsilon(table, tolerances)
    epsilons = sorted(data["epsilon"].unique())
    ra = data[data["measure"] == "RA"]
    plot_line(ax, ra, color=BLACK, marker="o", linestyle=":", label="RA")
    for tolerance, look, marker in zip(tolerances, shades(len(tolerances)), itertools.cycle(MARKERS[1:]), strict=False):
        rr = data[data["tolerance"] == tolerance]
        plot_line(ax, rr, **look, marker=marker, label=f"RR({tolerance:g})")
    epsilon_axis(ax, epsilons)
    ax.set(ylim=(-0.03, 1.03), ylabel="RA and RR (upper bounds) ↑")
    legend_below(ax, 3)


def plot_curves(table: pd.DataFrame, ax: Axes) -> None:
    """RR(τ) of one cell, a curve per ε > 0."""
    epsilons = [epsilon for epsilon in sorted(table["epsilon"].unique()) if epsilon > 0]
    for epsilon, look in zip(epsilons, shades(len(epsilons)), strict=True):
        share = summary.robust(table[table["epsilon"] == epsilon], CURVE).mean(axis=0)
        ax.plot(CURVE, share, **look, label=f"ε = {epsilon:g}", drawstyle="steps-post")
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.03), xlabel=TOLERANCE_LABEL, ylabel=RR_LABEL)
    legend_below(ax, 3)


def plot_linearity(table: pd.DataFrame, ax: Axes, looks: Looks | None = None) -> None:
    """RR(τ) of each detector on one data set under one attack at one ε, with its fitted line and how far it is off."""
    for detector, style in of_table(table, looks).items():
        curve = summary.robust(table[table["detector"] == detector], linearity.GRID).mean(axis=0)
        distance, _ = linearity.straightness(curve)
        curve_look = {"color": style["color"], "linestyle": style["linestyle"]}
        ax.plot(linearity.GRID, curve, **curve_look, label=f"{detector}: {distance:.2f}")
        ax.plot(linearity.GRID, linearity.fitted_line(curve), color=style["color"], linestyle=":", linewidth=1)
    ax.set(xlim=(0, 1), xlabel="τ, tolerance", ylabel=RR_LABEL)


def plot_surface(table: pd.DataFrame, ax: Axes, tolerances: Sequence[float] = tuple(np.linspace(0, 1, 11))) -> None:
    """RR(τ, ε) of one cell as a heat map."""
    import seaborn  # here: of all figures it draws this one

    epsilons = sorted(table["epsilon"].unique(), reverse=True)
    surface = [summary.robust(table[table["epsilon"] == epsilon], tolerances).mean(axis=0) for epsilon in epsilons]
    ax.grid(visible=False)  # the map covers it
    frame = pd.DataFrame(
        surface,
        index=[f"{epsilon:g}" for epsilon in epsilons],
        columns=[f"{tolerance:.1f}" for tolerance in tolerances],
    )
    seaborn.heatmap(
        frame, ax=ax, vmin=0, vmax=1, cmap="viridis", annot=True, fmt=".2f", annot_kws={"size": 6},
        cbar_kws={"label": RR_LABEL, "pad": 0.02},
    )  # fmt: skip
    ax.set(xlabel=TOLERANCE_LABEL, ylabel="ε, radius of the attack")
    ax.tick_params(axis="y", rotation=0)


def plot_training(history: Sequence[dict], best_epoch: int) -> Figure:
    """Losses and validation accuracies per epoch, with the epoch whose weights were kept."""
    frame = pd.DataFrame(history).set_index("epoch")
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.7), layout="constrained")
    for ax, measure, label in ((left, "loss", "cross-entropy (nats) ↓"), (right, "accuracy", "accuracy ↑")):
        for column, style in zip(
            [c for c in map(str, frame) if c.endswith(measure)], ("-o", "--s", ":D"), strict=False
        ):
            ax.plot(frame.index, frame[column], style, markersize=3, label=column.replace("_", " "))
        ax.axvline(best_epoch, color="grey", linewidth=0.8, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch (line: the one that was kept)", ylabel=label)
        legend_below(ax, 3)
    return figure


def plot_clean(table: pd.DataFrame) -> Figure:
    """Where a detector's clean probabilities lie, by label, and how often they are right (reliability)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.7), layout="constrained")
    bins = np.linspace(0, 1, 11)
    for label, (name, hatch) in enumerate((("real", ""), ("fake", "///"))):
        left.hist(table.loc[table["label"] == label, "p_clean"], bins, alpha=0.6, label=name, hatch=hatch)
    left.set(xlabel="probability of fake", ylabel="test samples", xlim=(0, 1))
    legend_below(left)
    binned = table.groupby(pd.cut(table["p_clean"], bins.tolist(), include_lowest=True), observed=True)
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.plot(binned["p_clean"].mean(), binned["label"].mean(), "-o", markersize=4)
    right.set(
        xlabel="mean probability of fake",
        ylabel="share that is fake\n(calibrated: on the line)",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    return figure


def save(figure: Figure, path: Path) -> None:
    """An SVG or, by its name, a PDF that is the same, byte for byte, each time; whole or not at all."""
    with files.whole(Path(path)) as unfinished:
        unfinished.write_bytes(rendered(figure, Path(path).suffix.removeprefix(".")))


def rendered(figure: Figure, form: str) -> bytes:
    """A figure as "svg" or "pdf", without a date, in its exact size."""
    if form == "pdf":
        return sheets([figure])
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata={"Date": None})
    return vector.number_clips(buffer.getvalue().decode()).encode()


def sheets(drawn: Iterable[Figure]) -> bytes:
    """A PDF with a sheet for each figure, in its exact size, without a date."""
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"CreationDate": None, "Creator": "rrlib", "Producer": "matplotlib"}) as pages:
        for figure in drawn:
            pages.savefig(figure)
    return buffer.getvalue()


def legend_below(ax: Axes, columns: int = 2) -> None:
    """A legend below the axis label, which is there already: so it covers no curve and no word.

    How deep the labels reach is counted in inches, as they keep their size whatever becomes of the panel's.
    """
    labels = ax.xaxis.get_tightbbox()
    deep = (ax.bbox.y0 - labels.y0) / ax.figure.dpi if labels else 0.0
    below = ax.transAxes + ScaledTranslation(0, -deep, ax.figure.dpi_scale_trans)
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below,
        ncols=columns, columnspacing=1.2, handlelength=2.6,
    )  # fmt: skip


def plot_line(ax: Axes, data: pd.DataFrame, *, color, marker: str, linestyle: str, label: str | None) -> None:
    """A measure over ε with its interval, at evenly spaced positions."""
    data = data.sort_values("epsilon")
    positions = np.arange(len(data))
    ax.plot(positions, data["value"], color=color, marker=marker, linestyle=linestyle, label=label, markersize=4)
    ax.fill_between(positions, data["low"], data["high"], color=color, alpha=0.12, linewidth=0)
