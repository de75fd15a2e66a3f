"""DeepFakeFace (Song et al. 2023, arXiv 2309.02218) as it is distributed: a folder of real faces, three of fakes."""

from pathlib import Path

import pandas as pd

from rrlib.datasets import folder, manifest
from rrlib.errors import InputError

REAL = "wiki"
FAKES = ("inpainting", "insight", "text2img")


def read(source: Path, seed: int) -> pd.DataFrame:
    """One row per image, as `folder.read` gives them: in `wiki` real, in `inpainting`, `insight` and `text2img` fake.

    The same path in each folder shows the same person, so the path without its suffix is the group; there are no
    official splits, so groups are dealt out with `seed`. The family is the folder of a fake. Hidden files are passed
    over.

    Raises InputError if one of the four folders is missing or holds no image, and as `folder.read` does.
    """
    source = Path(source)
    rows = []
    for name in (REAL, *FAKES):
        paths = folder.IMAGES.find(source / name)
        if not paths:
            raise InputError(
                f"{source / name} holds no image; give the folder of DeepFakeFace, with {', '.join((REAL, *FAKES))}"
            )
        for path in paths:
            inside = path.relative_to(source / name)
            sample = f"{name}/{inside.with_suffix('').as_posix()}"
            rows.append(
                {
                    "sample": sample,
                    "path": f"{name}/{inside.as_posix()}",
                    "label": int(name != REAL),
                    "group": inside.with_suffix("").as_posix(),
                    "family": "" if name == REAL else name,
                }
            )
    frame = pd.DataFrame(rows)
    return folder.usable(
        frame, source, folder.IMAGES, None, lambda rows: folder.dealt(rows, str(source), seed, manifest.SPLITS)
    )
