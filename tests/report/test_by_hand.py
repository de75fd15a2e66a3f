"""A notebook that is opened by hand, without parameters, is about something that the study has."""

import json
import re
from pathlib import Path

import pytest

from rrlib import study
from rrlib.errors import InputError
from rrlib.report import notebooks, pages

REPOSITORY = Path(__file__).resolve().parents[2]
EVERY = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small study of the pipeline's tests."""
    import yaml
    from small import FEW

    path = tmp_path_factory.mktemp("study") / "params.yaml"
    path.write_text(yaml.safe_dump(FEW, sort_keys=False))
    return study.load(path)


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_no_notebook_has_braces_in_its_text(path):
    assert not [cell for cell in cells(path, "markdown") if "{{" in "".join(cell["source"])]


@pytest.mark.parametrize("name", ["evaluation", "detector", "dataset"])
def test_no_default_names_what_a_study_may_lack(name):
    code = cells(REPOSITORY / f"notebooks/{name}.ipynb", "code")
    given = next("".join(cell["source"]) for cell in code if "parameters" in cell["metadata"].get("tags", []))
    assert set(re.findall(r'^\w+ = (".*?")', given, re.MULTILINE)) == {'""'}


def test_what_is_left_empty_is_the_first_of_the_study(small):
    assert pages.chosen(small) == ("synthetic", "resnet", "fgsm")
    assert pages.chosen(small, detector="gru") == ("moving", "gru", "pgd")
    assert pages.chosen(small, "synthetic", "meso4", "pgd") == ("synthetic", "meso4", "pgd")


def test_what_the_study_lacks_is_said(small):
    with pytest.raises(InputError, match=r"synthetic/gru is not in the study; choose from synthetic/resnet, "):
        pages.chosen(small, "synthetic", "gru")
    with pytest.raises(InputError, match=r"attack is cw; choose from fgsm, pgd"):
        pages.chosen(small, "synthetic", "resnet", "cw")


def test_the_title_of_an_executed_page_names_what_it_is_about():
    import nbformat

    source = nbformat.read(REPOSITORY / "notebooks/evaluation.ipynb", as_version=4)
    names = {"dataset": "faces", "detector": "meso4", "attack": "pgd"}
    filled = notebooks.fill(source, names).cells[0]
    assert filled.source.split("\n")[0] == "# meso4 under pgd on faces"
    assert "title" not in filled.metadata


def test_lab_opens_at_the_repositorys_root():
    (line,) = [line for line in (REPOSITORY / "Makefile").read_text().splitlines() if "jupyter lab" in line]
    assert line.split("jupyter lab ")[1] == "--notebook-dir=."
