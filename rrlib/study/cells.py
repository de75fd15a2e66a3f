"""Which cells of a study are measured and shown: `cells: {include: […], exclude: […]}` of params.yaml."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from itertools import product

from rrlib import entries
from rrlib.errors import InputError
from rrlib.evaluation import Cell

KEYS = ("include", "exclude")
PARTS = ("datasets", "detectors", "attacks")  # of a half of a study: what is crossed with each other


def left_out(given: object, halves: Sequence[Sequence[Collection[str]]], where: str) -> list[frozenset[Cell]]:
    """The cells of each half that `given`, the value of `cells`, leaves out.

    `include` and `exclude` list patterns DATASET/DETECTOR/ATTACK, where `*` stands for any name and what is not said
    for all: `faces/*/cw`, `faces/meso4`, `faces`. A cell is measured if a pattern of `include` (all, unless given)
    matches it and none of `exclude` does.

    Args:
        halves: of each half the names of its data sets, detectors and attacks.

    Raises:
        InputError: which begins with `where`, for what is no such pattern, for one that matches no cell of the study,
            and where a data set, a detector or an attack would have no cell left.

    >>> left_out({"exclude": ["*/*/cw"]}, [(["faces"], ["meso4", "resnet"], ["pgd", "cw"])], "cells")
    Traceback (most recent call last):
    rrlib.errors.InputError: cells: no cell of cw is left; take it out of attacks, or leave one in
    """
    lists = entries.mapping(given, where, optional=KEYS)
    every = [[Cell(*names) for names in product(*half)] for half in halves]
    whole = {cell for cells in every for cell in cells}
    taken = {key: _matched(lists[key], whole, f"{where}.{key}") for key in KEYS if key in lists}
    kept = taken.get("include", whole) - taken.get("exclude", set())
    for half, cells in zip(halves, every, strict=True):
        for number, part in enumerate(PARTS):
            left = {cell[number] for cell in kept.intersection(cells)}
            if cells and (idle := [name for name in half[number] if name not in left]):
                raise InputError(f"{where}: no cell of {idle[0]} is left; take it out of {part}, or leave one in")
    return [frozenset(cells) - kept for cells in every]


def matches(pattern: str, cell: Cell) -> bool:
    """Whether a pattern means a cell.

    >>> matches("*/meso*", Cell("faces", "meso4", "pgd")), matches("meso4", Cell("faces", "meso4", "pgd"))
    (True, False)
    """
    return all(fnmatchcase(name, part) for name, part in zip(cell, pattern.split("/"), strict=False))


def _matched(patterns: object, cells: Collection[Cell], where: str) -> set[Cell]:
    if not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
        raise InputError(f"{where} is {patterns!r}; list patterns such as faces/meso4/pgd or '*/*/cw'")
    found: set[Cell] = set()
    for pattern in patterns:
        parts = pattern.split("/")
        if not (len(parts) <= len(PARTS) and all(parts)):
            raise InputError(f"{where}: {pattern!r} is no pattern; write DATASET/DETECTOR/ATTACK, or its first parts")
        of_pattern = {cell for cell in cells if matches(pattern, cell)}
        if not of_pattern:
            raise InputError(
                f"{where}: {pattern} matches no cell of the study; write DATASET/DETECTOR/ATTACK as they are called "
                "there, with * for any name"
            )
        found |= of_pattern
    return found
