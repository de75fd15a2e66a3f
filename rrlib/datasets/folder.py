"""A user's own images or clips, as they lie: a folder with real/ and fake/, or a CSV file that lists them."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from rrlib.datasets import found, images, manifest
from rrlib.datasets.class_folders import ClassFolder, class_folders
from rrlib.datasets.found import shown
from rrlib.datasets.groups import by_pattern, of_frames
from rrlib.datasets.left_out import LeftOut
from rrlib.errors import InputError

LAYOUT = "give a folder with real/ and fake/, or a CSV file with the columns path, label and, if known, group, split"
SHOWN = 3
UNTRAINED = ("validation", "test")
CALIBRATES = 20  # groups of validation: a temperature and a threshold are fitted to no fewer
Searched = dict[tuple[int, int], tuple[ClassFolder, Path]]  # where each folder, by its number, was met


@dataclass(frozen=True)
class Samples:
    """What a source holds: its name in messages, how samples are found in real/ or fake/, and what tries one.

    `attempt` is given a sample and its path and raises InputError if it cannot be used.
    """

    name: str
    find: Callable[[Path], found.Found]
    attempt: Callable[[str, Path], object]


IMAGES = Samples("image", found.images, lambda _, path: images.examine(path))


def of_clips(attempt: Callable[[str, Path], object]) -> Samples:
    """Samples that are videos, or folders whose own files are frames."""
    return Samples("clip", found.clips, attempt)


def read(
    source: Path,
    seed: int,
    samples: Samples = IMAGES,
    left_out: LeftOut | None = None,
    group: str | None = None,
    train: bool = True,
) -> pd.DataFrame:
    """One row per sample of `source`, by path: columns sample, path (from `root(source)`), label, group, split, family.

    `source` is one of
    - a folder with real/ and fake/ (or 0_real/ and 1_fake/), with or without folders of splits above or below them (see
      `class_folders`), holding JPEG or PNG files (or, of clips, videos and folders of frames) at any depth; what counts
      and what is passed over, `found` says. The group is the name of the folder that a sample lies in (a video, an
      identity). Where that is real/ or fake/, it is the sample's own stem or, of images named VIDEO_FRAME, the video
      (see `groups.of_frames`). One name is one group wherever it occurs, in both classes too. Where folders of splits
      leave one out, train/ is dealt out over itself and those that are absent.
    - a CSV file, or a folder with a manifest.csv (which is then preferred), with the columns path (from the CSV's
      folder) and label (0 real, 1 fake), and optionally group (else each sample is its own), split and family. The
      columns sample and sha256 of a prepared manifest may be there and are worked out anew.
    Unless source gives it, the split is `grouped_split` with `seed`. `group`, a regular expression, takes the group
    from the part of that name in the sample's path below real/ or fake/ (or the CSV's folder), without its ending.

    Without `train` there is no training split: what has no split is dealt out over the two others. A training split
    that the source gives is left out, as detectors that come trained may have learned from it, and where the source
    gives only one of the others that one is dealt out over both. A source that gives nothing but training is taken as
    if it gave no split.

    Every sample is tried once, so that a bad file stops a study at its start. If `left_out` says skip, a sample that
    cannot be used stops nothing: it gets no row. What was left out, and what was decided, is put there.

    Raises InputError if the source or its layout is not as above, a name does not match `group`, no sample can be used
    or, unless skipping, if any cannot.
    """
    source, left_out = Path(source), left_out or LeftOut()
    table = _table(source)
    splits: Sequence[str] = manifest.SPLITS if train else UNTRAINED
    if table:
        frame = _listed(table, samples, group)
        frame = frame if train or "split" not in frame else _untrained(frame, samples, left_out)
    else:
        frame, splits = _found(source, samples, left_out, group, train)
    return usable(frame, root(source), samples, left_out, lambda rows: dealt(rows, str(source), seed, splits))


def usable(
    frame: pd.DataFrame,
    folder: Path,
    samples: Samples,
    left_out: LeftOut,
    deal: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """The rows that can be used, dealt out to splits; their paths are from `folder`, `left_out` is as for `read`."""
    # dealt before the samples are tried, since that may take long, and again over those that are left
    whole = deal(frame)
    complaints = _try_all(folder, whole, samples)
    leave_out(complaints, folder, len(whole), samples, left_out)
    if complaints:
        whole = deal(frame[~frame["path"].isin(list(complaints))])
    return whole[["sample", "path", "label", "group", "split", "family"]]


def leave_out(complaints: dict[str, str], folder: Path, count: int, samples: Samples, left_out: LeftOut) -> None:
    """Put complaints, by path from `folder`, on the list, unless nothing may be skipped or all would be."""
    if complaints and (not left_out.skip or len(complaints) == count):
        raise _refusal(folder, complaints, count, samples)
    left_out.skipped += [
        {"path": shown(Path(path)), "reason": complaint.removeprefix(shown(folder / path)).lstrip(": ")}
        for path, complaint in complaints.items()
    ]


def root(source: Path) -> Path:
    """The folder that the paths of `read(source, …)` start from: `source` itself, or that of the CSV file."""
    return Path(source).parent if Path(source).is_file() else Path(source)


def _table(source: Path) -> Path | None:
    """The CSV file that describes `source`, or None where the folders do."""
    if not source.exists():
        raise InputError(f"{source} does not exist; {LAYOUT}")
    if source.is_file():
        if source.suffix.lower() != ".csv":
            raise InputError(f"{source} is a file but no CSV file; {LAYOUT}")
        return source
    table = source / manifest.NAME
    return table if table.exists() else None


def _found(
    source: Path, samples: Samples, left_out: LeftOut, group: str | None, train: bool
) -> tuple[pd.DataFrame, Sequence[str]]:
    """The rows of a folder, and the splits over which those without one are to be dealt out."""
    places = class_folders(source, LAYOUT)
    rows: list[dict[str, object]] = []
    searched: Searched = {}
    unusable: dict[str, str] = {}
    for place in places:
        result = samples.find(place.path)
        _check_apart(place, result, searched)
        left_out.pass_over(source, result)
        unusable |= {path.relative_to(source).as_posix(): said for path, said in result.unusable.items()}
        if not result.paths and not result.unusable:
            raise InputError(f"{place.path} holds no {samples.name}; {LAYOUT}")
        rows += [_row(source, place, path, group) for path in result.paths]
    if unusable and not rows:
        raise _refusal(source, unusable, len(unusable), samples)
    leave_out(unusable, source, len(unusable) + len(rows), samples, left_out)
    frame = pd.DataFrame(rows)
    if not group and samples.name == "image":
        _take_for_frames(frame, left_out)
    splits = _open_splits(frame, left_out, train)
    frame = frame if train else _untrained(frame, samples, left_out)
    return frame.drop(columns=["own", "stem"]), splits


def _row(source: Path, place: ClassFolder, path: Path, pattern: str | None) -> dict[str, object]:
    inside, below = path.relative_to(source), path.relative_to(place.path)
    own = path.name if path.is_dir() else path.stem
    if pattern:
        group = by_pattern((below.parent / own).as_posix(), pattern, str(source))
    else:
        group = own if len(below.parts) == 1 else below.parent.name
    return {
        "sample": (inside.parent / own).as_posix(),
        "path": inside.as_posix(),
        "label": place.label,
        "group": group,
        "split": place.split,
        "family": "",
        "stem": own,
        "own": not pattern and len(below.parts) == 1,  # a group of one sample and of those of its name
    }


def _take_for_frames(frame: pd.DataFrame, left_out: LeftOut) -> None:
    """Give images straight in a folder of a class the video that their names tell as group, in place."""
    own = frame[frame["own"]]
    videos: dict[str, str] = {}
    for _, of_class in own.groupby("label"):
        videos |= of_frames(list(of_class["group"]))
    taken = own[own["group"].isin(list(videos))]
    frame.loc[taken.index, "group"] = taken["group"].map(videos)
    if len(taken):
        name = taken["group"].iloc[0]
        left_out.notes.append(
            f"{len(taken)} images were taken for frames of {len(set(videos.values()))} videos by their names, such as "
            f"{name} for a frame of {videos[name]}; if that is wrong, write the option group."
        )


def _open_splits(frame: pd.DataFrame, left_out: LeftOut, train: bool) -> Sequence[str]:
    """Over which splits to deal what has none, in place: train/ over itself and the splits that have no folder."""
    given = set(frame["split"])
    if given == {""}:
        return manifest.SPLITS if train else UNTRAINED
    # 0001 in train/ and 0001 in test/ are two samples, unless a folder's name says what they share
    _note_shared(frame[frame["own"] & (frame["group"] != frame["stem"])], left_out)
    frame.loc[frame["own"], "group"] = frame["split"] + "/" + frame["group"]
    if not train:
        return UNTRAINED
    absent = [split for split in manifest.SPLITS if split not in given]
    if not absent or "train" not in given:
        return manifest.SPLITS
    frame.loc[frame["split"] == "train", "split"] = ""
    left_out.notes.append(f"There is no {' and no '.join(absent)} folder: groups of train/ were dealt out to it.")
    return ["train", *absent]


def _untrained(frame: pd.DataFrame, samples: Samples, left_out: LeftOut) -> pd.DataFrame:
    """The rows without those for training; a split that stands alone is open, to be dealt out."""
    of_training = frame["split"] == "train"
    if of_training.all():
        return frame.assign(split="")
    rest = frame[~of_training].copy()
    if of_training.any():
        left_out.notes.append(
            f"{of_training.sum()} {samples.name}s of the training split were left out: no detector of this study is "
            "trained, and one that comes trained may have learned from them."
        )
    if (alone := set(rest["split"])) in ({"test"}, {"validation"}):
        rest["split"] = ""
        left_out.notes.append(
            f"Groups of the {alone.pop()} split were dealt out over validation, which calibrates, and test."
        )
    return rest


def _note_shared(frames: pd.DataFrame, left_out: LeftOut) -> None:
    """Say which videos have frames in the folders of several splits, by their names."""
    count = frames.groupby("group")["split"].nunique()
    if shared := list(count.index[count > 1]):
        left_out.notes.append(
            f"By their names, frames of {len(shared)} videos, such as {shared[0]}, lie in several folders of splits; "
            "they stay there."
        )


def _check_apart(place: ClassFolder, result: found.Found, searched: Searched) -> None:
    for number, path in result.folders.items():
        other, before = searched.setdefault(number, (place, path))
        if other.label != place.label or other.split != place.split:
            raise InputError(
                f"{path} and {before} are one folder, by links, but a sample has one label and one split; "
                "take one link out"
            )


def _listed(table: Path, samples: Samples, group: str | None) -> pd.DataFrame:
    frame = manifest.read_text(table)
    # an unknown column is refused because a misspelt "group" would let one video into two splits unseen
    unknown = [column for column in frame.columns if column not in manifest.COLUMNS]
    absent = [column for column in ("path", "label") if column not in frame.columns]
    if unknown or absent or frame.columns.has_duplicates:
        raise InputError(f"{table} has the columns {', '.join(frame.columns)}; {LAYOUT}")
    manifest.check_rows(frame, str(table))
    frame["label"] = frame["label"].astype(int)
    frame["path"] = [PurePosixPath(path).as_posix() for path in frame["path"]]
    for number, path in enumerate(map(PurePosixPath, frame["path"]), start=2):
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{table}: row {number} has the path {path}, which leaves {table.parent}; list {samples.name}s in it"
            )
        # a name that is too long for the system raises where pathlib asks, and not here
        there = os.path.isfile(table.parent / path)
        if not (there or (samples.name == "clip" and os.path.isdir(table.parent / path))):
            raise InputError(f"{table}: row {number} has the path {path}, but there is no such file; correct it")
    frame["sample"] = [
        path if os.path.isdir(table.parent / path) else str(PurePosixPath(path).with_suffix(""))
        for path in frame["path"]
    ]
    if group and "group" in frame:
        raise InputError(f"{table} has the column group, but the option group is given too; leave one out")
    if "group" not in frame:
        frame["group"] = [by_pattern(name, group, str(table)) if group else name for name in frame["sample"]]
    if "family" not in frame:
        frame["family"] = ""
    return frame


def dealt(frame: pd.DataFrame, where: str, seed: int, splits: Sequence[str] = manifest.SPLITS) -> pd.DataFrame:
    """The rows by path, checked as a whole; those without a split, or with an empty one, are dealt out over `splits`.

    What is equal in the column deal or, without it, in the column group goes into one split.
    """
    frame = frame.copy()
    if "split" not in frame:
        frame["split"] = ""
    free = frame[frame["split"] == ""]
    if not free.empty:
        fractions = _fractions(splits, free["group"].nunique())
        try:
            chosen = manifest.grouped_split(free.get("deal", free["group"]), free["label"], seed, fractions)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        frame.loc[free.index, "split"] = chosen
    manifest.check_whole(frame, where)
    return frame.sort_values("path", ignore_index=True)


def _fractions(splits: Sequence[str], groups: int) -> dict[str, float]:
    """The share of each split. Without training, validation gets what calibrates, if as much is left to test.

    >>> round(_fractions(UNTRAINED, 100)["validation"], 3), round(44 * _fractions(UNTRAINED, 44)["validation"], 1)
    (0.375, 20.5)
    """
    sum_of = sum(manifest.FRACTIONS[split] for split in splits)
    fractions = {split: manifest.FRACTIONS[split] / sum_of for split in splits}
    if tuple(splits) == UNTRAINED and groups > 2 * CALIBRATES:
        share = max(fractions["validation"], (CALIBRATES + 0.5) / groups)
        fractions = {"validation": share, "test": 1 - share}
    return fractions


def _try_all(folder: Path, frame: pd.DataFrame, samples: Samples) -> dict[str, str]:
    """What is wrong with the samples that cannot be used, by path."""

    def complaint(sample: str, path: str) -> str | None:
        try:
            samples.attempt(sample, folder / path)
        except InputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        answers = pool.map(complaint, frame["sample"], frame["path"])
        progress = tqdm(answers, total=len(frame), desc=f"checking {folder}", unit=samples.name, disable=None)
        return {path: answer for path, answer in zip(frame["path"], progress, strict=True) if answer}


def _refusal(folder: Path, complaints: dict[str, str], count: int, samples: Samples) -> InputError:
    said = list(complaints.values())
    if len(said) == 1:
        return InputError(said[0])
    first = " ".join(f"({number}) {each}" for number, each in enumerate(said[:SHOWN], start=1))
    return InputError(f"{folder}: {len(said)} of {count} {samples.name}s cannot be used, among them {first}")
