"""What several commands take."""

import argparse
from pathlib import Path


def add_study(command: argparse._ActionsContainer, alone: str = "") -> None:
    """`--study FILE`: the command is for the study in that file, in its own folder (see `rrlib.study.enter`).

    alone: what `--study` means without a file, where it may stand so.
    """
    said = "of a study beside params.yaml, which has its folder in studies/"
    if alone:
        command.add_argument("--study", type=Path, nargs="?", const=True, metavar="FILE", help=alone)
    else:
        command.add_argument("--study", type=Path, metavar="FILE", help=said)


def place(options: argparse.Namespace) -> Path | None:
    """The file of the study that is asked for, if one is; go to its folder, with all other paths as they were meant."""
    file = getattr(options, "study", None)
    if not isinstance(file, Path):
        return None
    from rrlib import study

    for name, value in vars(options).items():
        if isinstance(value, Path) and name != "study":
            setattr(options, name, value.absolute())
    study.enter(file)
    return file
