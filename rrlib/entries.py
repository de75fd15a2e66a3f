"""One value of a YAML file, checked: what is wrong is told in a sentence that begins with where it stands.

Every function takes the value and its place, `where`, gives the value back, and raises InputError.
"""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from rrlib.errors import InputError

LARGEST = 2**31 - 1  # seeds and sizes beyond it overflow somewhere below


class _Loader(yaml.SafeLoader):
    """YAML as DVC reads it too: 1e-3 is a number (YAML 1.2; PyYAML takes it for text), every key is a text, given once.

    PyYAML would take `no` for false and 007 for seven where DVC does not, and of two equal keys the last.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise InputError(f"line {line}: the key {key_node.value} is no text; write it in quotes")
            if key in seen:
                raise InputError(f"line {line}: the key {key} is given twice; keep one of the two")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("+-0123456789")
)


def read(path: Path) -> object:
    """What a YAML file holds."""
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise InputError(f"{path} is absent; run this from the repository's root, where the study lies") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error


def mapping(value: object, where: str, required: tuple = (), optional: tuple = ()) -> dict:
    """A mapping with all of `required` and nothing beyond `required` and `optional`."""
    if not isinstance(value, dict):
        raise InputError(f"{where} holds {value!r}; it holds the keys {', '.join([*required, *optional])}")
    for key in value:
        if key not in (*required, *optional):
            allowed = ", ".join([*required, *optional])
            raise InputError(f"{where}: {key} is not a known key; choose from {allowed}")
    for key in required:
        if key not in value:
            raise InputError(f"{where} lacks {key}; add it (required: {', '.join(required)})")
    return value


def named(value: object, where: str, read: Callable) -> dict:
    """A mapping whose keys can be file names, each value as `read(name, value, where)` gives it."""
    if not isinstance(value, dict):
        raise InputError(f"{where} holds {value!r}; give entries by name, or {{}} for none")
    for name in value:
        # names become file names and stage names
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise InputError(f"{where}: the name {name!r} is not allowed; use letters, digits, - and _, 64 at most")
    return {name: read(name, entry, f"{where}.{name}") for name, entry in value.items()}


def placed(where: str, make: Callable, *arguments: object, **options: object) -> Any:
    """What `make` returns; its complaint, which cannot know the place in params.yaml, begins with `where`."""
    try:
        return make(*arguments, **options)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def tolerances(value: object, where: str) -> tuple[float, ...]:
    """One or more tolerances, each once, in increasing order."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: {value!r} is given; list at least one number ≥ 0")
    for each in value:
        tolerance(each, where)
    if value != sorted(set(value)):
        raise InputError(f"{where}: {value} is given; list each once, in increasing order")
    return tuple(value)


def tolerance(value: object, where: str) -> float:
    """A finite number ≥ 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"{where}: {value!r} is given; a tolerance is a finite number ≥ 0")
    return value


def choice(value: object, allowed: Iterable, where: str) -> object:
    """One of `allowed`."""
    if value not in list(allowed):
        raise InputError(f"{where}: {value} is not known; choose from {', '.join(map(str, allowed))}")
    return value


def whole(value: object, where: str, least: int) -> int:
    """A whole number from `least` to `LARGEST`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
        raise InputError(f"{where} is {value!r}; it is a whole number from {least} to {LARGEST}")
    return value
