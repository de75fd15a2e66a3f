"""Cells that a study leaves out: what patterns mean, what is refused, and that they cost nothing."""

import re
from pathlib import Path

import pytest
import yaml
from settings import SETTINGS

from rrlib import study
from rrlib.__main__ import main
from rrlib.errors import InputError
from rrlib.report import book, trusted

REPOSITORY = Path(__file__).resolve().parents[2]
DETECTOR = {"architecture": "resnet", "input_size": 32, "training": {"epochs": 1}}
FACES = {"kind": "folder", "source": "images", "seed": 0}
SOUND = {
    **SETTINGS,
    "epsilons": [0, 0.01],
    "tolerances": [0.1],
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "sources": {},
    "datasets": {"faces": FACES, "other": FACES},
    "detectors": {"meso4": DETECTOR, "resnet": DETECTOR},
    "attacks": {"noise": {"rule": "noise"}, "pgd": {"rule": "pgd"}, "cw": {"rule": "cw"}},
    "video": {"datasets": {}, "detectors": {}, "attacks": {}},
}


@pytest.fixture(autouse=True)
def in_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/catalogue.yaml").symlink_to(REPOSITORY / "data/catalogue.yaml")


def load(**cells: list[str]) -> study.Study:
    study.PARAMS.write_text(yaml.safe_dump(SOUND | {"cells": cells}, sort_keys=False))
    return study.load()


def shown(found: study.Study) -> list[str]:
    return [str(cell) for cell in found.cells()]


def test_nothing_is_left_out_unless_asked():
    assert len(shown(load())) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("cells", "left"),
    [
        ({"exclude": ["other/meso4"]}, ["faces/meso4/pgd", "faces/resnet/pgd", "other/resnet/pgd"]),
        ({"include": ["faces", "other/res*"]}, ["faces/meso4/pgd", "faces/resnet/pgd", "other/resnet/pgd"]),
        (
            {"include": ["*/resnet", "faces/*"], "exclude": ["faces/resnet"]},
            ["faces/meso4/pgd", "other/resnet/pgd"],
        ),
    ],
)
def test_patterns_choose_pairs(cells, left):
    found = load(**cells)
    assert [each for each in shown(found) if each.endswith("pgd")] == left
    assert [f"{dataset}/{detector}/pgd" for dataset, detector in found.pairs()] == left
    assert len(shown(found)) == 3 * len(left)


def test_an_attack_is_left_out_of_some_and_has_no_page_there():
    found = load(exclude=["*/meso4/cw"])
    assert list(study.half_of(found, "faces", "meso4").attacks) == ["noise", "pgd"]
    assert list(study.half_of(found, "faces", "resnet").attacks) == ["noise", "pgd", "cw"]
    pages = [page.as_posix() for page in book.pages(found)]
    assert "detectors/faces/resnet/cw.ipynb" in pages
    assert "detectors/faces/meso4/cw.ipynb" not in pages


def test_whom_an_attack_is_spared_takes_part_in_no_finding_but_noise_does_not_count():
    reasons = trusted._spared(load(exclude=["faces/meso4/cw", "*/resnet/noise"]))
    assert reasons == {
        ("faces", "meso4"): "meso4 on faces is not attacked with cw, since cells of params.yaml leaves that out: "
        "its worst case is not that of the others"
    }


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"exclude": ["faces/meso5"]},
            "cells.exclude: faces/meso5 matches no cell of the study; write DATASET/DETECTOR/ATTACK as they are called "
            "there, with * for any name",
        ),
        (
            {"include": ["meso4"]},
            "cells.include: meso4 matches no cell of the study; write DATASET/DETECTOR/ATTACK as they are called "
            "there, with * for any name",
        ),
        (
            {"exclude": ["faces//cw"]},
            "cells.exclude: 'faces//cw' is no pattern; write DATASET/DETECTOR/ATTACK, or its first parts",
        ),
        ({"exclude": "faces"}, "cells.exclude is 'faces'; list patterns such as faces/meso4/pgd or '*/*/cw'"),
        ({"exclude": ["*/meso4"]}, "cells: no cell of meso4 is left; take it out of detectors, or leave one in"),
        ({"include": ["faces"]}, "cells: no cell of other is left; take it out of datasets, or leave one in"),
        ({"only": []}, "cells: only is not a known key; choose from include, exclude"),
        (
            {"exclude": ["faces/meso4/pgd"]},
            "highlight.attack is pgd, but cells leaves faces/meso4/pgd out; leave out all of faces/meso4, keep that "
            "cell, or single out another attack",
        ),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(cells, message):
    with pytest.raises(InputError, match=f"^params.yaml: {re.escape(message)}$"):
        load(**cells)


def test_a_pair_that_is_left_out_costs_nothing_and_cannot_be_asked_for(capsys):
    """No data set is here, so whatever looked at one would fail."""
    found = load(exclude=["other/meso4"])
    for command in ("checkpoint", "measure", "damage", "trust", "pages"):
        assert main([command, "other", "meso4"]) == 0
        assert capsys.readouterr().out == "other/meso4 is left out of the study\n"
    made = sorted(path.as_posix() for path in Path("outputs").rglob("*") if path.is_file())
    assert made == [
        "outputs/checkpoints/other/meso4.safetensors",
        "outputs/damage/other/meso4.parquet",
        "outputs/notebooks/detectors/other/meso4/.made-by-rrlib",
        "outputs/tables/other/meso4/.made-by-rrlib",
        "outputs/trust/other/meso4.json",
    ]
    assert all(Path(path).stat().st_size == 0 for path in made)
    with pytest.raises(InputError, match=r"^params\.yaml: cells leaves other/meso4 out; take it in to measure it$"):
        study.half_of(found, "other", "meso4")


def test_stages_rest_on_a_file_of_their_pair_alone():
    study.write_asked(load())
    before = {path.as_posix(): path.read_text() for path in study.paths.CELLS.rglob("*.txt")}
    assert set(before.values()) == {"asked\n"}
    study.write_asked(load(exclude=["other/meso4", "faces/*/cw"]))
    after = {path.as_posix(): path.read_text() for path in study.paths.CELLS.rglob("*.txt")}
    assert {path for path in before if before[path] != after[path]} == {"outputs/cells/other/meso4.txt"}
