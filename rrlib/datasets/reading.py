"""A source of clips, read once from end to end: its rows, and what its report says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rrlib.datasets import clips, crops, folder, layouts
from rrlib.datasets.left_out import LeftOut


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
    left_out: LeftOut,
    layout: str | dict[str, Any] | None = None,
    group: str | None = None,
    train: bool = True,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row per clip of the source, and what `reports.write_report` is to say of them.

    `keep` is given each sample with its frames, uint8 (H, W, 3), one after the other. layout: see `layouts.read`.
    left_out, group, train: see `folder.read`. Raises InputError as `folder.read` or `layouts.read` do.
    """
    count, stride = clipping.frames, clipping.stride
    faceless: dict[str, int] = {}
    crop: dict[str, Any] | None = None
    if clipping.crop is not None:
        crops.check_installed()
        crop = {"scale": crops.SCALE, "size": crops.SIZE} | clipping.crop

    def attempt(sample: str, path: Path) -> None:
        if crop is None:
            keep(sample, clips.stream(path, count, stride, examine=True))
        else:
            faces, faceless[sample] = crops.cut_out(path, count, stride, crop["scale"], crop["size"], examine=True)
            keep(sample, faces)

    samples = folder.of_clips(attempt)
    if layout is not None:
        frame = layouts.read(source, layout, seed, samples, left_out)
    else:
        layouts.refuse(source)
        frame = folder.read(source, seed, samples, left_out, group, train)
    report = {"frames": count, "stride": stride, "crop": crop, **left_out.report()}
    if crop is not None:
        counts = {path: faceless[sample] for sample, path in zip(frame["sample"], frame["path"], strict=True)}
        report["crop"] = crop | {
            "frames": count * len(frame),
            "without_face": sum(counts.values()),
            "without_face_by_path": {path: missing for path, missing in counts.items() if missing},
        }
    return frame, report
