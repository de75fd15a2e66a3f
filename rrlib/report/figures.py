"""Result tables to axes. RR from an attack bounds the true RR from above: axis labels say so."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rrlib.analysis import linearity, summary

EPSILON_LABEL = "ε, radius of the attack (share of the pixel range)"
TOLERANCE_LABEL = "τ, tolerance (largest shift that counts as robust)"
RR_LABEL = "RR, robust ratio (upper bound) ↑"
RA_LABEL = "RA, robust accuracy ↑"
CURVE = np.linspace(0, 1, 101)  # the tolerances at which a curve RR(τ) is drawn
MARKERS = "osD^vPX*"


def set_style() -> None:
    """Colours that colour-blind readers can tell apart, and files that repeat byte for byte."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind")
    mpl.rcParams.update(
        {
            "svg.hashsalt": "rrlib",
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "legend.frameon": False,
            "image.interpolation": "nearest",
        }
    )


def styles(names: Sequence[str]) -> dict[str, dict]:
    """One colour and one marker per name, the same in every figure of a study."""
    palette = sns.color_palette("colorblind", max(len(names), 1))
    return {
        name: {"color": color, "marker": MARKERS[number % len(MARKERS)]}
        for number, (name, color) in enumerate(zip(names, palette, strict=True))
    }


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
    for tolerance, color in zip(tolerances, sns.color_palette("viridis", len(tolerances)), strict=True):
        rr = data[data["tolerance"] == tolerance]
        plot_line(ax, rr, color=color, marker=".", linestyle="-", label=f"RR({tolerance:g})")
    epsilon_axis(ax, epsilons)
    ax.set(ylim=(-0.03, 1.03), ylabel="RA and RR, shares of samples (upper bounds) ↑")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_curves(table: pd.DataFrame, ax: Axes) -> None:
    """RR(τ) of one cell, a curve per ε > 0."""
    epsilons = [epsilon for epsilon in sorted(table["epsilon"].unique()) if epsilon > 0]
    for epsilon, color in zip(epsilons, sns.color_palette("viridis", len(epsilons)), strict=True):
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
    epsilons = sorted(table["epsilon"].unique(), reverse=True)
    surface = [summary.robust(table[table["epsilon"] == epsilon], tolerances).mean(axis=0) for epsilon in epsilons]
    frame = pd.DataFrame(
        surface,
        index=[f"{epsilon:g}" for epsilon in epsilons],
        columns=[f"{tolerance:.1f}" for tolerance in tolerances],
    )
    sns.heatmap(
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
        for column, style in zip([c for c in frame if c.endswith(measure)], ("-o", "--s", ":D"), strict=False):
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
    binned = table.groupby(pd.cut(table["p_clean"], bins, include_lowest=True), observed=True)
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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(unfinished, format="svg", metadata={"Date": None})
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def plot_line(ax: Axes, data: pd.DataFrame, *, color, marker: str, linestyle: str, label: str | None) -> None:
    """A measure over ε with its interval, at evenly spaced positions."""
    data = data.sort_values("epsilon")
    positions = np.arange(len(data))
    ax.plot(positions, data["value"], color=color, marker=marker, linestyle=linestyle, label=label, markersize=4)
    ax.fill_between(positions, data["low"], data["high"], color=color, alpha=0.12, linewidth=0)
