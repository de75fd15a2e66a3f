"""Images and clips of a data set and of an attack, as a reader wants to see them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rrlib import text
from rrlib.datasets import ClipSet, decode, read_report
from rrlib.errors import InputError
from rrlib.report.figures import COLORS, PAGE

SIDE = 1.15  # inches per image
EXACT = 160  # pixels: no image is drawn so large that it needs more
FRAMES = 8  # of a clip, at most
FAMILIES = 24  # a row each, at most; a manifest may name thousands


def plot_images(folder: Path, frame: pd.DataFrame, columns: int = 8) -> Figure:
    """Real images above fake ones, `columns` each, of as many groups as there are; `frame` is part of a manifest."""
    rows = {name: _varied(frame[frame["label"] == label], columns) for label, name in enumerate(("real", "fake"))}
    return _grid(folder, rows, columns)


def plot_families(folder: Path, frame: pd.DataFrame, columns: int = 6) -> Figure:
    """One row of fakes for each of the first families of forgeries; where none is named, all fakes make one row."""
    fakes = frame[frame["label"] == 1]
    families = fakes["family"].fillna("").replace("", "fake")
    rows = {name: _varied(part, columns) for name, part in fakes.groupby(families, sort=False)}
    return _grid(folder, dict(list(rows.items())[:FAMILIES]), columns)


def plot_examples(clean: torch.Tensor, attacked: torch.Tensor, titles: Sequence[str]) -> Figure:
    """Clean image, perturbation and attacked image of a few samples, (N, 3, H, W) each.

    The perturbation is drawn in shades of grey, the mean of its three colours, round mid-grey and stretched to its own
    largest value, which its title gives.
    """
    figure, axes = plt.subplots(3, len(clean), figsize=(1.4 * len(clean), 4.9), squeeze=False, layout="constrained")
    for column, (x, x_attacked, title) in enumerate(zip(clean, attacked, titles, strict=True)):
        difference = x_attacked - x
        for ax, image in zip(axes[:, column], (x, _stretched(difference), x_attacked), strict=True):
            _show(ax, _pixels(image))
        axes[0, column].set_title(title, fontsize=8)
        axes[1, column].set_title(f"largest change {difference.abs().max():.3f}", fontsize=8)
    for ax, label in zip(axes[:, 0], ("clean", "perturbation", "attacked"), strict=True):
        ax.set_ylabel(label)
    return figure


def plot_filmstrip(
    clean: torch.Tensor,
    attacked: torch.Tensor,
    scores_before: Sequence[float],
    scores_after: Sequence[float],
    title: str,
) -> Figure:
    """One clip under attack: frames, perturbation and attacked frames; below them the score over time.

    At most `FRAMES` frames are drawn, evenly chosen; the score has all. The perturbation is drawn in shades of grey,
    the mean of its three colours, and stretched to its largest value in the clip, so that frames can be compared.

    Args:
        clean, attacked: (T, 3, H, W), pixels in [0, 1].
        scores_before, scores_after: (T,), the probability of fake in [0, 1] after each frame, clean and attacked.

    Raises:
        InputError: for shapes that do not match.
    """
    count = len(clean)
    shapes = [tuple(np.shape(part)) for part in (clean, attacked, scores_before, scores_after)]
    if clean.ndim != 4 or count == 0 or shapes != [shapes[0], shapes[0], (count,), (count,)]:
        given = ", ".join(map(str, shapes))
        raise InputError(f"shapes {given} were given; pass two clips (T, 3, H, W) and two scores (T,)")
    chosen = _evenly(count)
    difference = attacked - clean
    height, width = clean.shape[-2:]
    above, below = 3 * min(6 / len(chosen) * height / width, 1.6) + 0.5, 1.9  # inches
    figure = plt.figure(figsize=(PAGE, above + below), layout="constrained")
    strip, scores = figure.subfigures(2, 1, height_ratios=[above, below], squeeze=False).flat
    axes = strip.subplots(3, len(chosen), squeeze=False)
    rows = {"clean": clean, "perturbation": _stretched(difference), "attacked": attacked}
    for line, (name, clip) in zip(axes, rows.items(), strict=True):
        for ax, frame in zip(line, chosen, strict=True):
            _show(ax, _pixels(clip[frame]))
        _name_row(line[0], name)
    for ax, frame in zip(axes[0], chosen, strict=True):
        ax.set_title(f"frame {frame}", fontsize=8)
    strip.suptitle(f"{title}, largest change {difference.abs().max():.3f}", fontsize=9)
    _plot_scores(scores.subplots(), scores_before, scores_after)
    return figure


def plot_clips(clips: Sequence[torch.Tensor], names: Sequence[str]) -> Figure:
    """A contact sheet: a row for each clip (T, 3, H, W), its name before it, with at most `FRAMES` frames."""
    columns = max(len(_evenly(len(clip))) for clip in clips)
    figure, axes = plt.subplots(
        len(clips), columns, figsize=(SIDE * columns + 1, SIDE * len(clips)), squeeze=False, layout="constrained"
    )
    for line, clip, name in zip(axes, clips, names, strict=True):
        chosen = _evenly(len(clip))
        for ax, frame in zip(line, chosen, strict=False):
            _show(ax, _pixels(clip[frame]))
        for ax in line[len(chosen) :]:
            ax.set_axis_off()
        _name_row(line[0], name)
    return figure


def plot_clip_samples(folder: Path, frame: pd.DataFrame, each: int) -> Figure:
    """A contact sheet: `each` clips of every kind, real and the first families of fakes, of a part of a manifest."""
    kinds = frame["family"].fillna("").where(frame["label"] == 1, "real").replace("", "fake")
    order = sorted(set(kinds), key=lambda kind: (kind != "real", kind))[: FAMILIES + 1]
    rows = pd.concat([_varied(frame[kinds == kind], each) for kind in order])
    report = read_report(folder)
    assert report is not None  # a data set of clips has one
    clips = ClipSet(rows, folder, 128, frames=report["frames"], stride=report["stride"])
    return plot_clips([clips[number][0] for number in range(len(clips))], list(kinds[rows.index]))


def _plot_scores(ax: Axes, before: Sequence[float], after: Sequence[float]) -> None:
    """A detector's score over the frames of a clip, before and after the attack.

    Scores are rounded, as their last digits may depend on the number of threads, and the picture should not.
    """
    frames = range(len(before))
    ax.plot(frames, np.round(before, 3), "-o", color="black", markersize=3, label="before")
    ax.plot(frames, np.round(after, 3), "--s", color=COLORS[1], markersize=3, label="after the attack")
    ax.axhline(0.5, color="grey", linewidth=0.8, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(
        xlim=(-0.5, len(before) - 0.5),
        ylim=(-0.05, 1.05),
        xlabel="last frame that the detector has seen",
        ylabel="probability of fake\n(0 real, 1 fake)",
    )
    ax.legend(loc="best")


def _name_row(ax: Axes, name: str) -> None:
    """The name before a row of images, level, so that it fits however low they are."""
    ax.set_ylabel(text.label(name), rotation="horizontal", ha="right", va="center", fontsize=8)


def _evenly(count: int) -> list[int]:
    """The numbers of at most `FRAMES` frames of `count`, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, FRAMES)).round().astype(int).tolist()


def _stretched(difference: torch.Tensor) -> torch.Tensor:
    """A perturbation (…, 3, H, W) in shades of grey, the mean of its three colours: 0 is mid-grey, ± the largest change
    of a pixel value white or black; in 8 steps, as many as an eye tells apart in noise.
    """
    size = float(difference.abs().max())
    grey = difference.mean(dim=-3, keepdim=True).expand_as(difference)
    return 0.5 + (4 * grey / size).round() / 8 if size else torch.full_like(difference, 0.5)


def _pixels(image: torch.Tensor) -> np.ndarray:
    """(3, H, W) → (H, W, 3), in [0, 1]."""
    return image.permute(1, 2, 0).clamp(0, 1).numpy()


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
        line[0].set_ylabel(text.label(name))
    return figure


def _show(ax: Axes, image) -> None:
    """A small image pixel by pixel, which the viewer enlarges; a large one in the pixels that the figure has for it."""
    pixels = np.asarray(image)
    drawn = ax.imshow(pixels, interpolation="none" if max(pixels.shape[:2]) <= EXACT else "nearest")
    drawn.set_clip_on(False)  # it fills its axes; a frame and what clips it would outweigh a small picture
    ax.spines[:].set_visible(False)
    ax.patch.set_visible(False)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
