"""What the files of a data set tell without a look at the faces: their format, size, compression and average colour.

In a fair data set none of it depends on the label. Where it does, a detector may learn it in place of forgeries, and a
test on the same data set cannot tell.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageStat

from rrlib import files
from rrlib.datasets.manifest import read_text

NAME = "traces.csv"
MOST = 4000  # images that are looked at; more would say no more
SIDE = 64  # pixels: colours are averaged over a picture of this size
# column: what it is called on a page, and whether its values are names
TRACES = {
    "format": ("the file format", True),
    "mode": ("the colour mode", True),
    "tables": ("the JPEG quantisation tables", True),
    "metadata": ("whether there are metadata", True),
    "width": ("the width", False),
    "height": ("the height", False),
    "bytes_per_pixel": ("the bytes per pixel", False),
    "red": ("the mean of red", False),
    "green": ("the mean of green", False),
    "blue": ("the mean of blue", False),
    "contrast": ("the contrast", False),
}


def write(folder: Path, frame: pd.DataFrame) -> None:
    """Look at the images of a prepared data set and write traces.csv beside its manifest: sample, label, group, TRACES.

    frame: rows as a manifest has them. Of more than MOST images whole groups are taken, in the order of a hash.
    """
    chosen = some(frame, MOST).sort_values("sample")
    rows = [look(Path(folder, path)) for path in chosen["path"]]
    found = pd.concat([chosen[["sample", "label", "group"]].reset_index(drop=True), pd.DataFrame(rows)], axis=1)
    with files.whole(Path(folder, NAME)) as unfinished:
        found.to_csv(unfinished, index=False, lineterminator="\n", float_format="%.6g")


def read(folder: Path) -> pd.DataFrame | None:
    """The traces of a prepared data set, or None where there are none: of clips, and of images that are drawn."""
    path = Path(folder, NAME)
    if not path.is_file():
        return None
    found = read_text(path)
    numbers = [name for name, (_, named) in TRACES.items() if not named]
    return found.astype({"label": int} | dict.fromkeys(numbers, float))


def some(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Whole groups of at most about `most` rows, chosen by a hash of their names; at least one group."""
    groups = sorted(frame["group"].astype(str).unique(), key=lambda name: hashlib.sha256(name.encode()).digest())
    sizes = frame["group"].astype(str).value_counts().reindex(groups).cumsum()
    kept = set(sizes.index[(sizes <= most) | (sizes == sizes.iloc[0])])
    return frame[frame["group"].astype(str).isin(kept)]


def look(path: Path) -> dict[str, object]:
    """The traces of one image file: sizes in pixels, colours as means of [0, 1] over the picture."""
    with Image.open(path) as image:
        tables = getattr(image, "quantization", None)
        kind, mode, (width, height) = image.format, image.mode, image.size
        metadata = bool(image.info.keys() & {"exif", "icc_profile", "comment", "XML:com.adobe.xmp"})
        image.draft("RGB", (SIDE, SIDE))
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    statistics = ImageStat.Stat(small)
    return {
        "format": kind,
        "mode": mode,
        "tables": hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:12] if tables else "none",
        "metadata": str(metadata).lower(),
        "width": width,
        "height": height,
        "bytes_per_pixel": path.stat().st_size / (width * height),
        **dict(zip(("red", "green", "blue"), np.divide(statistics.mean, 255).tolist(), strict=True)),
        "contrast": float(np.mean(statistics.stddev) / 255),
    }
