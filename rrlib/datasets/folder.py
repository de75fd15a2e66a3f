"""A user's own images, as they lie: a folder with real/ and fake/, or a CSV file that lists them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from rrlib.datasets import images, manifest
from rrlib.errors import InputError

LAYOUT = "give a folder with real/ and fake/, or a CSV file with the columns path, label and, if known, group, split"
SHOWN = 3


def read(source: Path, seed: int) -> pd.DataFrame:
    """One row per image of `source`, by path: columns sample, path (from `root(source)`), label, group, split, family.

    `source` is one of
    - a folder with real/ and fake/, each holding JPEG or PNG files at any depth. The group is the name of the folder
      that an image lies in (a video, an identity), or the image's own stem where that folder is real/ or fake/.
      One name is one group wherever it occurs, in both classes too. Hidden files are passed over.
    - a CSV file, or a folder with a manifest.csv (which is then preferred), with the columns path (from the CSV's
      folder) and label (0 real, 1 fake), and optionally group (else each image is its own), split and family. The
      columns sample and sha256 of a prepared manifest may be there and are worked out anew.
    Unless the CSV gives it, the split is `grouped_split` with `seed`. Every image is decoded once, so that a bad file
    stops a study at its start.

    Raises InputError if the source or its layout is not as above, or if any file is no image that `decode` accepts.
    """
    source = Path(source)
    table = _table(source)
    frame = _listed(table) if table else _found(source)
    if "split" not in frame:
        try:
            frame["split"] = manifest.grouped_split(frame["group"], frame["label"], seed)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
    manifest.check_whole(frame, str(source))
    frame = frame.sort_values("path", ignore_index=True)
    _decode_all(root(source), frame["path"])
    return frame[["sample", "path", "label", "group", "split", "family"]]


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


def _found(source: Path) -> pd.DataFrame:
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
        paths = [path.relative_to(source) for path in (source / name).rglob("*") if path.is_file()]
        paths = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
        if not paths:
            raise InputError(f"{source / name} holds no image; {LAYOUT}")
        for path in paths:
            group = path.stem if len(path.parts) == 2 else path.parent.name
            sample = _sample(path.as_posix())
            rows.append({"sample": sample, "path": path.as_posix(), "label": label, "group": group, "family": ""})
    return pd.DataFrame(rows)


def _listed(table: Path) -> pd.DataFrame:
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
                f"{table}: row {number} has the path {path}, which leaves {table.parent}; list images in it"
            )
        if not (table.parent / path).is_file():
            raise InputError(f"{table}: row {number} has the path {path}, but there is no such file; correct it")
    frame["sample"] = [_sample(path) for path in frame["path"]]
    if "group" not in frame:
        frame["group"] = frame["sample"]
    if "family" not in frame:
        frame["family"] = ""
    return frame


def _sample(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _decode_all(folder: Path, paths: pd.Series) -> None:
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda path: _complaint(folder / path), paths)
        progress = tqdm(answers, total=len(paths), desc=f"checking {folder}", unit="image", disable=None)
        complaints = [complaint for complaint in progress if complaint]
    if len(complaints) == 1:
        raise InputError(complaints[0])
    if complaints:
        shown = "\n  ".join(complaints[:SHOWN])
        raise InputError(f"{folder}: {len(complaints)} of {len(paths)} files cannot be used, among them\n  {shown}")


def _complaint(path: Path) -> str | None:
    try:
        images.decode(path)
    except InputError as error:
        return str(error)
    return None
