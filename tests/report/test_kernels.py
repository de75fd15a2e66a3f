"""The processes behind pages: what they hold, and that they end with the command, whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from processes import lives

from rrlib.report import kernels

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5  # that a process may outlive the command
COMMAND = """
import sys
from pathlib import Path
from rrlib.report import kernels, notebooks
kernels.FORKS = sys.argv[1] == "forked"
notebooks.execute_all([notebooks.Job("page", Path("page.ipynb"))])
"""
# what a signal to Python cannot interrupt: the first a sleep, the second an hour of one call that holds the lock
WAIT = "import time\ntime.sleep(600)"
STUCK = "import re\nre.match('(a+)+$', 'a' * 60 + 'b')"
BEGIN = "import os\nfrom pathlib import Path\nPath('begun').write_text(f'{os.getpid()} {os.getppid()}')"

forked_only = pytest.mark.skipif(not kernels.FORKS, reason="no forks on this system")


@forked_only
@pytest.mark.parametrize(
    ("kind", "cell", "number"),
    [
        ("forked", WAIT, signal.SIGINT),
        ("forked", WAIT, signal.SIGTERM),
        ("forked", WAIT, signal.SIGKILL),
        ("forked", STUCK, signal.SIGINT),
        ("forked", STUCK, signal.SIGKILL),
        ("started", WAIT, signal.SIGINT),
        ("started", WAIT, signal.SIGTERM),
        ("started", WAIT, signal.SIGKILL),
    ],
)
def test_kernels_end_with_the_command(kind, cell, number, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "temporary").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    page = new_notebook(metadata=kernel, cells=[new_code_cell(BEGIN), new_code_cell(cell)])
    nbformat.write(page, tmp_path / "notebooks" / "page.ipynb")
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, kind],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as command:
        begun = tmp_path / "begun"
        _until(lambda: begun.exists() and begun.read_text().count(" "), 60)
        children = [int(process) for process in begun.read_text().split()]
        assert all(lives(process) for process in children)
        time.sleep(0.5)  # into the second cell
        command.send_signal(number)
        _until(lambda: not any(lives(process) for process in [*children, command.pid]), SECONDS)
    assert not (tmp_path / "page.ipynb").exists()
    if number != signal.SIGKILL:
        assert list((tmp_path / "temporary").iterdir()) == []


def _until(true, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.05)


@forked_only
def test_the_process_that_kernels_are_forked_from_runs_nothing_beside_its_one_thread():
    with kernels.Server(["import numpy, torch, pandas, matplotlib.pyplot, scipy.stats"]) as server:
        assert server.ask({"poll": server.ask({"start": ["-f", "/nonexistent/kernel.json"]})}) is None
        tasks = Path(f"/proc/{server._process.pid}/task").iterdir()
        threads = sorted((task / "comm").read_text().strip() for task in tasks)
    # pyarrow's memory manager has a thread, and stops and restarts it around a fork
    assert [name for name in threads if not name.startswith("jemalloc")] == threads[-1:]


@forked_only
def test_a_server_that_died_is_an_error_with_a_name_each_time_it_is_asked():
    with kernels.Server(["import os\nos._exit(1)"]) as server:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                server.ask({"start": []})


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        ("rrlib.report.figures", {"seaborn", "torch", "torchmetrics", "transformers", "papermill", "IPython"}),
        ("rrlib.report.notebooks", {"papermill", "nbformat", "jupyter_client", "torch", "pandas", "matplotlib"}),
        ("rrlib.report.pages", {"seaborn", "torchmetrics", "transformers", "papermill"}),
    ],
)
def test_what_a_module_does_not_need_it_does_not_import(module, slow):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {slow!r}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
