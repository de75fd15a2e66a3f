"""One value of a YAML file, checked: what is wrong is told in a sentence that begins with where it stands.

Every function takes the value and its place, `where`, gives the value back, and raises InputError.
"""

import math
import re
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml

from rrlib.errors import InputError, parsing

LARGEST = 2**31 - 1  # seeds and sizes beyond it overflow somewhere below
# of a YAML file: bytes, values once every alias is written out, levels of nesting, characters of a number
MOST_BYTES, MOST_VALUES, DEEPEST, LONGEST_NUMBER = 1_000_000, 100_000, 20, 100

Given = ParamSpec("Given")
Made = TypeVar("Made")
Value = TypeVar("Value")


class _Loader(yaml.SafeLoader):
    """YAML as DVC reads it too: 1e-3 is a number (YAML 1.2; PyYAML takes it for text), every key is a text, given once.

    PyYAML would take `no` for false and 007 for seven where DVC does not, and of two equal keys the last.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                said = key_node.value if isinstance(key_node, yaml.ScalarNode) else "that holds others"
                raise InputError(f"line {line}: the key {said} is no text; write it in quotes")
            if key in seen:
                raise InputError(f"line {line}: the key {key} is given twice; keep one of the two")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("+-0123456789")
)


def read(path: Path, absent: str = "run this from the repository's root, where the study lies") -> object:
    """What a YAML file holds; `absent` is the advice where there is none.

    Files of others are read too, so there are bounds: on bytes, values, depth and digits. Aliases are counted as what
    they stand for, since nine lines of them can stand for more values than memory holds.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path} is absent; {absent}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {absent}") from None
    if size > MOST_BYTES:
        raise InputError(f"{path} has {size} bytes; give a YAML file of at most {MOST_BYTES}")
    try:
        with parsing(path, "valid YAML", "correct it"):
            loader = _Loader(path.read_text(encoding="utf-8"))
            node = loader.get_single_node()
        if node is None:
            return None
        _check_extent(node)
        with parsing(path, "valid YAML", "correct it"):
            return loader.construct_document(node)
    except InputError as error:  # a complaint of this file knows the line alone
        said = str(error)
        raise InputError(said if said.startswith(f"{path} ") else f"{path}: {said}") from error.__cause__


def _check_extent(root: yaml.Node) -> None:
    """Raise InputError for more values, levels or digits than anybody means, before a value is made of them."""
    known: dict[int, tuple[int, int]] = {}

    def extent(node: yaml.Node) -> tuple[int, int]:
        """How many values and how many levels there are, aliases written out."""
        line = node.start_mark.line + 1
        if id(node) in known:
            values, levels = known[id(node)]
            if not values:
                raise InputError(f"line {line}: the value holds itself; write it out without the alias")
            return values, levels
        known[id(node)] = (0, 0)
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inside = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        elif node.tag.endswith((":int", ":float")) and len(node.value) > LONGEST_NUMBER:
            raise InputError(f"line {line}: a number has {len(node.value)} digits; {LONGEST_NUMBER} are the most")
        extents = [extent(each) for each in inside]
        values, levels = 1 + sum(each for each, _ in extents), 1 + max((each for _, each in extents), default=0)
        if values > MOST_VALUES:
            raise InputError(
                f"line {line}: there are {values} values once aliases are written out; {MOST_VALUES} are the most"
            )
        if levels > DEEPEST:
            raise InputError(f"line {line}: values are nested {levels} deep; {DEEPEST} is the most")
        known[id(node)] = values, levels
        return values, levels

    extent(root)


def mapping(
    value: object, where: str, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> dict[str, Any]:
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


def named(value: object, where: str, read: Callable[[str, object, str], Made]) -> dict[str, Made]:
    """A mapping whose keys can be file names, each value as `read(name, value, where)` gives it."""
    if not isinstance(value, dict):
        raise InputError(f"{where} holds {value!r}; give entries by name, or {{}} for none")
    for name in value:
        # names become file names and stage names
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise InputError(f"{where}: the name {name!r} is not allowed; use letters, digits, - and _, 64 at most")
    return {name: _looked_at(name, entry, f"{where}.{name}", read) for name, entry in value.items()}


def _looked_at(name: str, entry: object, where: str, read: Callable[[str, object, str], Made]) -> Made:
    """What `read` gives; a path in the entry at which the system refuses to look, as it is too long, is told."""
    try:
        return read(name, entry, where)
    except OSError as error:
        given = str(error.filename)
        said = given if len(given) <= LONGEST_NUMBER else f"{given[:LONGEST_NUMBER]}…"
        raise InputError(f"{where}: {said} cannot be looked at ({error.strerror}); give another path or name") from None


def placed(where: str, make: Callable[Given, Made], *arguments: Given.args, **options: Given.kwargs) -> Made:
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


def choice(value: object, allowed: Iterable[Value], where: str) -> Value:
    """One of `allowed`."""
    allowed = list(allowed)
    if value not in allowed:
        raise InputError(f"{where}: {value} is not known; choose from {', '.join(map(str, allowed))}")
    return allowed[allowed.index(value)]


def switch(value: object, where: str) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{where}: {value} is not known; choose from True, False")
    return value


def whole(value: object, where: str, least: int, most: int = LARGEST) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{where} is {value!r}; it is a whole number from {least} to {most}")
    return value


def bounded(value: object, where: str, most: int = LARGEST) -> None:
    """Raise InputError for a whole number beyond `most`, however deep in mappings and lists it stands.

    >>> bounded({"epochs": 10**30}, "params.yaml: detectors.meso.training", 1_000_000)
    Traceback (most recent call last):
    rrlib.errors.InputError: params.yaml: detectors.meso.training.epochs is 1e+30; 1000000 is the most
    """
    if isinstance(value, dict):
        for key, each in value.items():
            bounded(each, f"{where}.{key}", most)
    elif isinstance(value, list):
        for each in value:
            bounded(each, where, most)
    elif isinstance(value, int) and abs(value) > most:
        raise InputError(f"{where} is {value:.3g}; {most} is the most")
