"""The command line: what it prints, and its exit code."""

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from small import FEW, change

from rrlib import study
from rrlib.__main__ import main

REPOSITORY = Path(__file__).resolve().parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    """The command as a person runs it, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "rrlib", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The working directory: a study of its own, as the repository's params.yaml is its user's to change."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(FEW))
    Path("rrlib/datasets/synthetic").mkdir(parents=True)  # what its data sets are made from
    Path("notebooks").symlink_to(REPOSITORY / "notebooks")
    return tmp_path


def test_check_says_what_the_study_asks_for(here):
    found = study.load()
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    images, video = done.stdout.splitlines()
    assert images.startswith(f"params.yaml: images: {len(found.image.datasets)} data set(s) × ")
    assert video.endswith(f"= {len(found.video.cells())} cells at {len(found.epsilons)} epsilons")


def test_an_unknown_data_set_is_one_line_of_error_and_exit_code_1(here):
    done = run("dataset", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: data set nope is not in params\.yaml; choose from [^\n]+\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["checkpoint", "synthetic", "nope"], "detector nope is not in params.yaml; choose from "),
        (["notebook", "nope", "outputs/nope.ipynb"], "notebooks/nope.ipynb is absent; choose from "),
        (["notebook", "index", "outputs/nope.ipynb", "budget"], "budget is no parameter; write KEY=VALUE"),
        (["card"], "no card was asked for; give a data set and a detector, --study, or --verify FILE"),
        (["card", "--verify", "nope.yaml"], "nope.yaml is absent; make it with `dvc repro`, or give the path"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(here, capsys, arguments, message):
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"error: {message}")


def test_outside_a_repository_the_absent_study_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 1
    expected = "error: params.yaml is absent; run this from the repository's root, where the study lies\n"
    assert capsys.readouterr().err == expected


def test_a_file_that_cannot_be_read_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").mkdir()
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "error: params.yaml cannot be read (Is a directory); correct it\n"


@pytest.mark.parametrize("arguments", [[], ["nope"], ["dataset"]])
def test_a_command_that_is_no_command_shows_the_usage_and_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m rrlib")


def test_a_full_disk_is_one_line_and_leaves_no_file_under_its_final_name(here):
    """A limit on file size stands in for the disk: writing fails at the same place, with the system's own word."""
    command = f"ulimit -f 1; exec {sys.executable} -m rrlib dataset synthetic"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(here.rglob("*.png"))
    assert not list(here.rglob("manifest.csv"))


def test_check_misses_a_folder_of_images_before_anything_runs(here, capsys):
    change(here, datasets={"mine": {"kind": "folder", "source": "faces", "seed": 0}})
    assert main(["check"]) == 1
    said = "error: params.yaml: datasets.mine.source: faces does not exist; correct the path\n"
    assert capsys.readouterr().err == said


def test_check_reads_the_weights_that_the_study_names_before_anything_runs(here, capsys):
    pickle = b"PK\x03\x04 a zip that torch.save might have written"
    Path("given.h5").write_bytes(pickle)
    published = {"architecture": "meso4", "input_size": 256, "weights": "given.h5"}
    change(here, detectors={"published": published | {"sha256": hashlib.sha256(pickle).hexdigest()}})
    assert main(["check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: given.h5 ")
    assert not Path("outputs").exists()


def test_a_reader_who_has_seen_enough_is_no_error(here):
    """A pipe whose other end is closed, as `head` leaves it."""
    end, pipe = os.pipe()
    os.close(end)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "rrlib", "plan"]
    done = subprocess.run(command, env=environment, stdout=pipe, stderr=subprocess.PIPE, text=True)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sources_of_a_study_are_fetched_together(here, capsys):
    Path("data").mkdir()
    Path("data/catalogue.yaml").write_text((REPOSITORY / "data/catalogue.yaml").read_text())
    change(here, sources={"celeb-df-v2": {}})
    assert main(["check"]) == 0
    said = "params.yaml: sources: celeb-df-v2 (Celeb-DF v2) is not here and nothing fetches it: ask at https://"
    assert capsys.readouterr().out.startswith(said)
    assert main(["fetch", "--study"]) == 1
    assert capsys.readouterr().err.startswith("error: Celeb-DF v2 needs a form: ask at https://")
    assert not Path("outputs/sources/ready").exists()
    for name in ("Celeb-real/a.mp4", "YouTube-real/b.mp4", "Celeb-synthesis/c.mp4", "List_of_testing_videos.txt"):
        Path("mine", name).parent.mkdir(parents=True, exist_ok=True)
        Path("mine", name).touch()
    change(here, sources={"celeb-df-v2": {"folder": "mine"}})
    assert main(["fetch", "--study"]) == 0
    assert capsys.readouterr().out == "celeb-df-v2: outputs/sources/celeb-df-v2 leads to mine\n"
    assert Path("outputs/sources/ready").exists()
    assert main(["fetch", "--study", "--to", "there"]) == 1
    assert capsys.readouterr().err.startswith("error: --study goes by params.yaml alone; ")


def test_a_name_steers_no_terminal(tmp_path, capsys):
    """Escape sequences of a file name are written out, where they would clear the screen or set its title."""
    path = tmp_path / "a\x1b[2J\x1b]0;title\x07.yaml"
    path.write_text("[")
    assert main(["plan", str(path)]) == 1
    said = capsys.readouterr().err
    assert r"a\x1b[2J\x1b]0;title\x07.yaml is not valid YAML" in said
    assert said.removesuffix("\n").isprintable()


STAGE = (
    "import os, time; from rrlib.__main__ import end_with_dvc; end_with_dvc(); "
    "print(os.getpid(), flush=True); time.sleep(60)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="tells by /proc")
@pytest.mark.parametrize("shell", ["exec", "beside"])
def test_a_stage_ends_when_the_dvc_that_runs_it_is_killed(shell):
    """DVC is a process that runs the command through a shell, which may put itself in between or not."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "DVC_STAGE": "measure"}
    command = f"{sys.executable} -c '{STAGE}'" + ("; true" if shell == "beside" else "")
    dvc = "import subprocess, sys; subprocess.run(sys.argv[1], shell=True)"
    run = subprocess.Popen([sys.executable, "-c", dvc, command], env=environment, stdout=subprocess.PIPE, text=True)
    stage = Path("/proc", run.stdout.readline().strip())
    time.sleep(1.5)
    assert stage.exists()  # while DVC is there it goes on
    run.kill()
    run.wait()
    for _ in range(50):
        if not stage.exists() or " Z " in (stage / "stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError("it outlives DVC by five seconds")
