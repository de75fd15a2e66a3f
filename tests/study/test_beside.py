"""A second study has a folder of its own, which looks like the repository and takes nothing from the first."""

import os
from pathlib import Path

import pytest
import torch
import yaml
from small import FEW

from rrlib import detectors, study
from rrlib.__main__ import main
from rrlib.detectors import checkpoints
from rrlib.errors import InputError


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A repository's root with two studies and what they name."""
    monkeypatch.chdir(tmp_path)
    for folder in (".dvc", "rrlib/datasets/synthetic", "data"):
        Path(folder).mkdir(parents=True)
    Path(".dvc/config").write_text("[core]\n    analytics = false\n['remote \"ours\"']\n    url = s3://ours\n")
    Path("dvc.yaml").write_text("stages: {}\n")
    Path("params.yaml").write_text(yaml.safe_dump(FEW))
    Path("params.other.yaml").write_text(yaml.safe_dump(FEW | {"seed": 7}))
    return tmp_path


def test_the_folder_looks_like_the_repository_but_for_what_belongs_to_one_study(root):
    (root / "outputs/results").mkdir(parents=True)
    study.enter(Path("params.other.yaml"))
    assert Path.cwd() == root / "studies/other"
    assert study.load().seed == 7
    for name in ("rrlib", "data", "dvc.yaml", "params.other.yaml"):
        assert Path(name).is_symlink()
        assert Path(name).resolve() == root / name
    assert not Path("outputs/results").exists()
    for shared in ("outputs/sources", "outputs/measured"):
        assert Path(shared).resolve() == root / shared
    assert yaml.safe_load((root / "params.yaml").read_text()) == FEW


def test_dvc_ignores_git_there_and_shares_the_cache(root):
    (root / ".dvc/config.local").write_text("[cache]\n    dir = /elsewhere/cache\n    type = symlink\n")
    study.enter(Path("params.other.yaml"))
    from dvc.repo import Repo

    with Repo() as repo:
        assert repo.root_dir == str(root / "studies/other")
        assert repo.cache.local.path == "/elsewhere/cache/files/md5"
        assert repo.cache.local.cache_types == ["symlink"]
        assert repo.config["core"]["no_scm"]


def test_without_a_cache_of_ones_own_choice_it_is_that_of_the_repository(root):
    study.enter(Path("params.other.yaml"))
    from dvc.repo import Repo

    with Repo() as repo:
        assert repo.cache.local.path == str(root / ".dvc/cache/files/md5")


def test_links_follow_what_comes_and_goes_and_files_of_ones_own_stay(root, monkeypatch):
    (root / "mine.py").write_text("")
    study.enter(Path("params.other.yaml"))
    Path("notes.txt").write_text("mine")
    (root / "mine.py").unlink()
    (root / "yours.py").write_text("")
    (root / "notes.txt").write_text("the repository's")
    monkeypatch.chdir(root)
    study.enter(Path("params.other.yaml"))
    assert not Path("mine.py").is_symlink()
    assert Path("yours.py").is_symlink()
    assert Path("notes.txt").read_text() == "mine"


def test_what_did_not_change_is_not_written_again(root, monkeypatch):
    study.enter(Path("params.other.yaml"))
    before = {path: os.lstat(path).st_mtime_ns for path in Path().rglob("*")}
    monkeypatch.chdir(root)
    study.enter(Path("params.other.yaml"))
    assert {path: os.lstat(path).st_mtime_ns for path in Path().rglob("*")} == before


def test_paths_out_of_the_repository_lead_to_the_same_place(root):
    faces = root.parent / f"{root.name}-faces"
    faces.mkdir()
    sources = {"near": f"../{faces.name}", "far": str(faces)}
    folders = {name: {"kind": "folder", "source": source, "seed": 0} for name, source in sources.items()}
    (root / "params.other.yaml").write_text(yaml.safe_dump(FEW | {"datasets": folders}))
    study.enter(Path("params.other.yaml"))
    found = {entry.source for entry in study.load().image.datasets.values()}
    assert found == {f"../../../{faces.name}"}
    assert Path(*found).resolve() == faces


