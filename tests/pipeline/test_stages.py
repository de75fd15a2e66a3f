"""Each stage depends on all that its command and its notebooks import, and on nothing that they do not."""

import ast
import inspect
import json
import shlex
import textwrap
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from rrlib.__main__ import _parser
from rrlib.evaluation import code

REPOSITORY = Path(__file__).resolve().parents[2]
DVC = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
STAGES = {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}
DRAWING = {"dataset", "dataset-video"}  # what a data set is made from is its source in params.yaml, code or files
TELLING = {"numbers", "cards", "dataset-page", "pages", "figure1", "claims", "compare", "evaluations"}
TELLING |= {"linearity", "choose", "damage-page", "transfer-page", "faces", "drawn-and-real", "index", "book"}


def cells(notebook: Path) -> ast.Module:
    found = json.loads(notebook.read_text())["cells"]
    return ast.parse("\n".join("".join(cell["source"]) for cell in found if cell["cell_type"] == "code"))


def needed(stage: dict) -> set[str]:
    """The files of rrlib that a stage's command and notebooks need, by following imports."""
    command, *arguments = shlex.split(stage["cmd"])[3:]
    options = _parser().parse_args([command, *arguments])
    run = ast.parse(textwrap.dedent(inspect.getsource(options.run)))
    first = code.imported(run)
    for dep in stage["deps"]:
        if dep.startswith("notebooks/"):
            first |= code.imported(cells(REPOSITORY / dep))
    return {path.relative_to(REPOSITORY).as_posix() for path in code.closure(first)} | {"rrlib/__main__.py"}


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


@pytest.mark.parametrize("name", sorted(STAGES.keys() - DRAWING - {"fetch"}))
def test_a_stage_depends_on_all_that_it_imports_and_on_nothing_else(name):
    deps = [dep for dep in STAGES[name]["deps"] if dep.startswith("rrlib/")]
    files = needed(STAGES[name])
    assert not [file for file in files if not any(covers(dep, file) for dep in deps)]
    assert not [dep for dep in deps if not any(covers(dep, file) for file in files)]


def test_the_closure_finds_what_stands_behind_doors_and_in_functions():
    files = needed(STAGES["measure"])
    assert {"rrlib/attacks/shift.py", "rrlib/detectors/meso.py", "rrlib/evaluation/store.py"} <= files
    assert not [file for file in files if file.startswith(("rrlib/report", "rrlib/analysis", "rrlib/plan"))]


@pytest.mark.parametrize("name", ["measure", "measure-video"])
def test_parameters_that_change_no_number_reach_no_measuring_stage(name):
    assert not {"threshold", "tolerances", "highlight", "batch_size", "workers"} & set(STAGES[name]["params"])


@pytest.mark.parametrize("name", sorted(TELLING))
def test_what_tells_makes_nothing_that_is_measured(name):
    made = STAGES[name].get("outs", [])
    assert not [out for out in made if "tables" in out or "checkpoints" in out]
    assert not [stage for stage in ("measure", "measure-video") if any("notebooks" in d for d in STAGES[stage]["deps"])]


def test_every_notebook_is_a_dependency_of_a_stage():
    deps = {dep for stage in STAGES.values() for dep in stage["deps"]}
    assert {f"notebooks/{path.name}" for path in (REPOSITORY / "notebooks").glob("*.ipynb")} <= deps


def test_dvc_lock_holds_no_stage_that_is_gone():
    recorded = yaml.safe_load((REPOSITORY / "dvc.lock").read_text())["stages"]
    with Repo(REPOSITORY) as repo:
        there = {stage.addressing for stage in repo.index.stages}
    assert set(recorded) <= there
