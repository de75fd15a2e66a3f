"""A folder imports only from folders above it in the list below, and only what stands in their doors."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "rrlib"
# design: from the ground up
FLOORS = [
    "errors",
    "files",
    "text",
    "devices",
    "entries",
    "metrics",
    "detectors",
    "attacks",
    "datasets",
    "sources",
    "evaluation",
]
FLOORS += ["analysis", "study", "plan", "report", "pipeline", "processes", "cluster", "commands", "__main__"]


def files(part: str) -> list[Path]:
    return [ROOT / f"{part}.py"] if (ROOT / f"{part}.py").is_file() else sorted((ROOT / part).rglob("*.py"))


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of each import from rrlib, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rrlib":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            # `import rrlib` itself is for its version
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("rrlib."))


def part_of(module: str, name: str) -> str:
    return module.split(".")[1] if "." in module else name


def test_every_part_has_a_floor():
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__"} == set(FLOORS)


@pytest.mark.parametrize("part", FLOORS)
def test_imports_go_up_the_list(part):
    allowed = FLOORS[: FLOORS.index(part) + 1]
    for file in files(part):
        for module, name in imported(file):
            assert part_of(module, name) in allowed, f"{file.relative_to(ROOT)} imports {module} {name}"


@pytest.mark.parametrize("part", FLOORS)
def test_nobody_imports_what_stands_behind_another_folders_door(part):
    for file in files(part):
        for module, name in imported(file):
            behind = module.count(".") > 1 and part_of(module, name) != part
            assert not behind, f"{file.relative_to(ROOT)}: write from rrlib.{part_of(module, name)} import {name}"


@pytest.mark.parametrize(
    "door", [ROOT, *(ROOT / part for part in FLOORS if (ROOT / part).is_dir())], ids=lambda d: d.name
)
def test_a_door_opens_to_all_that_it_names(door):

    module = importlib.import_module("rrlib" if door == ROOT else f"rrlib.{door.name}")
    assert module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


def test_no_test_reads_the_study_that_a_user_may_have_changed():
    live = re.compile(r"""(REPOSITORY|ROOT) / ["']params\.yaml""")
    tests = Path(__file__).resolve().parents[1]
    assert not [path.name for path in tests.rglob("*.py") if live.search(path.read_text(encoding="utf-8"))]
