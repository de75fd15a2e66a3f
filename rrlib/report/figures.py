"""Result tables to axes. RR from an attack bounds the true RR from above: axis labels say so."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rrlib import files
from rrlib.analysis import linearity, summary

EPSILON_LABEL = "ε, radius of the attack (share of the pixel range)"
TOLERANCE_LABEL = "τ, tolerance (largest shift that counts as robust)"
RR_LABEL = "RR, robust ratio (upper bound) ↑"
RA_LABEL = "RA, robust accuracy ↑"
CURVE = np.linspace(0, 1, 101)  # the tolerances at which a curve RR(τ) is drawn
MARKERS = "osD^vPX*"
# seaborn's "colorblind"
COLORS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
# seaborn's "whitegrid" in the size of its "paper", written out, as seaborn takes a while to import
THEME: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": ".8",
    "axes.grid": True,
    "axes.labelcolor": ".15",
    "axes.labelsize": 9.6,
    "axes.linewidth": 1.0,
    "axes.titlesize": 9.6,
    "font.size": 9.6,
    "grid.color": ".8",
    "legend.fontsize": 8.8,
    "legend.title_fontsize": 9.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "text.color": ".15",
    **{f"{axis}tick.color": ".15" for axis in "xy"},
    **{f"{axis}tick.labelsize": 8.8 for axis in "xy"},
    **{f"{axis}tick.major.size": 4.8 for axis in "xy"},
    **{f"{axis}tick.major.width": 1.0 for axis in "xy"},
    "xtick.bottom": False,
    "ytick.left": False,
}
OWN: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=COLORS),
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: glyphs that no machine lacks
    "text.parse_math": False,  # a name that holds two dollars is no formula
    "svg.hashsalt": "rrlib",
    "svg.fonttype": "none",  # text stays text: a third of the bytes, and it can be searched
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "legend.frameon": False,
    "image.interpolation": "nearest",
}


def set_style() -> None:
    """Colours that colour-blind readers can tell apart, and files that repeat byte for byte, here and elsewhere.

    What a reader's own matplotlibrc says (LaTeX, other fonts or sizes) is put back to matplotlib's defaults first.
    """
    mpl.rcdefaults()
    mpl.rcParams.update(THEME | OWN)


def styles(names: Iterable[str]) -> dict[str, dict]:
    """One colour and one marker per name, the same in every figure of a study."""
    return {
        name: {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
        for number, name in enumerate(names)
    }


def shades(count: int) -> list:
    """`count` colours of viridis, dark to light, its two ends left out."""
    return list(mpl.colormaps["viridis"](np.linspace(0, 1, count + 2)[1:-1]))


def epsilon_axis(ax: Axes, epsilons: Sequence[float]) -> None:
    """Every ε at an even distance: they span decades and begin with 0, so neither a linear nor a log axis shows all."""
    ax.set_xticks(range(len(epsilons)), [f"{epsilon:g}" for epsilon in epsilons])
    ax.set_xlabel(EPSILON_LABEL)


def plot_by_epsilon(table: pd.DataFrame, tolerances: Sequence[float], ax: Axes) -> None:
    """RA(ε) and RR(τ; ε) at a few tolerances, of one cell, with 95 % intervals."""
    data = summary.by_epsilon(table, tolerances)
    epsilons = sorted(data["epsilon"].unique())
    ra = data[data["measure"] == "RA"]
    plot_line(ax, ra, color="black", marker="o", linestyle="--", label="RA")
    for tolerance, color in zip(tolerances, shades(len(tolerances)), strict=True):
        rr = data[data["tolerance"] == tolerance]
        plot_line(ax, rr, color=color, marker=".", linestyle="-", label=f"RR({tolerance:g})")
    epsilon_axis(ax, epsilons)
    ax.set(ylim=(-0.03, 1.03), ylabel="RA and RR, shares of samples (upper bounds) ↑")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_curves(table: pd.DataFrame, ax: Axes) -> None:
    """RR(τ) of one cell, a curve per ε > 0."""
    epsilons = [epsilon for epsilon in sorted(table["epsilon"].unique()) if epsilon > 0]
    for epsilon, color in zip(epsilons, shades(len(epsilons)), strict=True):
        share = summary.robust(table[table["epsilon"] == epsilon], CURVE).mean(axis=0)
        ax.plot(CURVE, share, color=color, label=f"ε = {epsilon:g}", drawstyle="steps-post")
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.03), xlabel=TOLERANCE_LABEL, ylabel=RR_LABEL)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_linearity(table: pd.DataFrame, ax: Axes) -> None:
    """RR(τ) of each detector on one data set under one attack at one ε, with its fitted line and how far it is off."""
    for detector, style in styles(table["detector"].unique()).items():
        curve = summary.robust(table[table["detector"] == detector], linearity.GRID).mean(axis=0)
        distance, _ = linearity.straightness(curve)
        ax.plot(linearity.GRID, curve, color=style["color"], label=f"{detector}: {distance:.2f}")
        ax.plot(linearity.GRID, linearity.fitted_line(curve), color=style["color"], linestyle="--", linewidth=1)
    ax.set(xlim=(0, 1), xlabel="τ, tolerance", ylabel=RR_LABEL)


def plot_surface(table: pd.DataFrame, ax: Axes, tolerances: Sequence[float] = tuple(np.linspace(0, 1, 11))) -> None:
    """RR(τ, ε) of one cell as a heat map."""
    import seaborn  # here: of all figures it draws this one

    epsilons = sorted(table["epsilon"].unique(), reverse=True)
    surface = [summary.robust(table[table["epsilon"] == epsilon], tolerances).mean(axis=0) for epsilon in epsilons]
    frame = pd.DataFrame(
        surface,
        index=[f"{epsilon:g}" for epsilon in epsilons],
        columns=[f"{tolerance:.1f}" for tolerance in tolerances],
    )
    seaborn.heatmap(
        frame, ax=ax, vmin=0, vmax=1, cmap="viridis", annot=True, fmt=".2f", annot_kws={"size": 7},
        cbar_kws={"label": RR_LABEL},
    )  # fmt: skip
    ax.set(xlabel=TOLERANCE_LABEL, ylabel="ε, radius of the attack")
    ax.tick_params(axis="y", rotation=0)


def plot_training(history: Sequence[dict], best_epoch: int) -> Figure:
    """Losses and validation accuracies per epoch, with the epoch whose weights were kept."""
    frame = pd.DataFrame(history).set_index("epoch")
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
    for ax, measure, label in ((left, "loss", "cross-entropy (nats) ↓"), (right, "accuracy", "accuracy ↑")):
        for column, style in zip(
            [c for c in map(str, frame) if c.endswith(measure)], ("-o", "--s", ":D"), strict=False
        ):
            ax.plot(frame.index, frame[column], style, markersize=3, label=column.replace("_", " "))
        ax.axvline(best_epoch, color="grey", linewidth=0.8, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch (line: the one that was kept)", ylabel=label)
        ax.legend()
    return figure


def plot_clean(table: pd.DataFrame) -> Figure:
    """Where a detector's clean probabilities lie, by label, and how often they are right (reliability)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
    bins = np.linspace(0, 1, 11)
    for label, (name, hatch) in enumerate((("real", ""), ("fake", "///"))):
        left.hist(table.loc[table["label"] == label, "p_clean"], bins, alpha=0.6, label=name, hatch=hatch)
    left.set(xlabel="probability of fake", ylabel="test samples", xlim=(0, 1))
    left.legend()
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
    """An SVG that is the same, byte for byte, each time; whole or not at all."""
    with files.whole(Path(path)) as unfinished:
        figure.savefig(unfinished, format="svg", metadata={"Date": None})


def plot_line(ax: Axes, data: pd.DataFrame, *, color, marker: str, linestyle: str, label: str | None) -> None:
    """A measure over ε with its interval, at evenly spaced positions."""
    data = data.sort_values("epsilon")
    positions = np.arange(len(data))
    ax.plot(positions, data["value"], color=color, marker=marker, linestyle=linestyle, label=label, markersize=4)
    ax.fill_between(positions, data["low"], data["high"], color=color, alpha=0.12, linewidth=0)
