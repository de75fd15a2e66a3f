"""The folder of a prepared data set: where it begins, and how its manifest's paths lead back to the source."""

import os
import shutil
from pathlib import Path

from rrlib import files
from rrlib.datasets import folder as sources
from rrlib.errors import InputError


def begin(folder: Path) -> None:
    """Make `folder`, or empty it if this project made it; a link to a folder, on another disk say, stays a link.

    Raises InputError if files lie there and none of them is our mark: they are somebody else's.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / files.MARK).is_file():
        raise InputError(
            f"{folder} holds files that this project did not make; prepare the data set in another folder, "
            "or empty this one by hand"
        )
    files.mark(folder)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != files.MARK:
            entry.unlink()


def way(folder: Path, source: Path) -> Path:
    """The relative path from a prepared data set to its source, by the links on the way where that leads there too: so
    the manifest reads the same in each folder of a study that names the source alike.

    Raises InputError if they are one folder, or the source lies in what is made anew.
    """
    root, folder = sources.root(source), Path(folder)
    # both ends resolved, because ".." is followed after symbolic links
    straight = Path(os.path.relpath(root.resolve(), folder.resolve()))
    if straight == Path("."):
        raise InputError(f"{source} would be prepared in its own folder, over its own files; prepare it in another one")
    if ".." not in straight.parts:
        raise InputError(f"{source} lies in {folder}, which is made anew; prepare it in another folder")
    as_named = Path(os.path.relpath(root.absolute(), folder.absolute()))
    return as_named if (folder / as_named).resolve() == root.resolve() else straight
