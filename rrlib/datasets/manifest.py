"""The manifest: one row per image of a prepared data set, so that label, group and split are decided once.

| column | meaning |
|---|---|
| sample | unique name, the image's path in its data set without the suffix |
| path | where the image lies, with forward slashes, from the manifest's folder |
| label | 0 real, 1 fake |
| group | what samples share when they are not independent: the source video, the identity |
| split | train, validation or test |
| family | how a fake was made, where that is known |
| sha256 | of the image file, so that a changed image is a changed manifest |
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rrlib import files
from rrlib.datasets.found import bad_name, shown
from rrlib.errors import InputError

NAME = "manifest.csv"
MOST_BYTES = 2**28  # some two million rows
COLUMNS = ("sample", "path", "label", "group", "split", "family", "sha256")
SPLITS = ("train", "validation", "test")
FRACTIONS = {"train": 0.6, "validation": 0.15, "test": 0.25}
CLASSES = {0: "real", 1: "fake"}


def write(folder: Path, frame: pd.DataFrame) -> None:
    """Check `frame` and write it as `folder`/manifest.csv: rows by sample, the same bytes for the same rows.

    The file appears whole or not at all. Raises what `check` raises.
    """
    path = Path(folder, NAME)
    check(frame, str(path))
    with files.whole(path) as unfinished:
        frame.sort_values("sample").to_csv(unfinished, columns=list(COLUMNS), index=False, lineterminator="\n")


def read(folder: Path) -> pd.DataFrame:
    """The checked manifest of a prepared data set: text columns as they stand (a group "007" stays so), label int.

    Raises InputError if there is no manifest, or what `check` raises.
    """
    path = Path(folder, NAME)
    frame = read_text(path)
    check(frame, str(path))
    return frame.astype({"label": int})


def read_text(path: Path) -> pd.DataFrame:
    """A CSV file (UTF-8, with a header) as a frame of strings; nothing is taken for a number or a missing value.

    Raises InputError if the file cannot be read or a row is longer or shorter than the header.
    """
    files.check_size(path, MOST_BYTES)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); give a CSV file in UTF-8") from error
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells, but the header has {len(header)}; repair it")
    return pd.DataFrame(rows, columns=header, dtype=str)


def check(frame: pd.DataFrame, where: str) -> None:
    """Raise InputError, beginning with `where`, unless `frame` is a manifest that a study can rely on.

    It has all columns and at least one row, its paths lead from its own folder, and it passes `check_rows` and
    `check_whole`.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(f"{where} lacks the columns {', '.join(missing)}; a manifest has {', '.join(COLUMNS)}")
    check_rows(frame, where)
    for row, path in enumerate(frame["path"], start=2):
        if Path(path).is_absolute():
            raise InputError(
                f"{where}: row {row} has the path '{shown(path)}', but the paths of a prepared data set lead from its "
                "own folder; prepare the data set anew"
            )
    check_whole(frame, where)


def check_rows(frame: pd.DataFrame, where: str) -> None:
    """Raise InputError, naming row and value, unless each row by itself is in order, in the columns that are there.

    A label is 0 or 1, a split is one of `SPLITS`, a group is not empty. Rows are counted as in the CSV file, whose
    header is row 1. No text holds a character that ends a line or a page cannot show.
    """
    if frame.empty:
        raise InputError(f"{where} names no image; list real and fake images")
    allowed = {
        "label": (lambda label: label in ("0", "1"), "0 (real) or 1 (fake)"),
        "split": (lambda split: split in SPLITS, f"one of {', '.join(SPLITS)}"),
        "group": (lambda group: group != "", "a name that is not empty"),
    }
    for column in frame.columns.intersection(["sample", "path", "group", "family"]):
        for row, value in enumerate(frame[column].astype(str), start=2):
            if complaint := bad_name(value):
                raise InputError(
                    f"{where}: row {row} has the {column} '{shown(value)}', but {complaint.replace('its name', 'it')}; "
                    "rename it"
                )
    for column in frame.columns.intersection(list(allowed)):
        accepts, meaning = allowed[column]
        for row, value in enumerate(frame[column].astype(str), start=2):
            if not accepts(value):
                raise InputError(f"{where}: row {row} has the {column} '{value}'; a {column} is {meaning}, correct it")


