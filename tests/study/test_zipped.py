"""A copy of the repository without git works: `check` tells DVC, and takes it back when git comes."""

import shutil
from pathlib import Path

import pytest
from small import REPOSITORY, change, project_files, run, stages_run

from rrlib import study

SETTINGS = Path(".dvc/config.local")


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    SETTINGS.parent.mkdir()
    return tmp_path


def test_dvc_is_told_once_and_told_otherwise_when_git_comes(copy):
    SETTINGS.write_text("[core]\n    remote = mine\n['remote \"mine\"']\n    url = /data\n")
    assert study.settle_git() == (
        ".dvc/config.local: core.no_scm is set, as this copy is no git repository (of a ZIP, say); DVC works without it"
    )
    assert study.settle_git() == ""
    assert "no_scm = true" in SETTINGS.read_text()
    Path(".git").mkdir()
    assert study.settle_git() == ".dvc/config.local: core.no_scm is taken out again, as git knows this copy now"
    said = SETTINGS.read_text()
    assert "no_scm" not in said
    assert "remote = mine" in said
    assert "url = /data" in said
    assert study.settle_git() == ""


def test_a_clone_and_a_folder_without_dvc_are_left_alone(copy, monkeypatch):
    Path(".git").write_text("gitdir: elsewhere")  # as in a worktree
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert study.settle_git() == ""
    assert not list(copy.rglob("config.local"))


def test_settings_that_cannot_be_read_are_left_to_dvc(copy):
    SETTINGS.write_text("no section")
    assert study.settle_git() == ""
    assert SETTINGS.read_text() == "no section"


def test_check_and_dvc_work_on_a_zip(tmp_path):
    for name in project_files():
        if (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / "dvc.lock").unlink(missing_ok=True)
    change(tmp_path)
    checked = run("python", "-m", "rrlib", "check", folder=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    done = run("dvc", "repro", "fetch", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert stages_run(done.stdout) == {"fetch"}
    assert (tmp_path / "outputs/sources/ready").is_file()
