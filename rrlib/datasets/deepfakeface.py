"""DeepFakeFace (Song et al. 2023, arXiv 2309.02218) as it is distributed: a folder of real faces, three of fakes."""

from pathlib import Path

import pandas as pd

from rrlib.datasets import folder, manifest
from rrlib.datasets.found import Found
from rrlib.datasets.left_out import LeftOut
from rrlib.errors import InputError

REAL = "wiki"
FAKES = ("inpainting", "insight", "text2img")


def read(source: Path, seed: int, left_out: LeftOut | None = None) -> pd.DataFrame:
    """One row per image, as `folder.read` gives them: in `wiki` real, in `inpainting`, `insight` and `text2img` fake.

    The same path in each folder shows the same person, so the path without its suffix is the group; there are no
    official splits, so groups are dealt out with `seed`. The family is the folder of a fake. `left_out` is as for
    `folder.read`.

    Raises InputError if one of the four folders is missing or holds no image, and as `folder.read` does.
    """
    source, left_out = Path(source), left_out or LeftOut()
    rows: list[dict[str, object]] = []
    unusable: dict[str, str] = {}
    for name in (REAL, *FAKES):
        result = folder.IMAGES.find(source / name) if (source / name).is_dir() else Found()
        left_out.pass_over(source, result)
        unusable |= {path.relative_to(source).as_posix(): said for path, said in result.unusable.items()}
        if not (paths := result.paths):
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
    folder.leave_out(unusable, source, len(unusable) + len(rows), folder.IMAGES, left_out)
    frame = pd.DataFrame(rows)
    return folder.usable(
        frame, source, folder.IMAGES, left_out, lambda rows: folder.dealt(rows, str(source), seed, manifest.SPLITS)
    )
