"""The process that builds the book, and those that it forks, end with the one that asked for it."""

import re
import subprocess
import sys

import pytest
from processes import left, lives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems end no process with its parent")
FORKING = """
import os, sys, time
from rrlib.report import building
building.end_with(os.getppid())
for _ in range(2):
    if child := os.fork():
        print(child, flush=True)
    else:
        time.sleep(60)
time.sleep(60)
"""


def test_it_ends_before_its_imports_where_nobody_waits_for_it(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "rrlib.report.building", tmp_path, tmp_path, "1"]
    gone = subprocess.run(command, capture_output=True, text=True)
    assert gone.returncode == 1
    assert not {"sphinx", "jupyter_book"} & set(re.findall(r"\| +(\w+)$", gone.stderr, re.MULTILINE))


def test_what_it_forks_ends_with_it():
    main = subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True)
    forked = [main.stdout.readline().strip() for _ in range(2)]
    assert all(number.isdigit() and lives(number) for number in forked)
    main.kill()
    main.wait()
    main.stdout.close()
    assert left(forked) == []
