"""A user's own images or clips, as they lie: a folder with real/ and fake/, or a CSV file that lists them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from rrlib.datasets import clips, images, manifest
from rrlib.errors import InputError

LAYOUT = "give a folder with real/ and fake/, or a CSV file with the columns path, label and, if known, group, split"
SHOWN = 3


def _all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder))]


def _videos_and_folders_of_frames(folder: Path) -> list[Path]:
    files = _all_files(folder)
    holders = {path.parent for path in files if clips.is_picture(path.name)}
    if folder in holders:
        raise InputError(
            f"{folder} holds images, but a clip is a video file or a folder of frames; put each clip's in a folder"
        )
    return [*holders, *(path for path in files if not holders & set(path.parents))]


@dataclass(frozen=True)
class Samples:
    """What a source holds: its name in messages, how samples are found in real/ or fake/, and what tries one.

    `attempt` is given a sample and its path and raises InputError if it cannot be used.
    """

    name: str
    find: Callable[[Path], list[Path]]
    attempt: Callable[[str, Path], object]


IMAGES = Samples("image", _all_files, lambda _, path: images.decode(path))


def of_clips(attempt: Callable[[str, Path], object]) -> Samples:
    """Samples that are videos, or folders whose own files are frames."""
    return Samples("clip", _videos_and_folders_of_frames, attempt)


def read(source: Path, seed: int, samples: Samples = IMAGES, skipped: list[dict] | None = None) -> pd.DataFrame:
    """One row per sample of `source`, by path: columns sample, path (from `root(source)`), label, group, split, family.

    `source` is one of
    - a folder with real/ and fake/, each holding JPEG or PNG files (or, of clips, videos and folders of frames) at any
      depth. The group is the name of the folder that a sample lies in (a video, an identity), or the sample's own stem
      where that folder is real/ or fake/. One name is one group wherever it occurs, in both classes too. Hidden files
      are passed over.
    - a CSV file, or a folder with a manifest.csv (which is then preferred), with the columns path (from the CSV's
      folder) and label (0 real, 1 fake), and optionally group (else each sample is its own), split and family. The
      columns sample and sha256 of a prepared manifest may be there and are worked out anew.
    Unless the CSV gives it, the split is `grouped_split` with `seed`. Every sample is tried once, so that a bad file
    stops a study at its start. Given a list `skipped`, a sample that cannot be used stops nothing: it gets no row, and
    its path and the reason are put on the list.

    Raises InputError if the source or its layout is not as above, if no sample can be used or, without such a list, if
    any cannot.
    """
    source = Path(source)
    table = _table(source)
    frame = _listed(table, samples) if table else _found(source, samples)
    return usable(frame, root(source), samples, skipped, lambda rows: dealt(rows, str(source), seed))


def usable(
    frame: pd.DataFrame,
    folder: Path,
    samples: Samples,
    skipped: list[dict] | None,
    deal: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """The rows that can be used, dealt out to splits; their paths are from `folder`, `skipped` is as for `read`."""
    # dealt before the samples are tried, since that may take long, and again over those that are left
    whole = deal(frame)
    complaints = _try_all(folder, whole, samples)
    if complaints and skipped is None:
        raise _refusal(folder, complaints, len(whole), samples)
    if complaints:
        skipped += [
            {"path": path, "reason": complaint.removeprefix(f"{folder / path}").lstrip(": ")}
            for path, complaint in complaints.items()
        ]
        if len(complaints) == len(whole):
            raise _refusal(folder, complaints, len(whole), samples)
        whole = deal(frame[~frame["path"].isin(list(complaints))])
    return whole[["sample", "path", "label", "group", "split", "family"]]


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


def _found(source: Path, samples: Samples) -> pd.DataFrame:
    entries = sorted(entry.name for entry in source.iterdir())
    absent = [name for name in manifest.CLASSES.values() if not (source / name).is_dir()]
    if not entries:
        raise InputError(f"{source} is empty; {LAYOUT}")
    if len(absent) == 1:
        raise InputError(f"{source} has no {absent[0]}/ beside the other class; {LAYOUT}")
    if absent:
        folders = [f"{name}/" for name in entries if (source / name).is_dir()]
        found = f"the sub-folders {', '.join(folders)}" if folders else "no sub-folder"
        raise InputError(f"{source} has neither real/ nor fake/, found {found}; {LAYOUT}")
    rows = []
    for label, name in manifest.CLASSES.items():
        paths = samples.find(source / name)
        if not paths:
            raise InputError(f"{source / name} holds no {samples.name}; {LAYOUT}")
        for path in paths:
            inside = path.relative_to(source)
            own = inside.name if path.is_dir() else inside.stem
            group = own if len(inside.parts) == 2 else inside.parent.name
            sample = (inside.parent / own).as_posix()
            rows.append({"sample": sample, "path": inside.as_posix(), "label": label, "group": group, "family": ""})
    return pd.DataFrame(rows)


def _listed(table: Path, samples: Samples) -> pd.DataFrame:
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
        if not ((table.parent / path).is_file() or (samples.name == "clip" and (table.parent / path).is_dir())):
            raise InputError(f"{table}: row {number} has the path {path}, but there is no such file; correct it")
    frame["sample"] = [
        path if (table.parent / path).is_dir() else str(PurePosixPath(path).with_suffix("")) for path in frame["path"]
    ]
    if "group" not in frame:
        frame["group"] = frame["sample"]
    if "family" not in frame:
        frame["family"] = ""
    return frame


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def dealt(frame: pd.DataFrame, where: str, seed: int, splits: Sequence[str] = manifest.SPLITS) -> pd.DataFrame:
    """The rows by path, checked as a whole; those without a split, or with an empty one, are dealt out over `splits`.

    What is equal in the column deal or, without it, in the column group goes into one split.
    """
    frame = frame.copy()
    if "split" not in frame:
        frame["split"] = ""
    free = frame[frame["split"] == ""]
    if not free.empty:
        sum_of = sum(manifest.FRACTIONS[split] for split in splits)
        fractions = {split: manifest.FRACTIONS[split] / sum_of for split in splits}
        try:
            chosen = manifest.grouped_split(free.get("deal", free["group"]), free["label"], seed, fractions)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        frame.loc[free.index, "split"] = chosen
    manifest.check_whole(frame, where)
    return frame.sort_values("path", ignore_index=True)


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
    found = list(complaints.values())
    if len(found) == 1:
        return InputError(found[0])
    shown = "\n  ".join(found[:SHOWN])
    return InputError(f"{folder}: {len(found)} of {count} {samples.name}s cannot be used, among them\n  {shown}")
