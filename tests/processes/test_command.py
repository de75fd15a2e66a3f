"""A command in a process of its own: how it ended, what it printed last, and what it may not have."""

import sys
from pathlib import Path

import pytest

from rrlib import processes
from rrlib.report import kernels

LOG = Path("logs/command.log")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_its_exit_code_and_its_last_lines_are_told_and_its_log_holds_all():
    ended = processes.run("for i in 1 2 3 4 5; do echo $i; done; exit 3", LOG, {}, {})
    assert (ended.code, ended.last) == (3, ("3", "4", "5"))
    assert LOG.read_text().split() == ["1", "2", "3", "4", "5"]


def test_its_own_variables_are_for_it_alone(monkeypatch):
    monkeypatch.delenv("RRLIB_OWN", raising=False)
    told = [processes.run("echo is${RRLIB_OWN}", LOG, {}, own).last for own in ({"RRLIB_OWN": "set"}, {})]
    assert told == [("isset",), ("is",)]


def test_it_is_ended_with_all_that_it_started_after_its_time():
    ended = processes.run("sleep 60 & sleep 60", LOG, {}, {}, seconds=1)
    assert ended.code == 124
    assert ended.last == ("it took longer than the time limit of 1 s; give it more, or run again to go on",)
    assert ended.seconds < 30


def test_a_signal_is_no_exit_code():
    with pytest.raises(processes.Killed, match=r"^signal 9 ended it$"):
        processes.run("kill -9 $$", LOG, {}, {})


@pytest.mark.skipif(sys.platform != "linux" or not kernels.FORKS, reason="the kernel limits memory on Linux alone")
def test_memory_beyond_its_share_is_refused():
    # beside what libraries set aside (2 GiB): an array of 4 GiB, of which no page is touched
    command = f"{sys.executable} -c 'import mmap; mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE)'"
    refused, given = (processes.run(command, LOG, {}, {}, memory=share << 30) for share in (1, 8))
    assert (refused.code, given.code) == (1, 0)
    assert "Cannot allocate memory" in refused.last[-1]
