"""A file imports only from floors below it, or from files beside it that do not import it in turn."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


FLOORS = [
    {"errors"},
    {"entries", "functional", "metrics", "devices", "detectors", "datasets", "attacks", "sources"},
    {"evaluation", "adversarial", "training", "tables", "videos", "resume"},
    {"study", "statistics", "summary", "linearity", "figures", "figure1", "pictures"}
    | {"guardrails", "findings", "places", "provenance"},
    {"stages", "pages", "notebooks", "book", "plan", "__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def imports(part: str) -> set[str]:
    """The parts of rrlib (files or folders of its top level) that a part imports."""
    root = REPOSITORY / "rrlib"
    files = [root / f"{part}.py"] if (root / f"{part}.py").is_file() else list((root / part).rglob("*.py"))
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "rrlib":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rrlib."):
                found.add(node.module.split(".")[1])
    return found - {part}


def test_every_part_has_a_floor():
    parts = {path.stem for path in (REPOSITORY / "rrlib").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__"} == set(FLOOR)


@pytest.mark.parametrize("part", FLOOR)
def test_imports_go_down_a_floor_or_beside(part):
    assert all(FLOOR[name] <= FLOOR[part] for name in imports(part))


def test_no_two_parts_import_each_other():
    assert list(TopologicalSorter({part: imports(part) for part in FLOOR}).static_order())
