"""The Deepfake Detection Challenge: its training parts (Dolhansky et al. 2020) and its preview (Dolhansky et al. 2019).

A part has a metadata.json, which names the original of each fake: the original is the group. The preview has a
dataset.json, which names actors: the one who was filmed, target_id, is the group, and its official test set stays.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from rrlib.datasets.layouts import files
from rrlib.datasets.manifest import SPLITS
from rrlib.errors import InputError

PREVIEW, METADATA, PARTS = "dataset.json", "metadata.json", "dfdc_train_part_*"
MARKS = (PREVIEW, METADATA, PARTS)
OPTIONS = ()
LABELS = {"real": 0, "fake": 1}
SETS = {"train": "", "test": "test"}


def check(where: str) -> None:
    """There is nothing to choose."""


def read(source: Path) -> pd.DataFrame:
    """One row per video that the JSON lists: path (from `source`), label, group, split (test, or empty), family, deal.

    source: the folder of the parts dfdc_train_part_*/, one of them, or the folder of the preview. deal: what goes into
    one split as a whole: a part where there are three or more, else a group. A video that is not listed has no label
    and is not read.

    Raises InputError if the JSON is damaged, or an entry is not as it should be. Whether each video is there is not
    looked at.
    """
    if (source / PREVIEW).is_file():
        return _preview(source)
    parts = [source] if (source / METADATA).is_file() else sorted(filter(Path.is_dir, source.glob(PARTS)))
    if not parts:
        raise InputError(f"{source} has no unpacked part; unpack {PARTS}, each with its {METADATA}")
    frame = pd.concat([_part(source, part) for part in parts], ignore_index=True)
    if len(parts) < len(SPLITS):
        return frame.assign(deal=frame["group"])
    # a group that is in two parts goes where its first one does
    return frame.assign(deal=frame.groupby("group")["part"].transform("first"))


def _part(source: Path, part: Path) -> pd.DataFrame:
    listing, rows = part / METADATA, []
    for name, entry in _entries(listing).items():
        label = _label(listing, name, entry, {"REAL": 0, "FAKE": 1})
        original = entry.get("original") if label else name
        if not isinstance(original, str) or not original:
            raise InputError(f"{listing}: the fake {name} names no original; fetch the file again")
        rows.append(((part / name).relative_to(source).as_posix(), label, PurePosixPath(original).stem))
    frame = pd.DataFrame(rows, columns=["path", "label", "group"])
    return frame.assign(split="", family="", part=part.name)


def _preview(source: Path) -> pd.DataFrame:
    listing, rows = source / PREVIEW, []
    for name, entry in _entries(listing).items():
        label = _label(listing, name, entry, LABELS)
        if entry.get("set") not in list(SETS):
            raise InputError(f"{listing}: {name} has the set {entry.get('set')!r}; it is train or test, correct it")
        actor = entry.get("target_id")
        if actor in (None, "") or not isinstance(actor, int | str):
            raise InputError(f"{listing}: {name} has the target_id {actor!r}; it names an actor, fetch the file again")
        family = "".join(PurePosixPath(name).parent.parts[:1]) if label else ""
        rows.append((PurePosixPath(name).as_posix(), label, str(actor), SETS[entry["set"]], family))
    frame = pd.DataFrame(rows, columns=["path", "label", "group", "split", "family"])
    return frame.assign(deal=frame["group"])


def _entries(listing: Path) -> dict[str, dict]:
    entries = files.read_json(listing)
    if not isinstance(entries, dict) or not entries or not all(isinstance(entry, dict) for entry in entries.values()):
        raise InputError(f"{listing} does not list videos, each with its label; fetch it again")
    for name in entries:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".mp4":
            raise InputError(f"{listing} lists {name!r}, but a video is an .mp4 in the data set; correct it")
    return entries


def _label(listing: Path, name: str, entry: dict, labels: dict[str, int]) -> int:
    label = entry.get("label")
    if label not in list(labels):
        raise InputError(f"{listing}: {name} has the label {label!r}; it is {' or '.join(labels)}, correct it")
    return labels[label]