def test_the_first_study_needs_no_folder(root):
    study.enter(Path("params.yaml"))
    assert Path.cwd() == root
    assert not Path("studies").exists()


def test_what_cannot_be_is_said(root, monkeypatch):
    (root / "params.a b.yaml").write_text(yaml.safe_dump(FEW))
    with pytest.raises(InputError, match=r"params\.a b\.yaml: a study's file is called params\.NAME\.yaml or"):
        study.enter(Path("params.a b.yaml"))
    with pytest.raises(InputError, match=r"no\.yaml is absent; "):
        study.enter(Path("no.yaml"))
    (root / "studies/mine").mkdir(parents=True)
    (root / "studies/mine/thesis.txt").write_text("")
    (root / "mine.yaml").write_text(yaml.safe_dump(FEW))
    with pytest.raises(InputError, match="studies/mine holds files that this project did not make; move it away, or"):
        study.enter(Path("mine.yaml"))
    study.enter(Path("params.other.yaml"))
    with pytest.raises(InputError, match=r"this is the folder of a study; leave out --study, or go to \.\./\.\. first"):
        study.enter(Path("params.other.yaml"))
    monkeypatch.chdir(root)
    (root / "other.yaml").write_text(yaml.safe_dump(FEW))
    with pytest.raises(InputError, match=r"studies/other is the folder of params\.other\.yaml; rename other\.yaml, s"):
        study.enter(Path("other.yaml"))
    monkeypatch.chdir(root / "data")
    with pytest.raises(InputError, match=r"--study is for the repository's root, where dvc\.yaml lies; go there first"):
        study.enter(root / "params.other.yaml")


def test_commands_speak_of_the_file_that_they_were_given(root, capsys):
    assert main(["check", "--study", "params.other.yaml"]) == 0
    assert capsys.readouterr().out.startswith("params.other.yaml: images: 1 data set(s) × 2 detector(s)")
    os.chdir(root)
    (root / "params.other.yaml").write_text(yaml.safe_dump(FEW | {"device": "abacus"}))
    assert main(["dataset", "synthetic", "--study", "params.other.yaml"]) == 1
    assert capsys.readouterr().err.startswith("error: params.other.yaml: device: abacus is not known; ")
    (root / "params.other.yaml").write_text(yaml.safe_dump(FEW))
    assert main(["measure", "synthetic", "nope", "--study", "params.other.yaml"]) == 1
    assert capsys.readouterr().err.startswith("error: detector nope is not in params.other.yaml; ")


def test_two_studies_at_once_are_refused(root, capsys):
    assert main(["plan", "params.yaml", "--study", "params.other.yaml"]) == 1
    assert "error: two studies are given, " in capsys.readouterr().err


def test_what_one_study_has_trained_another_tests_on_its_own_data(root, monkeypatch):
    trained = root / "studies/other/outputs/checkpoints/synthetic/resnet.safetensors"
    study.enter(Path("params.other.yaml"))
    about = {"architecture": "resnet", "input_size": 32, "temperature": 1.5, "dataset": "synthetic"}
    checkpoints.save(trained, detectors.build("resnet", 32, 0), about)
    monkeypatch.chdir(root)
    weights = {"architecture": "resnet", "input_size": 32, "weights": str(trained.relative_to(root))}
    short = {"datasets": FEW["datasets"], "detectors": {"from-other": weights}, "epsilons": FEW["epsilons"]}
    (root / "across.yaml").write_text(yaml.safe_dump(short))
    study.enter(Path("across.yaml"))
    found = study.load()
    assert found.detectors["from-other"].weights.resolve() == trained
    loaded = study.load_weights(found, "from-other")
    assert loaded.metadata["temperature"] == 1.5
    given = detectors.load(trained, "resnet", 32).detector.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in loaded.detector.state_dict().items())
