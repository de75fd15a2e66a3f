"""A copy of the repository without git, as a ZIP of it is: DVC refuses to work there unless it is told."""

import configparser
from pathlib import Path

from rrlib import files

SETTINGS = Path(".dvc/config.local")  # of this copy alone; git ignores it


def settle_git() -> str:
    """Tell DVC whether there is a git repository round the working directory; what was changed, or nothing.

    Where there is none, `core.no_scm` is set; where one was made since, it is taken back, as DVC would go on without
    git. The other settings of this copy stay.
    """
    if not SETTINGS.parent.is_dir():
        return ""
    here = Path.cwd()
    git = any((folder / ".git").exists() for folder in (here, *here.parents))
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read(SETTINGS, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):  # DVC says what is wrong with it
        return ""
    told = found.getboolean("core", "no_scm", fallback=False)
    if git != told:
        return ""
    if git:
        found.remove_option("core", "no_scm")
    else:
        found.read_dict({"core": {"no_scm": "true"}})
    with files.whole(SETTINGS) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        found.write(file)
    if git:
        return f"{SETTINGS}: core.no_scm is taken out again, as git knows this copy now"
    return f"{SETTINGS}: core.no_scm is set, as this copy is no git repository (of a ZIP, say); DVC works without it"
