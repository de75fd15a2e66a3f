"""The plan as it is printed, and the part of a study that it writes."""

import subprocess
from pathlib import Path

import pytest
import yaml

from rrlib import study
from rrlib.__main__ import main
from rrlib.evaluation import Cell
from rrlib.plan import timing

MINE = {"faces": {"folder": "own"}, "other": {}, "weights": {}, "model": {}}


def git(*command: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True, capture_output=True)


@pytest.fixture
def plan(monkeypatch, capsys):
    """plan(*arguments): exit code, printed lines and error of the command; nothing is measured."""
    monkeypatch.setattr(timing, "SECONDS", -1)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["plan", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_study_without_data_is_planned_and_nothing_is_made(write, capsys):
    before = sorted(Path().rglob("*"))
    assert main(["plan", str(write())]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "mine.yaml: 0 of 13 cells can run\n"
        "  images: each with the attacks fgsm, pgd\n"
        "    faces  all detectors: 6 cell(s) wait for 1\n"
        "    other  all detectors: 6 cell(s) wait for 2\n"
        "  video: each with the attacks pgd\n"
        "    talks  all detectors: 1 cell(s) wait for 4\n"
        "\n"
        "To do\n"
        "  1. faces: Faces, form: ask at https://example.org, then write "
    )
    assert "Fetched by `dvc repro`, or before it by\n  5. weights: Weights, open, " in out
    assert "  images: fgsm, pgd: 7 + 5\n" in out
    assert "  faces        288          72         40  about, published: 100 real, 300 fake\n" in out
    assert "  other  not known before it is here\n" in out
    assert "nothing can run yet; do what the list says, then plan again\n" in out
    assert sorted([*before, Path("mine.yaml")]) == sorted(Path().rglob("*"))


def test_what_can_run_is_told_apart_by_what_it_needs(write, some_faces, plan):
    _, out, _ = plan(write(sources=MINE))
    assert (
        "    faces  trained: 2 cell(s) can run\n"
        "           published: 2 cell(s) can run, 4 fetched first\n"
        "           hub: 2 cell(s) wait for 2\n"
    ) in out
    assert out.endswith(
        "`python -m rrlib plan mine.yaml --write params.yaml` writes the part that can run; then run `dvc repro`\n"
    )


def test_the_part_that_can_run_is_a_study_that_says_what_was_left_out(write, some_faces, plan):
    code, _, _ = plan(write(sources=MINE), "--write", "params.yaml")
    assert code == 0
    found = study.load()
    assert found.cells() == [
        Cell("faces", name, attack) for name in ("trained", "published") for attack in ("fgsm", "pgd")
    ]
    assert list(found.sources) == ["faces", "weights"]
    assert found.sources["faces"].folder == Path("own")
    assert found.epsilons == study.load(Path("mine.yaml")).epsilons
    comments = [line for line in Path("params.yaml").read_text().splitlines() if line.startswith("#")]
    assert comments == [
        "# Written by `python -m rrlib plan mine.yaml --write params.yaml`: the part of mine.yaml that can run.",
        "# Left out: data set other, which waits for other",
        "# Left out: data set talks, which waits for talks",
        "# Left out: detector hub, which waits for model",
        "# Left out: all of video, of which no cell can run",
        "# Left out: source other",
        "# Left out: source model",
    ]


def test_without_a_network_what_would_be_fetched_is_left_out_too(write, some_faces, plan):
    plan(write(sources=MINE), "--offline", "--write", "params.yaml")
    assert list(study.load().image.detectors) == ["trained"]
    assert list(study.load().sources) == ["faces"]


def test_with_nothing_that_can_run_no_file_is_written(write, plan):
    code, _, err = plan(write(), "--write", "params.yaml")
    assert code == 1
    assert err == (
        "error: mine.yaml: nothing of it can run yet, so params.yaml was not written; do what the list says first\n"
    )
    assert not Path("params.yaml").exists()


def test_a_study_of_which_all_is_here_is_copied_with_its_comments(write, some_faces, plan):
    nothing = {"datasets": {}, "detectors": {}, "attacks": {}}
    faces = {"faces": {"kind": "folder", "source": "own", "seed": 0}}
    trained = {"trained": {"architecture": "resnet", "input_size": 32, "training": {}}}
    file = write(sources={}, datasets=faces, detectors=trained, video=nothing)
    file.write_text("# mine\n" + file.read_text())
    code, out, _ = plan(file, "--write", "params.yaml")
    assert code == 0
    assert "\neverything is here; run `python -m rrlib plan mine.yaml --write params.yaml`, then `dvc repro`\n" in out
    assert Path("params.yaml").read_text() == file.read_text()
    _, out, _ = plan()
    assert out.endswith("\neverything is here; run `dvc repro`\n")


def test_only_what_git_could_give_back_is_overwritten(write, some_faces, plan):
    file = write(sources=MINE)
    refused = "error: params.yaml is there and git does not hold it as it is; commit it, or give another name\n"
    Path("params.yaml").write_text("by hand")
    assert plan(file, "--write", "params.yaml")[::2] == (1, refused)
    git("init", "--quiet")
    assert plan(file, "--write", "params.yaml")[::2] == (1, refused)
    git("add", "params.yaml")
    git("commit", "--quiet", "-m", "By hand")
    Path("params.yaml").write_text("changed by hand")
    assert plan(file, "--write", "params.yaml")[::2] == (1, refused)
    assert Path("params.yaml").read_text() == "changed by hand"
    git("commit", "--quiet", "-a", "-m", "Changed")
    assert plan(file, "--write", "params.yaml")[0] == 0
    assert study.load().cells()


def test_what_a_file_shares_is_written_out(write, some_faces, plan):
    file = write(sources=MINE)
    given = yaml.safe_load(file.read_text())
    given["detectors"]["twin"] = given["detectors"]["trained"]
    file.write_text(yaml.safe_dump(given))
    assert "&id" in file.read_text()
    plan(file, "--write", "params.yaml")
    assert "&id" not in Path("params.yaml").read_text()
    assert "twin" in study.load().detectors
