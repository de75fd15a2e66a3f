"""Celeb-DF (Li et al. 2020): its three folders, as distributed or as DeepfakeBench fills them, and its test list.

The fake id0_id1_0000 is the real video id0_0000 with the face of id1. The list of testing videos does not keep source
videos apart: it has id4_id1_0003, but id4_0003 is left to training. So the source video is the group, and what shares
one with the list is left out of training.
"""

import re
from pathlib import Path

import pandas as pd

from rrlib.datasets.layouts import files
from rrlib.datasets.manifest import CLASSES
from rrlib.errors import InputError
from rrlib.files import check_size

TEST = "List_of_testing_videos.txt"
# folder: (label, what a name is made of, of which the named parts are the source video)
FOLDERS = {
    "Celeb-real": (0, re.compile(r"(?P<target>id[0-9]+)_(?P<number>[0-9]+)")),
    "YouTube-real": (0, re.compile(r"(?P<number>[0-9]+)")),
    "Celeb-synthesis": (1, re.compile(r"(?P<target>id[0-9]+)_id[0-9]+_(?P<number>[0-9]+)")),
}
MARKS = ("Celeb-real", "Celeb-synthesis", "YouTube-real")
OPTIONS = ("clips",)


def check(where: str, clips: object = None) -> None:
    """Raise InputError, which begins with `where`, unless the option can be that of `read`."""
    files.check_form(where, clips)


def read(source: Path, clips: str | None = None) -> pd.DataFrame:
    """One row per clip, there or listed: path (from `source`), label, group, split (test, or empty), family (empty).

    source: the folder of Celeb-real/, YouTube-real/, Celeb-synthesis/ and the list. clips: see `files.form`.

    Raises InputError if a folder or the list is absent, a line of the list is not as it should be or contradicts its
    folder (there, 1 is real and 0 fake), or a name tells no source video. Whether listed clips are there is not
    looked at.
    """
    for folder in ("Celeb-real", "Celeb-synthesis"):
        if not (source / folder).is_dir():
            raise InputError(f"{source} has no {folder}/; complete the data set")
    form = files.form([source / folder for folder in FOLDERS if (source / folder).is_dir()], clips)
    test = _listed(source / TEST)
    there = {(folder, name) for folder in FOLDERS for name in files.names(source / folder, form)}
    rows = []
    for folder, name in sorted(there | test):
        path = files.clip(source / folder, form, name)
        split = "test" if (folder, name) in test else ""
        rows.append((path.relative_to(source).as_posix(), FOLDERS[folder][0], _source_video(path, folder, name), split))
    return pd.DataFrame(rows, columns=["path", "label", "group", "split"]).assign(family="")


def _listed(path: Path) -> set[tuple[str, str]]:
    """(folder, name) of each video in the test list."""
    check_size(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{path} is absent or no text, but it says which videos are for testing; take it from the data set"
        ) from None
    found = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = re.fullmatch(r"([01])\s+([^/]+)/([^/]+)\.mp4", line.strip())
        if not parts or parts[2] not in FOLDERS:
            raise InputError(f"{path}: line {number} is {line.strip()!r}; write it such as '1 YouTube-real/00170.mp4'")
        told, label = 1 - int(parts[1]), FOLDERS[parts[2]][0]
        if told != label:
            raise InputError(
                f"{path}: line {number} says {parts[1]}, which is {CLASSES[told]}, of {parts[2]}/{parts[3]}.mp4, but "
                f"what is in {parts[2]}/ is {CLASSES[label]}; correct one"
            )
        found.add((parts[2], parts[3]))
    if not found:
        raise InputError(f"{path} lists no video; take it from the data set")
    return found


def _source_video(path: Path, folder: str, name: str) -> str:
    parts = FOLDERS[folder][1].fullmatch(name)
    if not parts:
        example = {"Celeb-real": "id0_0000", "YouTube-real": "00170", "Celeb-synthesis": "id0_id1_0000"}[folder]
        raise InputError(f"{path} has a name that tells no source video; name it such as {example}, or take it out")
    return "_".join(parts.groupdict().values())
