"""What was made once is restored, not made again: an earlier study, a colleague's copy."""

import shutil

import pytest
from small import change, hashes, run, stages_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(study, tmp_path_factory):
    """A copy of the small study with its caches, so that the study of the other tests stays as it is."""
    folder = tmp_path_factory.mktemp("own") / "clone"
    shutil.copytree(study, folder, symlinks=True)
    return folder


def repro(folder) -> set[str]:
    """As `make` does it: leftovers go, then DVC runs what is stale."""
    checked = run("python", "-m", "rrlib", "check", folder=folder)
    assert checked.returncode == 0, checked.stderr
    done = run("dvc", "repro", folder=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return stages_run(done.stdout)


def test_one_detector_less_and_back_measures_nothing_and_runs_nothing(own):
    before = hashes(own, "outputs/tables/**/*.parquet") | hashes(own, "outputs/book/**/*.html")
    kept = {"resnet": {"architecture": "resnet", "input_size": 32, "seed": 0, "training": {"epochs": 2}}}
    change(own, detectors=kept, tolerances=[0.1])
    ran = repro(own)
    assert "results" in ran
    assert not [name for name in ran if name.startswith(("measure", "checkpoint", "dataset@", "dataset-video"))]
    change(own)
    assert repro(own) == set()
    assert hashes(own, "outputs/tables/**/*.parquet") | hashes(own, "outputs/book/**/*.html") == before


def test_a_colleague_pulls_and_nothing_runs(own, tmp_path):
    remote, colleague = tmp_path / "remote", tmp_path / "colleague"
    assert run("dvc", "remote", "add", "--default", "shared", str(remote), folder=own).returncode == 0
    pushed = run("dvc", "push", "--run-cache", folder=own)
    assert pushed.returncode == 0, pushed.stderr
    shutil.copytree(own, colleague, symlinks=True, ignore=shutil.ignore_patterns("outputs", "cache", "tmp"))
    pulled = run("dvc", "pull", "--run-cache", folder=colleague)
    assert pulled.returncode == 0, pulled.stderr
    assert repro(colleague) == set()
    assert hashes(colleague, "outputs/tables/**/*.parquet") == hashes(own, "outputs/tables/**/*.parquet")
    # what was measured elsewhere is kept by key, so that a new ε costs that ε here too
    assert list((colleague / "outputs/measured").rglob("*.parquet"))


def test_metrics_and_plots_are_there_for_dvc(own):
    shown = run("dvc", "metrics", "show", "--json", folder=own)
    assert shown.returncode == 0, shown.stderr
    assert '"RA"' in shown.stdout
    assert '"stability"' in shown.stdout
    plotted = run("dvc", "plots", "show", "--out", "outputs/plots-page", folder=own)
    assert plotted.returncode == 0, plotted.stderr
    assert (own / "outputs/plots-page/index.html").is_file()
