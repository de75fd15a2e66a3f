"""The API reference: every name that a door of rrlib exports, with its signature and its docstring, as Markdown."""

import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

DOORS = (
    "metrics",
    "detectors",
    "attacks",
    "datasets",
    "sources",
    "evaluation",
    "analysis",
    "study",
    "plan",
    "report",
    "cluster",
    "commands",
)


def markdown() -> str:
    """The whole page: a chapter for each folder, a section for each name."""
    chapters = ["# API reference\n\nEvery name that a folder of `rrlib` exports, from its docstring."]
    for door in DOORS:
        module = importlib.import_module(f"rrlib.{door}")
        chapters.append(f"## rrlib.{door}\n\n{prose(inspect.getdoc(module) or '')}")
        chapters += [section(f"rrlib.{door}", name, thing) for name, thing in exported(module)]
    return "\n\n".join(chapters) + "\n"


def exported(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The names that a door exports, with what they are."""
    for name in sorted(module.__all__):
        yield name, getattr(module, name)


def section(door: str, name: str, thing: object) -> str:
    """One name: its signature, its docstring and, of a class, those of its public methods."""
    title = f"### `{door}.{name}`"
    if inspect.ismodule(thing):
        return f"{title}\n\nA module. {prose(inspect.getdoc(thing) or '')}"
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return f"{title}\n\nA {type(thing).__name__}."
    parts = [title, f"```python\n{name}{_signature(thing)}\n```", prose(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing):
        for method, function in inspect.getmembers(thing, inspect.isfunction):
            if not method.startswith("_") and function.__module__.startswith("rrlib") and method in vars(thing):
                described = prose(inspect.getdoc(function) or "")
                parts.append(f"**`{method}{_signature(function)}`**\n\n{described}")
    return "\n\n".join(part for part in parts if part)


def prose(docstring: str) -> str:
    """A docstring as Markdown: examples become blocks of code, the sections of arguments and errors become lists.

    >>> print(prose("Adds.\\n\\nArgs:\\n    x: a number."))
    Adds.
    <BLANKLINE>
    **Args**
    <BLANKLINE>
    - x: a number.
    """
    return "\n\n".join(_block(block) for block in re.split(r"\n\s*\n", docstring.strip()) if block.strip())


def _block(block: str) -> str:
    lines = block.split("\n")
    if lines[0].lstrip().startswith(">>>"):
        return f"```pycon\n{inspect.cleandoc(block)}\n```"
    if re.fullmatch(r"[A-Z][a-z]+:", lines[0]) and len(lines) > 1:
        items: list[str] = []
        for line in inspect.cleandoc("\n".join(lines[1:])).split("\n"):
            items = [*items[:-1], f"{items[-1]} {line.strip()}"] if line.startswith(" ") and items else [*items, line]
        return "\n".join([f"**{lines[0][:-1]}**", "", *(f"- {item}" for item in items)])
    return block


def _signature(thing: object) -> str:
    try:
        text = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(…)"
    return re.sub(r" at 0x[0-9a-f]+", "", text)  # an address would differ from build to build
