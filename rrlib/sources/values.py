"""One value of the catalogue, checked: what is wrong is told in a sentence that begins with where it stands."""

import re
from typing import Any

from rrlib.errors import InputError, is_one_line


def is_inside(pattern: object) -> bool:
    """Whether it is a pattern of paths that stay in their folder, and one that `Path.glob` takes.

    >>> is_inside("real/**/*.png"), is_inside("../*"), is_inside("a**")
    (True, False, False)
    """
    if not isinstance(pattern, str) or pattern == "" or pattern.startswith("/") or ".." in pattern or "\0" in pattern:
        return False
    return all(part == "**" or "**" not in part for part in pattern.split("/"))


def is_plain(name: object) -> bool:
    """Whether it can be the name of a file in one folder: no way to elsewhere, nothing hidden, nothing that is no text.

    >>> is_plain("a.zip"), is_plain("../a.zip"), is_plain(".a"), is_plain("a\\nb")
    (True, False, False, False)
    """
    return isinstance(name, str) and re.fullmatch(r"[^/\\.\0][^/\\\0]*", name) is not None and is_one_line(name)


def hexadecimal(value: object, digits: int, where: str) -> str | None:
    """So many hexadecimal digits, or None where they are not known."""
    if value is None or (isinstance(value, str) and re.fullmatch(rf"[0-9a-f]{{{digits}}}", value)):
        return value
    raise InputError(f"{where} is {value!r}; give {digits} hexadecimal digits in lower case, or leave it empty")


def text(value: object, where: str, empty: bool = False) -> str:
    """Text, which may be empty only if `empty`."""
    if not isinstance(value, str) or not (value or empty):
        raise InputError(f"{where} is {value!r}; give text")
    return value


def keys(entry: object, where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    """A mapping with all of `required` and nothing beyond `required` and `optional`."""
    allowed = ", ".join([*required, *optional])
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {entry!r}; it holds the keys {allowed}")
    for key in entry:
        if key not in (*required, *optional):
            raise InputError(f"{where}.{key} is not known; choose from {allowed}")
    for key in required:
        if key not in entry:
            raise InputError(f"{where} lacks {key}; add it (required: {', '.join(required)})")
    return entry


def numbers(entry: object, where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, int]:
    """An empty mapping, or one with these keys whose values are whole numbers of at least 1."""
    if entry == {}:
        return {}
    found = keys(entry, where, required, optional)
    for key, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{where}.{key} is {value!r}; give a whole number of at least 1")
    return found
