"""The folders of a source that hold real and fake samples: real/ and fake/, with or without folders of splits."""

from dataclasses import dataclass
from pathlib import Path

from rrlib.datasets.manifest import CLASSES
from rrlib.errors import InputError

LABELS = {"real": 0, "0_real": 0, "fake": 1, "1_fake": 1}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class ClassFolder:
    """A folder of samples of one class; split: what the folders' names say, or empty."""

    path: Path
    label: int
    split: str = ""


def class_folders(source: Path, layout: str) -> list[ClassFolder]:
    """The folders with real and with fake samples, in three layouts; capitals do not matter.

    - real/ and fake/, or 0_real/ and 1_fake/,
    - the same below folders named train, val (valid, validation) and test, or some of them,
    - such folders below real/ and below fake/, and nothing else there.

    Raises InputError, which ends with `layout`, for anything else.
    """
    here = _classes(source)
    labels = {each.label for each in here}
    if labels == {0, 1}:
        below = {each: _splits(each.path) for each in here}
        if all(splits and splits == _visible(each.path) for each, splits in below.items()):
            return [
                ClassFolder(path, each.label, SPLIT_NAMES[path.name.lower()])
                for each, splits in below.items()
                for path in splits
            ]
        return here
    splits = [path for path in _splits(source) if _classes(path)]
    if not here and splits:
        found = []
        for path in splits:
            held = _classes(path)
            _check_both(path, {each.label for each in held}, layout)
            found += [ClassFolder(each.path, each.label, SPLIT_NAMES[path.name.lower()]) for each in held]
        return found
    if labels:
        _check_both(source, labels, layout)
    entries = _visible(source)
    if not entries:
        raise InputError(f"{source} is empty; {layout}")
    folders = [f"{path.name}/" for path in entries if path.is_dir()]
    told = f"the sub-folders {', '.join(folders)}" if folders else "no sub-folder"
    raise InputError(f"{source} has neither real/ nor fake/, found {told}; {layout}")


def _check_both(folder: Path, labels: set[int], layout: str) -> None:
    for label, name in CLASSES.items():
        if label not in labels:
            raise InputError(f"{folder} has no {name}/ beside the other class; {layout}")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _classes(folder: Path) -> list[ClassFolder]:
    named = [path for path in _visible(folder) if path.name.lower() in LABELS and path.is_dir()]
    return sorted((ClassFolder(path, LABELS[path.name.lower()]) for path in named), key=lambda each: each.label)


def _splits(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.name.lower() in SPLIT_NAMES and path.is_dir()]
