"""What lies below a folder: its files, links followed once, and why each thing that is left out is left out."""

import os
import unicodedata
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from rrlib.errors import InputError

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".3gp")
MADE_BY_SYSTEMS = ("thumbs.db", "desktop.ini")  # beside pictures, by Windows; hidden there


@dataclass
class Found:
    """What a search came to.

    paths: of samples; unusable: why each of these paths is none, in a sentence; passed_over: files and folders that
    are no samples by what they are, by that reason; folders: (device, number) of each folder that was searched.
    """

    paths: list[Path] = field(default_factory=list)
    unusable: dict[Path, str] = field(default_factory=dict)
    passed_over: dict[str, list[Path]] = field(default_factory=dict)
    folders: dict[tuple[int, int], Path] = field(default_factory=dict)

    def pass_over(self, path: Path, reason: str) -> None:
        """Leave a path out for a reason that is no fault."""
        self.passed_over.setdefault(reason, []).append(path)


Step = tuple[Path, tuple[tuple[int, int], ...]]  # a folder, and what `_number` gives for those down to it


def files(folder: Path) -> Found:
    """All files below a folder, sorted by path; the folders that links lead to are searched too, each folder once.

    Hidden files are passed over, and so is a link to a folder that is searched already. Unusable are links that lead
    nowhere, folders that cannot be read, names that are not UTF-8 or hold control characters.

    Raises InputError for a link to a folder that it lies in, which would have no end.
    """
    found = Found()
    waiting: deque[Step] = deque([(folder, (_number(folder),))])
    links: deque[Step] = deque()
    while waiting or links:
        # links last, so that a folder goes by its own name where it has one here
        here, above = waiting.popleft() if waiting else links.popleft()
        number = above[-1]
        if number in found.folders:
            found.pass_over(here, "links to folders that are read by another name")
            continue
        found.folders[number] = here
        try:
            entries = sorted(os.scandir(here), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            found.unusable[here] = f"{shown(here)} cannot be read ({error.strerror}); allow it, or take it out"
            continue
        for entry in entries:
            _sort_in(Path(here, entry.name), above, found, waiting, links)
    found.paths.sort()
    return found


def _sort_in(
    path: Path, above: tuple[tuple[int, int], ...], found: Found, waiting: deque[Step], links: deque[Step]
) -> None:
    if path.name.startswith(".") or path.name.lower() in MADE_BY_SYSTEMS:
        found.pass_over(path, "hidden files")
    elif complaint := bad_name(path.name):
        found.unusable[path] = f"{shown(path)}: {complaint}; rename it"
    elif not os.path.exists(path):
        found.unusable[path] = f"{shown(path)} cannot be reached; allow it, or take it out"
        if path.is_symlink():
            to = shown(Path(os.readlink(path)))
            found.unusable[path] = f"{shown(path)} links to {to}, which is not there; bring it back, or take it out"
    elif path.is_dir():
        number = _number(path)
        if number in above or (path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())):
            raise InputError(f"{shown(path)} links to a folder that it lies in, which has no end; take the link out")
        (links if path.is_symlink() else waiting).append((path, (*above, number)))
    elif path.is_file():
        found.paths.append(path)
    else:
        found.pass_over(path, "neither files nor folders")


def images(folder: Path) -> Found:
    """The files below a folder but for what lies beside an image of the same name: a.json beside a.png."""
    found = files(folder)
    beside = _beside(found.paths, PICTURES)
    return _without(found, beside, "files beside an image of the same name")


def clips(folder: Path) -> Found:
    """Videos, told by what they hold, and folders whose own files are frames, below a folder.

    What has the name of a video but another ending lies beside it (a.json, a.jpg beside a.mp4) and is passed over, as
    is what lies below a folder of frames, videos apart: those are clips of their own.

    Raises InputError for pictures straight in `folder`.
    """
    found = files(folder)
    found = _without(found, _beside(found.paths, VIDEOS), "files beside a video of the same name")
    holders = {path.parent for path in found.paths if is_picture(path.name)}
    if folder in holders:
        raise InputError(
            f"{folder} holds images, but a clip is a video file or a folder of frames; put each clip's in a folder"
        )
    below = {
        path
        for path in found.paths
        if path.parent not in holders and holders & set(path.parents) and not path.name.lower().endswith(VIDEOS)
    }
    found = _without(found, below, "files below a folder of frames")
    found.paths = sorted([*holders, *(path for path in found.paths if path.parent not in holders)])
    return found


def frame_names(folder: Path) -> list[str]:
    """The names of what lies in a folder of frames, without hidden files and what lies beside a frame of its name."""
    paths = [path for path in Path(folder).iterdir() if not path.name.startswith(".")]
    paths = [path for path in paths if path.name.lower() not in MADE_BY_SYSTEMS]
    beside = _beside(paths, PICTURES)
    return [path.name for path in paths if path not in beside and not (path.is_dir() and not is_picture(path.name))]


def is_picture(name: str) -> bool:
    """Is a file of this name a frame rather than a video?"""
    return name.lower().endswith(PICTURES)


def bad_name(name: str) -> str:
    """What is wrong with a name that goes into a CSV file and onto a page; empty if nothing is.

    >>> bad_name("id-07.png"), bad_name("a\\r.png")
    ('', 'its name holds a control character')
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return "its name holds a control character" if any(unicodedata.category(c) in CONTROL for c in name) else ""


CONTROL = ("Cc", "Zl", "Zp")  # and the separators of lines and paragraphs, which end a line for many readers


def shown(path: Path | str) -> str:
    """A path as a sentence can hold it: bytes that are not UTF-8 and control characters as their codes.

    >>> shown(Path("a\\r.png"))
    'a\\\\r.png'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in CONTROL else c for c in text)


def _number(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, hash(path))
    return status.st_dev, status.st_ino


def _beside(paths: list[Path], endings: tuple[str, ...]) -> set[Path]:
    """Those that begin with the name of a file with one of these endings, and have another: a.json, a.mp4.json."""
    names = {path.with_suffix("") for path in paths if path.name.lower().endswith(endings)}
    others = (path for path in paths if not path.name.lower().endswith(endings))
    return {path for path in others if any(path.with_name(start) in names for start in _starts(path.name))}


def _starts(name: str) -> list[str]:
    """What stands before each dot: of a.en.vtt, a and a.en."""
    return [name[:place] for place, letter in enumerate(name) if letter == "." and place]


def _without(found: Found, out: set[Path], reason: str) -> Found:
    for path in sorted(out):
        found.pass_over(path, reason)
    found.paths = [path for path in found.paths if path not in out]
    return found
