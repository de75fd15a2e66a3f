"""A source of clips, read once from end to end: its rows, and what its report says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rrlib.datasets import clips, crops, folder, layouts


@dataclass(frozen=True)
class Clipping:
    """What is taken of each clip: `frames` and `stride` as for `clips.stream`, and the face where `crop` is given.

    crop: scale and size as for `crops.cut_out`, or some of them; None leaves frames whole.
    """

    frames: int
    stride: int | None = None
    crop: dict[str, float] | None = None


def read_clips(
    source: Path,
    seed: int,
    clipping: Clipping,
    keep: Callable[[str, Iterable[np.ndarray]], None],
    layout: str | dict[str, Any] | None = None,
    skip: bool = False,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row per clip of the source, and what `clips.write_report` is to say of them.

    `keep` is given each sample with its frames, uint8 (H, W, 3), one after the other. layout: see `layouts.read`.
    skip: leave out what cannot be used. Raises InputError as `folder.read` or `layouts.read` do.
    """
    count, stride = clipping.frames, clipping.stride
    faceless: dict[str, int] = {}
    crop: dict[str, Any] | None = None
    if clipping.crop is not None:
        crops.check_installed()
        crop = {"scale": crops.SCALE, "size": crops.SIZE} | clipping.crop

    def attempt(sample: str, path: Path) -> None:
        if crop is None:
            keep(sample, clips.stream(path, count, stride))
        else:
            faces, faceless[sample] = crops.cut_out(path, count, stride, crop["scale"], crop["size"])
            keep(sample, faces)

    frame, skipped = _rows(source, seed, folder.of_clips(attempt), layout, skip)
    report = {"frames": count, "stride": stride, "skipped": skipped, "crop": crop}
    if crop is not None:
        counts = {path: faceless[sample] for sample, path in zip(frame["sample"], frame["path"], strict=True)}
        report["crop"] = crop | {
            "frames": count * len(frame),
            "without_face": sum(counts.values()),
            "without_face_by_path": {path: missing for path, missing in counts.items() if missing},
        }
    return frame, report


def _rows(
    source: Path, seed: int, samples: folder.Samples, layout: str | dict[str, Any] | None, skip: bool
) -> tuple[pd.DataFrame, list[dict]]:
    """The rows of a source of clips, and what has none: path and reason."""
    skipped: list[dict] | None = [] if skip else None
    if layout is not None:
        return layouts.read(source, layout, seed, samples, skipped)
    layouts.refuse(source)
    return folder.read(source, seed, samples, skipped), skipped or []
