"""A second study beside params.yaml, in a folder of its own: neither takes anything from the other.

The folder `studies/NAME/` looks like the repository, by links, but for what belongs to one study: params.yaml,
dvc.lock, DVC's own state, and outputs/. So every path in the study means what it means in the repository, and every
command, `dvc repro` too, runs there as it stands. DVC's cache, what was measured and what was fetched are shared: what
one study has made of the same inputs, the other takes over.
"""

import configparser
import io
import os
import re
from pathlib import Path
from typing import Any

import yaml

from rrlib import entries, files
from rrlib.errors import InputError
from rrlib.sources import OUTPUTS as SOURCES
from rrlib.study import paths
from rrlib.study.defaults import TOP, completed
from rrlib.study.params import PARAMS, load

STUDIES = Path("studies")
MADE_FROM = Path(".made-from")  # in a study's folder: the file that it was made from, as seen from the repository
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
PIPELINE = Path("dvc.yaml")
OWN = {"params.yaml", "dvc.lock", "data.dvc", "outputs", "studies", "Makefile"}
SHARED = (SOURCES, paths.MEASURED)
DVC = Path(".dvc")
UP = re.compile(r"^((?:hub:)?)\.\./")  # a path that leaves the repository


def folder_of(file: Path) -> Path:
    """The folder of a study, by the name of its file. Raises InputError for a name that no folder should have.

    >>> folder_of(Path("params.faces.yaml")).as_posix()
    'studies/faces'
    """
    name = Path(file).name.removesuffix(".yaml").removesuffix(".yml").removeprefix("params.")
    if not NAME.fullmatch(name):
        raise InputError(
            f"{file}: a study's file is called params.NAME.yaml or NAME.yaml, with letters, digits, - and _ in NAME, "
            "64 at most; rename it"
        )
    return STUDIES / name


def enter(file: Path) -> None:
    """Check the study in `file`, bring its folder up to date, and make that the working directory.

    The params.yaml there says also what the file leaves out (see `completed`). Call it from the repository's root,
    where paths in the file start. For params.yaml itself nothing is done. Raises InputError as `load` does, and if the
    study's folder holds what is not ours or belongs to another file.
    """
    if Path(MADE_FROM).is_file():
        raise InputError(f"this is the folder of a study; leave out --study, or go to {os.path.relpath(_root())} first")
    if not (PIPELINE.is_file() and DVC.is_dir()):
        raise InputError("--study is for the repository's root, where dvc.yaml lies; go there first")
    if file.absolute() == PARAMS.absolute():
        return
    folder = folder_of(file)
    load(file)
    _claim(folder, file)
    _link_all(folder)
    _settle_dvc(folder)
    given = completed(entries.mapping(entries.read(file), str(file), optional=tuple(TOP)))
    text = yaml.safe_dump(_moved(given, folder), sort_keys=False, allow_unicode=True, width=100)
    _write(folder / PARAMS, f"# Made from {os.path.relpath(file)} of the repository; change that one.\n{text}")
    os.chdir(folder)


def _root() -> Path:
    return Path.cwd().parents[1]


def _claim(folder: Path, file: Path) -> None:
    """Mark the folder as that of `file`, unless it is somebody else's."""
    from_file = os.path.relpath(file)
    note = folder / MADE_FROM
    if note.is_file():
        before = note.read_text(encoding="utf-8").strip()
        if before != from_file and Path(before).is_file():
            raise InputError(f"{folder} is the folder of {before}; rename {from_file}, since both are called alike")
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds files that this project did not make; move it away, or rename {from_file}")
    _write(note, f"{from_file}\n")


def _link_all(folder: Path) -> None:
    """All that lies in the repository's root, by links; links to what is gone go too. Own files there stay."""
    here = {path.name for path in Path().iterdir() if not path.name.startswith(".")} - OWN | {".dvcignore"}
    for name in here:
        _link(folder / name, Path(name))
    for path in folder.iterdir():
        if path.is_symlink() and not path.exists():
            path.unlink()
    for shared in SHARED:
        shared.mkdir(parents=True, exist_ok=True)
        _link(folder / shared, shared)


def _link(link: Path, to: Path) -> None:
    way = os.path.relpath(to, link.parent)
    if link.is_symlink() and os.readlink(link) == way:
        return
    if link.is_symlink() or not link.exists():
        with files.writing(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(way)


def _settle_dvc(folder: Path) -> None:
    """A DVC repository of its own, without git, which ignores the folder, and with the cache of the repository."""
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read([DVC / "config", DVC / "config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{DVC}: its settings cannot be read ({error}); repair them") from error
    cache = dict(found["cache"]) if found.has_section("cache") else {}
    cache["dir"] = os.path.relpath(DVC / cache.get("dir", "cache"), folder / DVC)
    own = configparser.ConfigParser(interpolation=None)
    own.read_dict({"core": {"analytics": "false", "check_update": "false", "no_scm": "true"}, "cache": cache})
    text = io.StringIO()
    own.write(text)
    _write(folder / DVC / "config", text.getvalue())


def _moved(value: Any, folder: Path) -> Any:
    """The same values as seen from the study's folder: paths that leave the repository change, and no others.

    So do paths into the folders of other studies. An absolute path becomes relative, too: else DVC would take the
    prepared data set of params.yaml, whose way to its source is two folders shorter.
    """
    if isinstance(value, dict):
        return {key: _moved(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, folder) for each in value]
    if isinstance(value, str) and value.startswith(("/", f"{STUDIES}/")) and Path(value).exists():
        return os.path.relpath(value, folder)
    return UP.sub(r"\1../../../", value) if isinstance(value, str) else value


def _write(path: Path, text: str) -> None:
    """As `files.write_text`, unless it says that already: what did not change keeps its time."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        files.write_text(path, text)
