"""What of a source lies here, and what its folder will hold once it is fetched; no network is asked."""

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypedDict

from rrlib.errors import InputError, parsing
from rrlib.sources.catalogue import Source

OUTPUTS = Path("outputs/sources")
RECEIPT = "fetched.json"  # what lies in a folder: the revision, and of each file url, SHA-256 and size


class Receipt(TypedDict, total=False):
    """What a fetch left: from which source and commit, whether it came to its end, and each file by its name."""

    source: str
    revision: str | None
    complete: bool
    files: dict[str, dict[str, Any]]


def receipt(folder: Path) -> Receipt:
    """What `fetched.json` in a folder says; empty where there is none. Raises InputError for one that is damaged."""
    path = folder / RECEIPT
    if not path.is_file():
        return {}
    with parsing(path, "what a fetch wrote", "delete it and run again"):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not _is_receipt(found):
        raise InputError(f"{path} is not what a fetch wrote; delete it and run again")
    return found


def _is_receipt(found: object) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("files", {}), dict):
        return False
    kinds = {"url": str, "sha256": str, "size": int}
    return isinstance(found.get("revision"), str | None) and all(
        "/" not in name
        and isinstance(entry, dict)
        and entry.keys() == kinds.keys()
        and all(isinstance(entry[key], kind) for key, kind in kinds.items())
        for name, entry in found.get("files", {}).items()
    )


def lacks(source: Source, folder: Path) -> str | None:
    """The first pattern of the source's layout that matches nothing in `folder`; None where all do."""
    return next((pattern for pattern in source.layout if not any(folder.glob(pattern))), None)


def is_filled(folder: Path) -> bool:
    """Whether it is a folder that holds anything."""
    return folder.is_dir() and any(folder.iterdir())


def is_here(source: Source, folder: Path) -> bool:
    """Whether nothing has to be asked for or downloaded: the folder was fetched whole, or filled by hand."""
    if source.folder or not (source.files or source.hub):
        own = source.folder or folder
        return is_filled(own) and lacks(source, own) is None
    said = receipt(folder)
    held = said.get("files", {})
    return bool(said.get("complete")) and all(file.name in held for file in source.files)


def is_pinned(source: Source, folder: Path) -> bool:
    """Whether hashes or a revision say what has to come, or a first fetch into `folder` was trusted."""
    said = receipt(folder)
    if source.hub:
        return bool(source.hub.revision or said.get("revision"))
    return all(file.sha256 or file.name in said.get("files", {}) for file in source.files)


def owner(path: Path | str, sources: Iterable[Source]) -> Source | None:
    """The source in whose folder, `outputs/sources/NAME`, a path lies.

    >>> owner("outputs/datasets/faces", []) is None
    True
    """
    parts, top = Path(path).parts, OUTPUTS.parts
    name = parts[len(top)] if parts[: len(top)] == top and len(parts) > len(top) else None
    return next((source for source in sources if source.name == name), None)


def awaited(path: Path | str, sources: Iterable[Source]) -> Source | None:
    """The source that a fetch will bring `path` with; None if the path is there already or no source will hold it.

    A file lands whole; a folder is there once its source is, as a fetch may have been interrupted.
    """
    source, path = owner(path, sources), Path(path)
    if source is None or path.is_file() or (path.exists() and is_here(source, OUTPUTS / source.name)):
        return None
    return source if _will_hold(source, path.parts[len(OUTPUTS.parts) + 1 :]) else None


def _will_hold(source: Source, inside: tuple[str, ...]) -> bool:
    if source.folder:
        return source.folder.joinpath(*inside).exists()
    if not inside:
        return True
    if source.files:
        return any(inside[0] == file.folder if file.unpack else inside == (file.name,) for file in source.files)
    # of a hub's repository what lies at its top; of what is filled by hand what the layout says of its top
    return len(inside) == 1 if source.hub else any(fnmatch(inside[0], one.split("/")[0]) for one in source.layout)
