"""Images of a data set and of an attack, as a reader wants to see them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrlib.datasets.images import decode

SIDE = 1.15  # inches per image


def plot_images(folder: Path, frame: pd.DataFrame, columns: int = 8) -> Figure:
    """Real images above fake ones, `columns` each, of as many groups as there are; `frame` is part of a manifest."""
    rows = {name: _varied(frame[frame["label"] == label], columns) for label, name in enumerate(("real", "fake"))}
    return _grid(folder, rows, columns)


def plot_families(folder: Path, frame: pd.DataFrame, columns: int = 6) -> Figure:
    """One row of fakes per family of forgeries; fakes of a data set that names no families make one row."""
    fakes = frame[frame["label"] == 1]
    families = fakes["family"].fillna("").replace("", "fake")
    rows = {name: _varied(part, columns) for name, part in fakes.groupby(families, sort=False)}
    return _grid(folder, rows, columns)


def plot_examples(clean: torch.Tensor, attacked: torch.Tensor, titles: Sequence[str]) -> Figure:
    """Clean image, perturbation and attacked image of a few samples, (N, 3, H, W) each.

    The perturbation is drawn round mid-grey and stretched to its own largest value, which its title gives.
    """
    figure, axes = plt.subplots(3, len(clean), figsize=(1.6 * len(clean), 5.6), squeeze=False, layout="constrained")
    for column, (x, x_attacked, title) in enumerate(zip(clean, attacked, titles, strict=True)):
        difference = x_attacked - x
        size = float(difference.abs().max())
        stretched = 0.5 + difference / (2 * size) if size else torch.full_like(x, 0.5)
        for ax, image in zip(axes[:, column], (x, stretched, x_attacked), strict=True):
            _show(ax, image.permute(1, 2, 0).clamp(0, 1).numpy())
        axes[0, column].set_title(title, fontsize=8)
        axes[1, column].set_title(f"largest change {size:.3f}", fontsize=8)
    for ax, label in zip(axes[:, 0], ("clean", "perturbation", "attacked"), strict=True):
        ax.set_ylabel(label)
    return figure


def _varied(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first sample of each group, then the second of each, until there are `count`."""
    turn = frame.groupby("group").cumcount()
    return frame.loc[turn.sort_values(kind="stable").index].head(count)


def _grid(folder: Path, rows: dict[str, pd.DataFrame], columns: int) -> Figure:
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(SIDE * columns, SIDE * len(rows)), squeeze=False, layout="constrained"
    )
    for line, (name, frame) in zip(axes, rows.items(), strict=True):
        for ax in line[len(frame) :]:
            ax.set_axis_off()
        for ax, path in zip(line, frame["path"], strict=False):
            _show(ax, decode(folder / path))
        line[0].set_ylabel(name)
    return figure


def _show(ax: Axes, image) -> None:
    ax.imshow(image)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
