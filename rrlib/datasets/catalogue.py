"""The one door to the data sets: prepare one from its lines in params.yaml, then load a split of it."""

import hashlib
import os
from pathlib import Path

import pandas as pd

from rrlib.datasets import folder as image_folder
from rrlib.datasets import manifest, synthetic
from rrlib.datasets.images import ImageSet
from rrlib.errors import InputError, unknown


def check(where: str, definition: dict) -> None:
    """Raise InputError, which begins with `where`, unless a definition has a known kind and that kind's options.

    >>> check("params.yaml: datasets.faces", {"kind": "folder", "source": "faces", "seed": 0})
    """
    kind = definition.get("kind")
    if kind not in list(KINDS):
        raise unknown(f"{where}.kind", kind, KINDS)
    _, needed, ignored = KINDS[kind]
    options = definition.keys() - {"kind"}
    if not needed <= options <= needed | ignored:
        raise InputError(
            f"{where} has the options {', '.join(sorted(options)) or 'none'}; "
            f"the kind {kind} takes {', '.join(sorted(needed | ignored))}"
        )
    if kind == "synthetic":
        try:
            synthetic.check(**{key: definition[key] for key in needed})
        except InputError as error:
            raise InputError(f"{where}: {error}") from None


def prepare(name: str, definition: dict, folder: Path) -> None:
    """Make the data set `name` in `folder`: its images where they have to be made, and last its manifest.csv.

    definition: `kind`, one of `KINDS`, and that kind's options:
    - synthetic draws faces: size (pixels), images (split → count), strength, seed; `source` names the code and is
      for DVC only.
    - folder takes images as they lie: source (see `rrlib.datasets.folder.read`; relative to the working directory)
      and seed. Nothing is copied: the manifest's paths lead from `folder` to the source.

    Raises what `check` raises, and InputError if the images cannot be used; then no manifest.csv is left behind.
    """
    check(f"params.yaml: datasets.{name}", definition)
    reader, needed, _ = KINDS[definition["kind"]]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = reader(folder, {key: definition[key] for key in needed})
    frame["sha256"] = [hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in frame["path"]]
    manifest.write(folder, frame)


def load(folder: Path, split: str, input_size: int, keep: bool = False) -> ImageSet:
    """The images of one split of a prepared data set, each resized to (3, input_size, input_size).

    `keep` holds what was decoded in memory (see `ImageSet`).

    Raises InputError if `folder` has no sound manifest or the split holds no images.
    """
    if split not in manifest.SPLITS:
        raise unknown(f"{folder}: split", split, manifest.SPLITS)
    frame = manifest.read(folder)
    chosen = frame[frame["split"] == split]
    if chosen.empty:
        raise InputError(f"{folder} has no {split} images; it has {', '.join(sorted(set(frame['split'])))}")
    return ImageSet(chosen, Path(folder), input_size, keep)


def _drawn(folder: Path, options: dict) -> pd.DataFrame:
    (folder / manifest.NAME).unlink(missing_ok=True)
    frame = synthetic.write(folder, **options)
    return frame.assign(sample=frame["path"].str.removesuffix(".png"))


def _taken(folder: Path, options: dict) -> pd.DataFrame:
    source = Path(options["source"])
    # both ends resolved, because ".." is followed after symbolic links
    root = Path(os.path.relpath(image_folder.root(source).resolve(), folder.resolve()))
    if root == Path("."):
        raise InputError(f"{source} would be prepared in its own folder, over its own files; prepare it in another one")
    (folder / manifest.NAME).unlink(missing_ok=True)
    frame = image_folder.read(source, options["seed"])
    return frame.assign(path=[(root / path).as_posix() for path in frame["path"]])


# kind: (reader of folder and options, the options that it needs, those that it may carry for others)
KINDS = {
    "synthetic": (_drawn, {"size", "images", "strength", "seed"}, {"source"}),
    "folder": (_taken, {"source", "seed"}, set()),
}
# kinds whose samples are clips, (T, 3, H, W); the others' are images
CLIP_KINDS = frozenset({"clips", "synthetic-clips"})
