"""`python -m rrlib fetch NAME`: one source of the catalogue, into its folder."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rrlib import files as our_files
from rrlib.errors import InputError
from rrlib.sources import hub, state
from rrlib.sources.catalogue import File, Source
from rrlib.sources.download import MIRROR, PATIENT, Patience, Request, land
from rrlib.sources.state import OUTPUTS, RECEIPT, Receipt
from rrlib.sources.unpack import unpack
from rrlib.sources.verify import matches

READY = OUTPUTS / "ready"
NEEDED = {"form": "a form", "account": "an account"}


def fetch_all(sources: Iterable[Source], ready: Path = READY) -> Iterator[str]:
    """Fill `outputs/sources/NAME` with each source, then write the file `ready`, whose content is always the same.

    The lines of `fetch`, one by one. Those that only have to be there are looked at first, so that a folder that is
    still empty stops before a long download does. Raises what `fetch` raises, and then leaves no file `ready`.
    """
    ready.unlink(missing_ok=True)
    for source in sorted(sources, key=lambda source: bool(source.files or source.hub)):
        yield from fetch(source, OUTPUTS / source.name)
    our_files.write_text(ready, "fetched\n")


def fetch(source: Source, folder: Path, trust: bool = False, patience: Patience = PATIENT) -> list[str]:
    """Fill `folder` with a source; returns lines to be shown. What lies there whole is not fetched again.

    Files land under their names, archives as the folder they hold. A source that is a local folder is linked, not
    copied. With the environment variable RRLIB_MIRROR, a URL or folder, files come from MIRROR/SOURCE/FILE instead;
    their hashes stay. `trust` takes a hash or revision that the catalogue does not know from the first fetch.

    Nothing is overwritten or removed but what an earlier fetch brought, as the receipt in the folder says.

    Raises InputError if the source must be asked for, and as `land`, `unpack` and `hub.resolve` do.
    """
    folder = Path(folder)
    if source.folder:
        _link(source, source.folder, folder)
        return [f"{source.name}: {folder} leads to {source.folder}"]
    if not (source.files or source.hub):
        _check_filled(source, folder)
        return [f"{source.name}: {folder} is filled"]
    if folder.is_symlink():  # to a user's own files, among which nothing should land
        raise InputError(f"{folder} is a link to {folder.resolve()}; remove the link, or give --to")
    receipt = state.receipt(folder)
    revision, files, headers = _wanted(source, receipt, trust, patience)
    names = {file.name for file in files}
    known = {name: entry for name, entry in receipt.get("files", {}).items() if name in names}
    record: Receipt = {"source": source.name, "revision": revision, "complete": False, "files": dict(known)}
    lines = []
    if revision and not _revision(source) and revision != receipt.get("revision"):
        lines.append(f"{source.name}: trusted on first use; to pin it, write `revision: {revision}` in {source.where}")
    for file in files:
        before = known[file.name]["sha256"] if file.name in known else None
        if file.unpack and before and file.sha256 in (None, before) and (folder / file.folder).is_dir():
            continue
        pinned = bool(file.sha256 or file.git)
        wanted = file if pinned else replace(file, sha256=before)
        theirs = not before and (folder / file.name).exists()
        if theirs and not matches(folder / file.name, wanted):
            raise InputError(
                f"{folder / file.name} is there, fetch did not bring it, and it is not what {source.where} says; move "
                "it away, or give --to"
            )
        found = land(Request(wanted, source.where, headers, patience), folder, trust)
        record["files"][file.name] = {"url": file.url, "sha256": found, "size": (folder / file.name).stat().st_size}
        if not (pinned or before):
            lines.append(
                f"{source.name}: {file.name} trusted on first use; to pin it, write `sha256: {found}` in {source.where}"
            )
        if file.unpack:
            unpack(folder / file.name, folder / file.folder)
        _write(folder, record)
        if file.unpack and not theirs:
            (folder / file.name).unlink()
    if source.hub and source.hub.type == "model":
        hub.refuse_code(folder)
    _check_layout(source, folder)
    record["complete"] = True
    _write(folder, record)
    return [*lines, f"{source.name}: ready in {folder}"]


def _revision(source: Source) -> str | None:
    return source.hub.revision if source.hub else None


def _wanted(
    source: Source, receipt: Receipt, trust: bool, patience: Patience
) -> tuple[str | None, Sequence[File], Mapping[str, str]]:
    """(revision, files, headers): from the mirror if there is one and the files are listed, else as the entry says."""
    mirror = os.environ.get(MIRROR)
    if mirror and source.files:
        return None, [replace(file, url=_mirrored(mirror, source, file)) for file in source.files], {}
    if not source.hub:
        return None, source.files, {}
    trusted = receipt.get("revision")
    if trusted and source.hub.revision in (None, trusted) and _complete(source, receipt):
        # a commit does not change, so the hub need not be asked again
        archives = {file.name for file in source.files if file.unpack}
        held = [File(name, **known, unpack=name in archives) for name, known in receipt["files"].items()]
        return trusted, held, hub.headers()
    revision, files = hub.resolve(source, trusted, patience)
    if not (source.hub.revision or trusted or trust):
        raise InputError(
            f"{source.where} has no revision for {source.name}, whose newest is {revision}; if you trust it write "
            f"`revision: {revision}` there, or run again with --trust-first-use"
        )
    return revision, files, hub.headers()


def _complete(source: Source, receipt: Receipt) -> bool:
    held = {name: known["sha256"] for name, known in receipt.get("files", {}).items()}
    listed = all(file.name in held and file.sha256 in (None, held[file.name]) for file in source.files)
    return bool(receipt.get("complete")) and listed


def _mirrored(mirror: str, source: Source, file: File) -> str:
    if "://" in mirror:
        return f"{mirror.rstrip('/')}/{source.name}/{file.name}"
    return Path(mirror, source.name, file.name).absolute().as_uri()


def _link(source: Source, own: Path, folder: Path) -> None:
    if not own.is_dir():
        raise InputError(f"{own} is not a folder; correct {source.name}.folder in {source.where}")
    _check_layout(source, own)
    if folder.is_symlink():
        if folder.resolve() == own.resolve():
            return
        if folder.parent != OUTPUTS:  # where links are ours
            raise InputError(f"{folder} is a link to {folder.resolve()}; remove the link, or give --to")
        folder.unlink()
    elif folder.exists():
        raise InputError(f"{folder} is there already and no link; move it away, or give --to")
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(own.resolve(), target_is_directory=True)


def _check_filled(source: Source, folder: Path) -> None:
    if not state.is_filled(folder):
        raise InputError(
            f"{source.title} needs {NEEDED[source.access]}: ask at {source.page}, put what you get into {folder} "
            f"({', '.join(source.layout)}), and run again"
        )
    _check_layout(source, folder)


def _check_layout(source: Source, folder: Path) -> None:
    if pattern := state.lacks(source, folder):
        raise InputError(f"{folder} has no {pattern}, which {source.title} should have; fill or correct it")


def _write(folder: Path, record: Receipt) -> None:
    our_files.write_text(folder / RECEIPT, json.dumps(record, indent=1, sort_keys=True) + "\n")
