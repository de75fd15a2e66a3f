"""A study of ten lines is a study: what it leaves out has the values of the repository's own."""

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml
from settings import SETTINGS

from rrlib import study
from rrlib.__main__ import main
from rrlib.errors import InputError
from rrlib.study import defaults

REPOSITORY = Path(__file__).resolve().parents[2]
TEN = """\
datasets:
  drawn: {kind: synthetic, source: rrlib/datasets/synthetic, size: 32, strength: 0.6,
          images: {train: 64, validation: 32, test: 32}}
detectors:
  meso4:
    architecture: meso4
    input_size: 32
    training: {epochs: 1}
epsilons: [0, 0.02]
"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "data", "rrlib"):
        Path(name).symlink_to(REPOSITORY / name)
    Path(".dvc").mkdir()
    Path("short.yaml").write_text(TEN)
    return tmp_path


def test_ten_lines_pass_check(root, capsys):
    assert len(TEN.splitlines()) <= 10
    assert main(["check", "--study", "short.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "short.yaml: images: 1 data set(s) × 1 detector(s) × 5 attack(s) = 5 cells at 2 epsilons"


def test_dvc_finds_every_parameter_that_a_stage_names(root):
    study.enter(Path("short.yaml"))
    from dvc.repo import Repo

    with Repo() as repo:
        stages = repo.index.stages
        assert {stage.addressing for stage in stages} >= {"measure@drawn-meso4", "thresholds", "damage@drawn-meso4"}
        for stage in stages:
            for dependency in stage.deps:
                if dependency.hash_name == "params":
                    assert not set(dependency.params) - set(dependency.read_params()), stage.addressing


def test_the_repositorys_own_study_leaves_nothing_out_and_has_these_values():
    own = yaml.safe_load((REPOSITORY / "params.paper.yaml").read_text())
    assert defaults.lacking(own) == []
    assert defaults.completed(own) == own | {"damage": own["damage"]}
    for name in SETTINGS.keys() - {"batch_size", "device"}:
        expected = SETTINGS[name] if name != "damage" else own["damage"]
        assert defaults.TOP[name] == expected, name


def test_params_yaml_itself_leaves_nothing_out(root):
    Path("params.yaml").write_text(TEN)
    with pytest.raises(InputError, match=r"params\.yaml lacks seed, device, .* name, which may leave it out"):
        study.load()


def test_a_short_study_leaves_no_key_out_once_it_is_in_its_folder(root):
    study.enter(Path("short.yaml"))
    assert defaults.lacking(yaml.safe_load(study.PARAMS.read_text())) == []
    assert study.load() == study.load(Path("short.yaml"))


@pytest.mark.parametrize(
    ("given", "highlight"),
    [
        ({}, (0.01, 0.1, "pgd")),
        ({"epsilons": [0, 0.02]}, (0.02, 0.1, "pgd")),
        ({"epsilons": [0, 0.1, 0.2, 0.3]}, (0.2, 0.1, "pgd")),
        ({"attacks": {"random": {"rule": "noise"}, "margin": {"rule": "cw"}}}, (0.01, 0.1, "margin")),
        ({"attacks": {"random": {"rule": "noise"}}}, (0.01, 0.1, "random")),
        ({"highlight": {"tolerance": 0.2}}, (0.01, 0.2, "pgd")),
    ],
)
def test_what_is_highlighted_is_something_that_the_study_has(given, highlight):
    assert tuple(defaults.completed(given)["highlight"].values()) == highlight


def test_clips_are_attacked_as_images_are():
    attacks = {"mine": {"rule": "pgd", "steps": 3}}
    assert defaults.completed({"attacks": attacks})["video"]["attacks"] == attacks
    assert defaults.completed({"video": {"attacks": attacks}})["attacks"] == defaults.ATTACKS


def test_weights_without_their_hash_have_that_of_the_file(root):
    Path("mine.h5").write_bytes(b"weights")
    entry = {"architecture": "meso4", "input_size": 32, "weights": "mine.h5"}
    found = defaults.completed({"detectors": {"mine": entry}})["detectors"]["mine"]
    assert found["sha256"] == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize("broken", [{"datasets": 3}, {"video": []}, {"highlight": None}, {"epsilons": 0.1}])
def test_what_is_nonsense_is_left_for_load_to_tell(root, broken):
    Path("short.yaml").write_text(yaml.safe_dump(yaml.safe_load(TEN) | broken))
    with pytest.raises(InputError, match=r"short\.yaml: "):
        study.load(Path("short.yaml"))


def test_a_short_study_is_attacked_as_the_repositorys_own():
    shown = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=REPOSITORY, capture_output=True, text=True)
    if shown.returncode:
        pytest.skip("this is no git repository, and params.yaml may be a user's")
    own = yaml.safe_load(shown.stdout)
    assert own["attacks"] == defaults.ATTACKS
    assert [own[name] for name in ("epsilons", "tolerances")] == [defaults.TOP[n] for n in ("epsilons", "tolerances")]
