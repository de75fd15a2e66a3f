"""The code that a result rests on, found by following imports.

A hand-written list of files forgets one some day. Here the imports of a file are read (nothing is run), through the
doors of folders (`__init__.pyi` says behind which file a name stands), and what is found counts as statements: a word
of a comment or a docstring changes no number.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT.name


def closure(files: Iterable[Path]) -> list[Path]:
    """All files of this package that `files` import, directly or through others, and `files` themselves; sorted."""
    found: set[Path] = set()
    waiting = [Path(file).resolve() for file in files]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += imported(ast.parse(file.read_text(encoding="utf-8")))
    return sorted(found)


def imported(tree: ast.AST) -> set[Path]:
    """The files of this package that the imports in `tree` name, wherever in it they stand."""
    found: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                found |= _named(f"{node.module}.{alias.name}", tree, alias.asname or alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    found |= _named(alias.name, tree, alias.asname or alias.name)
    return found


def digest(files: Iterable[Path]) -> str:
    """A SHA-256 of the statements of `files`: comments, docstrings, empty lines and the Python version do not count."""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(f"{file.relative_to(ROOT).as_posix()}\n{statements(file.read_text(encoding='utf-8'))}\n".encode())
    return hashed.hexdigest()


@cache
def digest_of(*names: str) -> str:
    """The digest of the closure of some files, by their names in this package; a process reads its code once."""
    return digest(closure(ROOT / name for name in names))


def statements(source: str) -> str:
    """Python source without comments, docstrings and empty lines.

    >>> statements('def f():\\n    "Says nothing."\\n    return 1  # one\\n')
    'def f():\\n    return 1'
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for first, last in _docstrings(ast.parse(source)):
        lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The first and last line of every statement that is nothing but a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.end_lineno or node.lineno


def _named(dotted: str, tree: ast.AST, bound: str) -> set[Path]:
    """The files behind a dotted name: those of the packages on the way, and what it or its attributes stand in."""
    _, *parts = dotted.split(".")
    at, found = ROOT, {ROOT / "__init__.py"}
    for part in parts:
        if (at / part).is_dir():
            at = at / part
            found.add(at / "__init__.py")
        elif (at / f"{part}.py").is_file():
            return found | {at / f"{part}.py"}
        else:
            return found | _behind(at, part)
    for node in ast.walk(tree):  # a package was bound: what is taken from it is what counts
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == bound:
            found |= _named(f"{dotted}.{node.attr}", ast.Module([], []), "")
    return found


def _behind(door: Path, name: str) -> set[Path]:
    """The file in which a name that a door exports stands; none if the door's own code defines it."""
    stub = door / "__init__.pyi"
    if not stub.is_file():
        return set()
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            at = door.joinpath(*(node.module or name).split("."))
            file = at.with_suffix(".py")
            return {file} if file.is_file() else {at / "__init__.py"} | _behind(at, name)
    return set()
