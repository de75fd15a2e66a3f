"""Training samples are drawn when something is trained, once for all that are trained on them."""

import multiprocessing
from pathlib import Path

import pytest
import yaml
from settings import SETTINGS

from rrlib import study as stages
from rrlib.study import paths

IMAGES = {"train": 8, "validation": 4, "test": 4}
DRAWN = {"kind": "synthetic", "source": "rrlib/datasets/synthetic", "seed": 1, "size": 32, "strength": 0.6}
DETECTOR = {"meso4": {"architecture": "meso4", "input_size": 32, "training": {"epochs": 1}}}
WITHOUT = {"datasets": {}, "detectors": {}, "attacks": {}}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A function that loads a study of one drawn data set with some lines changed."""
    monkeypatch.chdir(tmp_path)

    def load(**changes: object) -> stages.Study:
        own = {"datasets": {"drawn": DRAWN | {"images": IMAGES} | changes}, "detectors": DETECTOR, "video": WITHOUT}
        own |= {"attacks": {"pgd": {"rule": "pgd"}}}
        own |= {"epsilons": [0, 0.1], "tolerances": [0.1], "sources": {}}
        own["highlight"] = {"epsilon": 0.1, "tolerance": 0.1, "attack": "pgd"}
        given = SETTINGS | WITHOUT | own
        Path("params.yaml").write_text(yaml.safe_dump(given))
        return stages.load()

    return load


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_was_drawn_as_the_study_says_stays(study):
    folder = stages.prepare_training(study(), "drawn")
    first = times(folder)
    assert len(list(folder.rglob("*.png"))) == 16
    assert stages.prepare_training(study(), "drawn") == folder
    assert times(folder) == first


def test_another_definition_or_a_lost_manifest_draws_anew(study):
    folder = stages.prepare_training(study(), "drawn")
    stages.prepare_training(study(seed=2), "drawn")
    other = {path.name: path.read_bytes() for path in folder.rglob("*.png")}
    (folder / "manifest.csv").unlink()
    next(folder.rglob("*.png")).unlink()
    stages.prepare_training(study(seed=2), "drawn")
    assert {path.name: path.read_bytes() for path in folder.rglob("*.png")} == other


def test_several_at_once_draw_one_set(study):
    loaded = study()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=stages.prepare_training, args=(loaded, "drawn")) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(paths.training_folder("drawn").rglob("*.png"))) == 16


def test_tidying_leaves_what_says_how_they_were_drawn(study):
    loaded = study()
    first = times(stages.prepare_training(loaded, "drawn"))
    stages.tidy(loaded)
    assert times(stages.prepare_training(loaded, "drawn")) == first
