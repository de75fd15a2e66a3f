"""The report beside a manifest: how samples were read, what was done to them, and what was left out."""

import json
from pathlib import Path
from typing import Any

from rrlib import files
from rrlib.errors import InputError, parsing

CLIPS, FRAMES, IMAGES = NAMES = ("clips.json", "frames.json", "images.json")
HOW, LEFT_OUT = ("frames", "stride", "crop"), ("skipped", "passed_over", "notes")
AGAIN = "prepare the data set again"


def write_report(
    folder: Path,
    frames: int | None = None,
    stride: int | None = None,
    crop: dict[str, Any] | None = None,
    name: str = CLIPS,
    **left_out: list,
) -> None:
    """Say in `folder`/`name` how the data set there is read: clips.json of clips, frames.json, images.json.

    frames, stride: as `clips.stream` takes them, of clips and of frames; crop: how faces were cut out, where they were
    (see `reading.read_clips`); left_out: skipped, passed_over and notes, as `LeftOut.report` gives them.
    """
    how: dict[str, Any] = {} if name == IMAGES else dict(zip(HOW, (frames, stride, crop), strict=True))
    report: dict[str, Any] = how | {key: [] for key in LEFT_OUT} | left_out
    files.write_text(Path(folder, name), json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def read_report(folder: Path, name: str = CLIPS) -> dict[str, Any] | None:
    """What `write_report` wrote under that name, or None where it wrote nothing; InputError for anything else."""
    path = Path(folder, name)
    if not path.exists():
        return None
    with parsing(path, "a report on a data set", AGAIN):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not _is_report(found, of_images=name == IMAGES):
        raise InputError(f"{path} is not a report on a data set; {AGAIN}")
    return found


def _is_report(found: object, of_images: bool) -> bool:
    if not isinstance(found, dict) or not all(isinstance(found.get(key), list) for key in LEFT_OUT):
        return False
    if of_images:
        return True
    frames, stride, crop = (found.get(key) for key in HOW)
    return (
        isinstance(frames, int)
        and frames >= 1
        and (stride is None or (isinstance(stride, int) and stride >= 1))
        and (crop is None or isinstance(crop, dict))
    )