def check_whole(frame: pd.DataFrame, where: str) -> None:
    """Raise InputError unless the rows of `frame` go together; a column sha256 may still be missing.

    Each sample occurs once; each split that occurs has both classes; no group is in two splits, and no image file
    either, since what a detector was trained on says nothing about its robustness on new faces.
    """
    repeated = frame["sample"].duplicated()
    if repeated.any():
        sample = frame.loc[repeated, "sample"].iloc[0]
        paths = ", ".join(frame.loc[frame["sample"] == sample, "path"])
        raise InputError(f"{where}: the sample {sample} occurs more than once ({paths}); rename or remove all but one")
    for split, labels in frame["label"].astype(int).groupby(frame["split"]):
        if labels.nunique() < 2:
            only = CLASSES[labels.iloc[0]]
            raise InputError(f"{where}: the split {split} holds one class only ({only}); give it real and fake images")
    _check_one_split(frame, "group", "put the whole group into one split", where)
    if "sha256" in frame:
        _check_one_split(frame, "sha256", "keep one copy of this image or give both the same group", where)


def grouped_split(
    groups: pd.Series, labels: pd.Series, seed: int, fractions: Mapping[str, float] = FRACTIONS
) -> pd.Series:
    """Deal groups out to splits: a Series of split names, with the index of `groups`.

    groups, labels: one entry per sample, labels 0 or 1. No group is cut. Per class, each split gets at least one
    group and close to its fraction of the groups. Groups are dealt in the order of a hash of seed and name, so the
    result depends neither on the order of the rows nor on a library's random numbers.

    Raises InputError if a class has fewer groups than there are splits.

    >>> groups = pd.Series(["a", "a", "b", "b", "c", "c"])
    >>> grouped_split(groups, pd.Series([0, 1, 0, 1, 0, 1]), seed=1).tolist()
    ['train', 'train', 'test', 'test', 'validation', 'validation']
    """
    classes = {str(group): tuple(sorted(set(held))) for group, held in labels.groupby(groups)}
    for label, name in CLASSES.items():
        count = sum(label in held for held in classes.values())
        if count < len(fractions):
            raise InputError(
                f"the {name} images fall into {count} groups, but {', '.join(fractions)} need one each; "
                "add images, or name finer groups or the splits in a CSV manifest"
            )
    seen: Counter[int] = Counter()
    dealt: Counter[tuple[str, int]] = Counter()
    split_of: dict[str, str] = {}
    # groups that hold both classes come first: those of one class can then even out what they left
    for group in sorted(classes, key=lambda group: (-len(classes[group]), _hash(seed, group))):
        held = classes[group]
        seen.update(held)
        lacking = {split: sum(dealt[split, label] == 0 for label in held) for split in fractions}
        owed = {
            split: sum(fractions[split] * seen[label] - dealt[split, label] for label in held) for split in fractions
        }
        split = max(fractions, key=lambda split: (lacking[split], owed[split]))
        dealt.update((split, label) for label in held)
        split_of[group] = split
    return groups.map(split_of)


def _hash(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()


def _check_one_split(frame: pd.DataFrame, column: str, remedy: str, where: str) -> None:
    splits = frame.groupby(column)["split"].nunique()
    torn = splits.index[splits > 1]
    if len(torn):
        parts = frame[frame[column] == torn[0]].drop_duplicates("split")
        found = " and ".join(f"{split} ({path})" for split, path in zip(parts["split"], parts["path"], strict=True))
        raise InputError(f"{where}: the {column} {torn[0]} is in two splits, {found}; {remedy}")
