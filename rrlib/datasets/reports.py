"""The report beside a manifest: how samples were read, what was done to them, and what was left out."""

import json
from pathlib import Path
from typing import Any

from rrlib import files

CLIPS, FRAMES, IMAGES = NAMES = ("clips.json", "frames.json", "images.json")


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
    how: dict[str, Any] = {} if name == IMAGES else {"frames": frames, "stride": stride, "crop": crop}
    report: dict[str, Any] = how | {"skipped": [], "passed_over": [], "notes": []} | left_out
    files.write_text(Path(folder, name), json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def read_report(folder: Path, name: str = CLIPS) -> dict[str, Any] | None:
    """What `write_report` wrote under that name, or None where it wrote nothing."""
    path = Path(folder, name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
