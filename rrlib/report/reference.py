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
    "pipeline",
    "processes",
    "cluster",
    "commands",
)


ROOT = "api-reference"


def pages() -> dict[str, str]:
    """The Markdown of each page by its name in the book: one about all folders, and one for each of them."""
    modules = {door: importlib.import_module(f"rrlib.{door}") for door in DOORS}
    lines = [
        f"- [rrlib.{door}]({ROOT}/{door}.md). {_first_sentence(module)} It exports "
        f"{', '.join(f'`{name}`' for name, _ in exported(module))}."
        for door, module in modules.items()
    ]
    about = (
        "# API reference\n\nEvery name that a folder of `rrlib` exports, from its docstring; a page for each folder."
    )
    return {ROOT: f"{about}\n\n" + "\n".join(lines) + "\n"} | {
        f"{ROOT}/{door}": markdown(door, module) for door, module in modules.items()
    }


def markdown(door: str, module: ModuleType) -> str:
    """The page of one folder: what it is for, and a section for each name."""
    begin = f"# rrlib.{door}\n\n{prose(inspect.getdoc(module) or '')}"
    return "\n\n".join([begin, *(section(f"rrlib.{door}", *each) for each in exported(module))]) + "\n"


def _first_sentence(module: ModuleType) -> str:
    return re.split(r"(?<=\.)\s", prose(inspect.getdoc(module) or ""))[0]


def exported(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The names that a door exports, with what they are."""
    for name in sorted(module.__all__):
        yield name, getattr(module, name)


def section(door: str, name: str, thing: object) -> str:
    """One name: its signature, its docstring and, of a class, those of its public methods."""
    title = f"## `{door}.{name}`"
    if inspect.ismodule(thing):
        return f"{title}\n\nA module. {prose(inspect.getdoc(thing) or '')}"
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return f"{title}\n\nA {type(thing).__name__}."
    parts = [title, f"```text\n{name}{_signature(thing)}\n```", prose(inspect.getdoc(thing) or "")]
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
