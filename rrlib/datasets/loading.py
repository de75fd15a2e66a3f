"""A split of a prepared data set as a torch data set, and what the reports beside its manifest say."""

from pathlib import Path
from typing import Any

from rrlib.datasets import manifest, reports
from rrlib.datasets.clips import ClipSet
from rrlib.datasets.images import ImageSet
from rrlib.errors import InputError, unknown


def load(folder: Path, split: str, input_size: int, keep: bool = False) -> ImageSet | ClipSet:
    """The samples of one split of a prepared data set: an `ImageSet` or a `ClipSet`, as the data set has it.

    Each image or frame is resized to (3, input_size, input_size). `keep` holds what was decoded in memory.

    Raises InputError if `folder` has no sound manifest or the split holds no samples.
    """
    if split not in manifest.SPLITS:
        raise unknown(f"{folder}: split", split, manifest.SPLITS)
    report = clip_report(folder)
    frame = manifest.read(folder)
    chosen = frame[frame["split"] == split]
    if chosen.empty:
        what = "images" if report is None else "clips"
        raise InputError(f"{folder} has no {split} {what}; it has {', '.join(sorted(set(frame['split'])))}")
    if report is None:
        return ImageSet(chosen, Path(folder), input_size, keep)
    # what was cut out has been chosen from the source already
    stride = None if report["crop"] else report["stride"]
    return ClipSet(chosen, Path(folder), input_size, keep, frames=report["frames"], stride=stride)


def clip_report(folder: Path) -> dict[str, Any] | None:
    """What clips.json says of a prepared data set, or None where it is of images.

    frames and stride (see `rrlib.datasets.clips.stream`), crop (None, or scale, size, frames, without_face and, by path
    of the source, how many frames of it had no face), and of what was left out: skipped (path and reason of each source
    that could not be used), passed_over (reason, count and first path of what is no sample by what it is) and notes
    (what else was decided, a sentence each).
    """
    return reports.read_report(folder)


def frame_report(folder: Path) -> dict[str, Any] | None:
    """The same from frames.json, of a data set whose images are frames of videos; None where they are not."""
    return reports.read_report(folder, reports.FRAMES)


def image_report(folder: Path) -> dict[str, Any] | None:
    """skipped, passed_over and notes of it from images.json, of a data set of a user's images; None for others."""
    return reports.read_report(folder, reports.IMAGES)
