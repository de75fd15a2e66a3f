"""data/catalogue.yaml as checked dataclasses: where each data set and checkpoint comes from, and what it must be."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rrlib import entries as yaml_files
from rrlib.errors import InputError, parsing, unknown
from rrlib.sources.values import hexadecimal, is_inside, is_plain, keys, numbers, text

PATH = Path("data/catalogue.yaml")
KINDS = ("data set", "checkpoint", "split list")
MEDIA = ("images", "videos")
ACCESS = ("open", "form", "account")
TYPES = ("model", "dataset")
ORIGINS = ("files", "hub", "folder")
REQUIRED = ("kind", "media", "title", "access", "page", "licence", "cite")
TEXTS = ("architecture", "labels", "splits", "note")
OPTIONAL = (*ORIGINS, *TEXTS, "layout", "counts", "gigabytes", "transformer")
COUNTS, TRANSFORMER = ("real", "fake", "validation", "test"), ("layers", "width", "heads", "tokens")
SCHEMES = ("http", "https", "file")
ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """One file of a source.

    name: in the source's folder. url: http(s) or file; empty where the hub says it. sha256: 64 hexadecimal digits, and
    size: bytes; None where not known for certain. git: the blob's name in a git repository. unpack: it is an archive.
    """

    name: str
    url: str = ""
    sha256: str | None = None
    size: int | None = None
    git: str | None = None
    unpack: bool = False

    @property
    def folder(self) -> str:
        """The name of the folder that an archive becomes.

        >>> File("wiki.zip").folder, File("faces-1.0.tar.gz").folder
        ('wiki', 'faces-1.0')
        """
        return ARCHIVE.sub("", self.name)


@dataclass(frozen=True)
class Hub:
    """A repository of the Hugging Face hub; type is model or dataset, revision a commit or None (not yet pinned)."""

    repository: str
    type: str
    revision: str | None = None


@dataclass(frozen=True)
class Source:
    """One entry. It comes from `files`, from `hub` (whose files may be listed), from `folder`, or must be asked for.

    page: where to read about it, and where to ask. layout: patterns that each match something in the filled folder.
    labels, splits: how label and split are told, in words. where: the catalogue's path, for messages.
    For plans, where they are known: counts of its images or videos (real and fake; of them, in the official splits,
    validation and test), gigabytes to download, and the size of a transformer (layers, width, heads, tokens).
    """

    name: str
    where: str
    kind: str
    media: str
    title: str
    access: str
    page: str
    licence: str
    cite: str
    files: tuple[File, ...] = ()
    hub: Hub | None = None
    folder: Path | None = None
    architecture: str = ""
    layout: tuple[str, ...] = ()
    labels: str = ""
    splits: str = ""
    note: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    gigabytes: float | None = None
    transformer: dict[str, int] = field(default_factory=dict)


def read(path: Path = PATH, overrides: Iterable[Path] = ()) -> dict[str, Source]:
    """The catalogue at `path`, by name; the entries of each file in `overrides` change it, in order.

    An override needs only what it changes. One of files, hub or folder takes the place of all three; a file of the same
    name keeps the url, hash, size and unpack of before unless it gives them, and a hub without a repository changes
    that of before. A url without a scheme and a folder are paths from the folder of the file that names them.

    Raises InputError if a file cannot be read, or an entry is not complete and of known words.
    """
    entries: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    for file in [Path(path), *map(Path, overrides)]:
        for name, entry in _load(file).items():
            entries[name] = _changed(entries.get(name, {}), _placed(entry, file.parent, f"{file}: {name}"))
            places[name] = str(file)
    return {name: _source(name, entry, places[name], f"{places[name]}: {name}") for name, entry in entries.items()}


def chosen(changes: object, where: str, folder: Path, path: Path = PATH) -> dict[str, Source]:
    """Some entries of the catalogue at `path`: those that `changes` names, each with its keys changed as in `read`.

    An entry that changes nothing is `{}`. `where` begins each complaint; paths start from `folder`. Raises InputError
    for a name that is not in the catalogue, and as `read` does.

    >>> chosen({}, "params.yaml: sources", Path())
    {}
    """
    if not isinstance(changes, dict):
        raise InputError(f"{where} holds {changes!r}; give names of {path}, each with {{}} or what changes its entry")
    entries = _load(Path(path)) if changes else {}
    found = {}
    for name, change in changes.items():
        place = f"{where}.{name}"
        if name not in entries:
            raise unknown(where, name, entries)
        if not isinstance(change, dict):
            raise InputError(f"{place} is {change!r}; give {{}}, or keys that change the entry in {path}")
        before = _placed(entries[name], Path(path).parent, f"{path}: {name}")
        entry = _changed(before, _placed(change, folder, place))
        found[name] = _source(name, entry, where if change else str(path), place)
    return found


def find(sources: dict[str, Source], name: str) -> Source:
    """The entry of that name; raises InputError, which lists all names, if there is none."""
    if name not in sources:
        raise unknown("sources", name, sources)
    return sources[name]


def _load(path: Path) -> dict[str, dict[str, Any]]:
    given = yaml_files.read(path, absent="give the path of a catalogue")
    if not isinstance(given, dict) or not all(isinstance(entry, dict) for entry in given.values()):
        raise InputError(f"{path} is no catalogue; give entries by name, each with its keys")
    for name in given:
        # names become folders
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise InputError(f"{path}: the name {name!r} is not allowed; use letters, digits, ., - and _, 64 at most")
    return given


def _placed(entry: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """The entry with paths from `folder` that no longer depend on it, and a name for each file."""
    entry = dict(entry)
    if "folder" in entry:
        entry["folder"] = folder / Path(text(entry["folder"], f"{where}.folder")).expanduser()
    if "files" in entry:
        files = entry["files"]
        if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
            raise InputError(f"{where}.files is {files!r}; list one or more, each with its url or name")
        entry["files"] = [_placed_file(file, folder, f"{where}.files") for file in files]
    return entry


def _placed_file(file: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    if "name" in file:
        text(file["name"], f"{where}.name")
    if "url" not in file:
        return file
    url = text(file["url"], f"{where}.url", empty=True)
    with parsing(f"{where}.url: {url}", "an address", "correct it"):
        if url and not urlsplit(url).scheme:
            url = (folder / Path(url).expanduser()).absolute().as_uri()
        name = file.get("name", unquote(urlsplit(url).path.rpartition("/")[2]))
    return {**file, "name": name, "url": url}


def _changed(before: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    hub = entry.get("hub")
    if isinstance(hub, dict) and "repository" not in hub and "hub" in before:
        return before | entry | {"hub": before["hub"] | hub}
    if not entry.keys() & set(ORIGINS):
        return before | entry
    known = {file.get("name"): file for file in before.get("files", [])}
    kept = {key: value for key, value in before.items() if key not in ORIGINS}
    if "files" in entry:
        entry["files"] = [known.get(file.get("name"), {}) | file for file in entry["files"]]
    return kept | entry


def _source(name: str, entry: dict[str, Any], path: str, where: str) -> Source:
    keys(entry, where, REQUIRED, OPTIONAL)
    texts = {
        key: text(entry[key], f"{where}.{key}", empty=key not in REQUIRED)
        for key in (*REQUIRED, *TEXTS)
        if key in entry
    }
    for key, allowed in (("kind", KINDS), ("media", MEDIA), ("access", ACCESS)):
        if texts[key] not in allowed:
            raise unknown(f"{where}.{key}", texts[key], allowed)
    layout = entry.get("layout", [])
    if not isinstance(layout, list) or not all(map(is_inside, layout)):
        raise InputError(f"{where}.layout is {layout!r}; list patterns such as 'Celeb-real/*'")
    hub = _hub(entry["hub"], f"{where}.hub") if "hub" in entry else None
    files = tuple(_file(file, f"{where}.files", hub is not None) for file in entry.get("files", []))
    if len({file.name for file in files}) < len(files):
        raise InputError(f"{where}.files has two files of one name; give one of them another name")
    if texts["access"] == "open" and not (files or hub or "folder" in entry):
        raise InputError(f"{where} is open but does not say where it lies; give files, hub or folder")
    gigabytes = entry.get("gigabytes")
    if gigabytes is not None and not (isinstance(gigabytes, int | float) and 0 <= gigabytes < math.inf):
        raise InputError(f"{where}.gigabytes is {gigabytes!r}; give about how much there is to download")
    return Source(
        name,
        path,
        **texts,
        files=files,
        hub=hub,
        folder=entry.get("folder"),
        layout=tuple(layout),
        counts=numbers(entry.get("counts", {}), f"{where}.counts", COUNTS[:2], COUNTS[2:]),
        gigabytes=gigabytes,
        transformer=numbers(entry.get("transformer", {}), f"{where}.transformer", TRANSFORMER, ()),
    )


def _hub(entry: object, where: str) -> Hub:
    given = keys(entry, where, ("repository", "type"), ("revision",))
    repository, kind, revision = given["repository"], given["type"], given.get("revision")
    if not isinstance(repository, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError(f"{where}.repository is {repository!r}; write owner/name")
    if kind not in TYPES:
        raise unknown(f"{where}.type", kind, TYPES)
    return Hub(repository, kind, hexadecimal(revision, 40, f"{where}.revision"))


def _file(entry: object, where: str, hub: bool) -> File:
    given = keys(entry, where, ("name",), ("url", "sha256", "size", "unpack"))
    name, url, size, unpack = given["name"], given.get("url", ""), given.get("size"), given.get("unpack", False)
    if not is_plain(name):
        raise InputError(f"{where} has the name {name!r}; give a plain file name")
    if url and urlsplit(url).scheme not in SCHEMES:
        raise InputError(f"{where}: {name} has the url {url}; give one of {', '.join(SCHEMES)}, or a path")
    if not url and not hub:
        raise InputError(f"{where}: {name} has no url; give one, or a path")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise InputError(f"{where}: {name} has the size {size!r}; give whole bytes, or leave it empty")
    if not isinstance(unpack, bool):
        raise InputError(f"{where}: {name} has unpack {unpack!r}; give true or false")
    if unpack and not ARCHIVE.search(name):
        raise InputError(f"{where}: {name} is no archive by its name; give one that ends in .zip, .tar or .tar.gz")
    return File(name, url, hexadecimal(given.get("sha256"), 64, f"{where}: {name}: sha256"), size, None, unpack)
