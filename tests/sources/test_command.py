"""Facts about `python -m rrlib fetch` and `sources`: what they print, where things land, how they fail."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from entry import ENTRY

from rrlib.__main__ import main
from rrlib.sources import catalogue, table

REPOSITORY = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working directory whose data/catalogue.yaml holds one entry, `it`, without a place."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/catalogue.yaml").write_text(yaml.safe_dump({"it": ENTRY | {"access": "form", "layout": ["a.bin"]}}))
    return tmp_path


def override(url: str, **keys: object) -> str:
    Path("mine.yaml").write_text(yaml.safe_dump({"it": {"access": "open", "files": [{"url": url} | keys]}}))
    return "mine.yaml"


def test_a_source_lands_in_outputs_unless_said(place, capsys):
    Path("a.bin").write_bytes(CONTENT)
    mine = override("a.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert main(["fetch", "it", "--catalogue", mine]) == 0
    assert capsys.readouterr().out == "it: ready in outputs/sources/it\n"
    assert Path("outputs/sources/it/a.bin").read_bytes() == CONTENT
    assert main(["fetch", "it", "--catalogue", mine, "--to", "there"]) == 0
    assert Path("there/a.bin").read_bytes() == CONTENT


def test_a_gated_source_is_one_line_of_error_and_exit_code_1(place, capsys):
    assert main(["fetch", "it"]) == 1
    assert capsys.readouterr().err == (
        "error: A test needs a form: ask at https://example.org, put what you get into outputs/sources/it (a.bin), "
        "and run again\n"
    )


def test_trust_on_first_use_must_be_said(place, capsys):
    Path("a.bin").write_bytes(CONTENT)
    mine = override("a.bin")
    assert main(["fetch", "it", "--catalogue", mine]) == 1
    assert "run again with --trust-first-use" in capsys.readouterr().err
    assert main(["fetch", "it", "--catalogue", mine, "--trust-first-use"]) == 0
    assert f"`sha256: {hashlib.sha256(CONTENT).hexdigest()}` in mine.yaml" in capsys.readouterr().out


def test_sources_lists_the_catalogue(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    assert main(["sources"]) == 0
    assert capsys.readouterr().out == table.markdown(catalogue.read().values())


def test_a_run_that_is_killed_is_continued_by_the_next(place, server):
    url = server.serve("/a.bin", CONTENT, pause=500_000)
    mine = override(url, sha256=hashlib.sha256(CONTENT).hexdigest())
    command = [sys.executable, "-m", "rrlib", "fetch", "it", "--catalogue", mine]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    part = Path("outputs/sources/it/a.bin.part")
    with subprocess.Popen(command, env=environment) as running:
        while not part.exists() or part.stat().st_size < 400_000:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    kept = part.stat().st_size
    server.paths["/a.bin"].pause = None
    server.released.set()
    server.asked.clear()
    assert main(command[3:]) == 0
    assert server.asked == [("/a.bin", f"bytes={kept}-")]
    assert sorted(path.name for path in part.parent.iterdir()) == ["a.bin", "fetched.json"]
