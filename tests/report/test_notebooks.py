"""Executed notebooks: parameters arrive, equal results are equal bytes, and a failure leaves nothing behind."""

import itertools
import re
import resource
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rrlib.errors import InputError
from rrlib.report import kernels, notebooks
from rrlib.report.notebooks import Job

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
ROOT = Path(__file__).resolve().parents[2]
TARGET = Path("outputs/notebooks/page.ipynb")


@pytest.fixture(autouse=True)
def in_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the kernels import what is tested
    notebooks.SOURCES.mkdir()


@pytest.fixture(params=["forked", "started"])
def kind(request, monkeypatch):
    """Kernels that are forked from one process, as on Linux, and those that start an interpreter each."""
    if request.param == "forked" and not kernels.FORKS:
        pytest.skip("no forks on this system")
    monkeypatch.setattr(kernels, "FORKS", request.param == "forked")
    return request.param


def write(name: str, *cells: str) -> None:
    """A notebook with a title, the parameters `dataset` and `detector`, and these code cells."""
    parameters = new_code_cell('dataset = "none"\ndetector = "none"', metadata={"tags": ["parameters"]})
    title = new_markdown_cell("# {{ detector }} on {{ dataset }}")
    notebook = new_notebook(metadata=KERNEL, cells=[title, parameters, *map(new_code_cell, cells)])
    nbformat.write(notebook, notebooks.SOURCES / f"{name}.ipynb")


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_parameters_arrive_in_the_code_and_in_the_title():
    write("page", "print(dataset, detector)")
    notebooks.execute("page", TARGET, {"dataset": "faces"})
    assert printed(TARGET) == "faces none\n"
    assert nbformat.read(TARGET, as_version=4).cells[0].source == "# {{ detector }} on faces"


def test_two_runs_give_the_same_bytes_without_times_and_without_stderr(capsys):
    write("page", "import sys\nprint('to be read')\nprint('progress', file=sys.stderr)", "1 + 1")
    results = []
    for _ in range(2):
        notebooks.execute("page", TARGET, {"dataset": "faces", "detector": "meso4"})
        results.append(TARGET.read_bytes())
    assert results[0] == results[1]
    executed = nbformat.reads(results[0].decode(), as_version=4)
    assert set(executed.metadata) == {"kernelspec", "language_info"}
    assert {key for cell in executed.cells for key in cell.metadata} == {"tags"}
    assert [cell.id for cell in executed.cells] == [f"cell-{number}" for number in range(5)]
    assert printed(TARGET) == "to be read\n"
    assert "progress" in capsys.readouterr().err
    assert notebooks.failures(TARGET) == []


def test_a_notebook_runs_in_the_working_directory_and_leaves_its_source_alone():
    write("page", "from pathlib import Path\nPath('made').touch()")
    before = Path("notebooks/page.ipynb").read_bytes()
    notebooks.execute("page", TARGET, {})
    assert Path("made").exists()
    assert Path("notebooks/page.ipynb").read_bytes() == before
    assert [path.name for path in TARGET.parent.iterdir()] == ["page.ipynb"]


def test_the_kernel_is_not_interrupted_when_its_work_is_done():
    told = "lambda *_: Path('interrupted').touch()"
    write("page", f"from pathlib import Path\nget_ipython().kernel.saved_sigint_handler = {told}")
    notebooks.execute("page", TARGET, {})
    assert not Path("interrupted").exists()


def test_a_cell_that_fails_is_named_and_nothing_lands():
    write("page", "1 + 1", "# the third\nraise ValueError('first line\\nsecond line')")
    message = (
        "notebooks/page.ipynb failed in the cell that begins with `# the third`: ValueError: first line second line"
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        notebooks.execute("page", TARGET, {})
    assert list(TARGET.parent.iterdir()) == []


def test_a_failure_leaves_the_earlier_page():
    TARGET.parent.mkdir(parents=True)
    TARGET.write_text("earlier")
    write("page", "1 / 0")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        notebooks.execute("page", TARGET, {})
    assert TARGET.read_text() == "earlier"


DEATHS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "was killed {}, as it is when memory runs out; free some, run again",
    "os.kill(os.getpid(), signal.SIGSEGV)": "died of SIGSEGV {}; mend what that cell calls",
    "os._exit(9)": "ended with exit code 9 {}; mend what that cell calls",
}


@pytest.mark.parametrize("end", DEATHS)
def test_a_kernel_that_dies_is_told_with_the_cell_and_with_advice_that_fits(end):
    write("page", "1 + 1", f"import os, signal\n{end}")
    told = DEATHS[end].format("in the cell that begins with `import os, signal`")
    with pytest.raises(InputError, match="^" + re.escape(f"the kernel of notebooks/page.ipynb {told}") + "$"):
        notebooks.execute("page", TARGET, {})


def test_an_unknown_notebook_is_answered_with_those_that_are_known():
    write("page")
    write("other")
    with pytest.raises(InputError, match=re.escape("notebooks/pages.ipynb is absent; choose from other, page")):
        notebooks.execute("pages", TARGET, {})


def test_an_unknown_parameter_is_answered_with_those_that_are_known():
    write("page")
    message = "notebooks/page.ipynb has no parameter data; its parameters are dataset, detector"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        notebooks.execute("page", TARGET, {"data": "faces"})


def test_a_file_that_is_no_notebook_with_a_kernel_is_refused():
    source = Path("notebooks/page.ipynb")
    source.write_text('{"cells": [')
    with pytest.raises(InputError, match=re.escape("notebooks/page.ipynb is not a notebook with a kernel (")):
        notebooks.execute("page", TARGET, {})
    write("page")
    without_kernel = nbformat.read(source, as_version=4)
    del without_kernel.metadata["kernelspec"]
    nbformat.write(without_kernel, source)
    with pytest.raises(InputError, match=re.escape("notebooks/page.ipynb is not a notebook with a kernel (")):
        notebooks.execute("page", TARGET, {})


def test_failures_lists_the_errors_in_an_executed_notebook(tmp_path):
    cells = [new_code_cell("1 / 0"), new_code_cell("1")]
    cells[0].outputs = [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])]
    nbformat.write(new_notebook(cells=cells), tmp_path / "page.ipynb")
    assert notebooks.failures(tmp_path / "page.ipynb") == [f"{tmp_path / 'page.ipynb'}: ZeroDivisionError"]


# Each does to its kernel what could be seen by the next, and shows what it sees.
STATE = """import os, sys, random, warnings
import numpy as np
import matplotlib.pyplot as plt
print(sorted(name for name in globals() if name.startswith("left")), os.environ.get("LEFT"), hasattr(np, "left"))
print(len(plt.get_fignums()), plt.rcParams["lines.linewidth"], sys.path.count(""), sys.path[0], os.getcwd()[-9:])
print(__name__, sys.modules["__main__"].__dict__ is globals(), sys.stdin.read())"""
SPOIL = """left_over = 1
os.environ["LEFT"] = np.left = "left"
plt.rcParams["lines.linewidth"] = 9
plt.figure()
sys.path.insert(0, "left")
os.makedirs("left", exist_ok=True)
os.chdir("left")"""
FIGURE = """import numpy as np
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats
set_matplotlib_formats("svg", metadata={"Date": None})
plt.rcParams["svg.hashsalt"] = "test"
plt.plot(np.arange(3))
plt.show()"""


def bytes_of(jobs: list[Job]) -> list[bytes]:
    notebooks.execute_all(jobs)
    made = [job.target.read_bytes() for job in sorted(jobs, key=lambda job: job.target)]
    for job in jobs:
        job.target.unlink()
    return made


def test_pages_do_not_see_each_other_so_that_their_order_and_the_kind_of_kernel_change_no_byte(monkeypatch):
    write("spoiler", STATE, SPOIL)
    write("other", STATE, SPOIL)
    write("figure", FIGURE, "print(set('abcdefgh'))")
    jobs = [Job(name, Path("made", f"{name}.ipynb"), {"dataset": name}) for name in ("figure", "other", "spoiler")]
    orders = list(itertools.permutations(jobs))
    first = bytes_of(jobs)
    assert b"image/svg+xml" in first[0]
    text = printed_text(first[1])
    assert text == f"[] None False\n0 1.5 1 {ROOT} {str(Path.cwd())[-9:]}\n__main__ True \n"
    assert printed_text(first[2]) == text
    for order in (orders[2], orders[5]):
        assert bytes_of(list(order)) == first
    monkeypatch.setattr(kernels, "FORKS", False)
    assert bytes_of(jobs) == first


def printed_text(page: bytes) -> str:
    cells = nbformat.reads(page.decode(), as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_pages_that_fail_and_die_keep_no_other_from_being_made(kind):
    write("good", "print('good')")
    write("raises", "raise ValueError('bad')")
    write("dies", "import os\nos._exit(3)")
    jobs = [Job(name, Path("made", f"{name}.ipynb")) for name in ("raises", "dies", "good")]
    message = (
        "2 of 3 pages failed: "
        "made/raises.ipynb: notebooks/raises.ipynb failed in the cell that begins with `raise ValueError('bad')`: "
        "ValueError: bad; made/dies.ipynb: the kernel of notebooks/dies.ipynb ended with exit code 3 in the cell that "
        "begins with `import os`; mend what that cell calls"
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        notebooks.execute_all(jobs)
    assert [path.name for path in Path("made").iterdir()] == ["good.ipynb"]
    assert printed(Path("made/good.ipynb")) == "good\n"


def test_a_page_that_ends_itself_is_not_a_page():
    write("page", "import sys\nsys.exit()", "print('never')")
    message = "notebooks/page.ipynb failed in the cell that begins with `import sys`: SystemExit:"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        notebooks.execute("page", TARGET, {})


def test_what_is_wrong_with_any_job_is_told_before_the_first_page():
    write("page", "from pathlib import Path\nPath('ran').touch()")
    first = Job("page", TARGET)
    for second, message in (
        (Job("paeg", Path("b.ipynb")), "notebooks/paeg.ipynb is absent; choose from page"),
        (Job("page", Path("b.ipynb"), {"data": "x"}), "notebooks/page.ipynb has no parameter data"),
        (Job("page", TARGET), "outputs/notebooks/page.ipynb is the target of two pages; give each its own"),
    ):
        with pytest.raises(InputError, match="^" + re.escape(message)):
            notebooks.execute_all([first, second])
    assert not Path("ran").exists()


def test_no_pages_is_no_work():
    notebooks.execute_all([])


@pytest.mark.parametrize("named", ["python3", "another-environment"])
def test_kernels_that_are_installed_are_not_used(kind, named, tmp_path, monkeypatch):
    folder = tmp_path / "share" / "kernels" / named
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        '{"argv": ["touch", "' + str(tmp_path / "used") + '"], "display_name": "stale", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    write("page", "import sys\nprint(sys.executable)")
    source = Path("notebooks/page.ipynb")
    source.write_text(source.read_text().replace('"name": "python3"', f'"name": "{named}"'))
    notebooks.execute("page", TARGET, {"dataset": "faces"})
    assert printed(TARGET) == f"{kernels.sys.executable}\n"
    assert not (tmp_path / "used").exists()


def test_settings_of_the_user_change_no_page(kind, tmp_path, monkeypatch):
    write("page", "from rrlib.report import figures\nfigures.set_style()", FIGURE, "plt.title('a title', pad=9)")
    notebooks.execute("page", TARGET, {})
    before = TARGET.read_bytes()
    assert b"image/svg+xml" in before
    (tmp_path / "matplotlibrc").write_text(
        "text.usetex: True\nbackend: pdf\nfont.size: 30\nsavefig.transparent: True\nsvg.fonttype: none\n"
    )
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("print('started')\nimport pathlib\npathlib.Path('started').touch()\n")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebooks.execute("page", TARGET, {})
    assert TARGET.read_bytes() == before
    assert not Path("started").exists()


def test_a_full_disk_names_the_page_and_leaves_the_earlier_one():
    write("page", "print('x' * 300_000)")
    TARGET.parent.mkdir(parents=True)
    TARGET.write_text("earlier")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # what fails is a real write, as on a full disk
    try:
        with pytest.raises(InputError, match=f"^{re.escape(str(TARGET))} cannot be written \\(File too large\\)"):
            notebooks.execute("page", TARGET, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert TARGET.read_text() == "earlier"
    assert [path.name for path in TARGET.parent.iterdir()] == ["page.ipynb"]


def test_a_folder_that_cannot_be_is_told_before_the_work():
    write("page", "from pathlib import Path\nPath('ran').touch()")
    Path("outputs").touch()
    with pytest.raises(InputError, match=r"^outputs/notebooks: Not a directory; free that place and run again$"):
        notebooks.execute("page", TARGET, {})
    assert not Path("ran").exists()


def test_no_folder_of_a_kernel_stays_behind(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write("page", "1")
    notebooks.execute("page", TARGET, {})
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_import_that_starts_a_thread_gets_its_page_an_interpreter_of_its_own():
    Path("busy.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    write("page", "import busy\nimport os\nprint(open(f'/proc/{os.getppid()}/cmdline').read().count('warm.py'))")
    notebooks.execute("page", TARGET, {})
    assert printed(TARGET) == "0\n"


def test_an_import_that_ends_its_process_takes_its_own_page_alone():
    Path("deadly.py").write_text("import os\nos._exit(5)\n")
    write("bad", "import deadly")
    write("good", "print('good')")
    with pytest.raises(
        InputError, match=r"^1 of 2 pages failed: a.ipynb: the kernel of notebooks/bad.ipynb ended with"
    ):
        notebooks.execute_all([Job("bad", Path("a.ipynb")), Job("good", Path("b.ipynb"))])
    assert printed(Path("b.ipynb")) == "good\n"


def test_an_import_that_fails_is_told_by_its_page(kind):
    write("page", "import no_such_module_here\n")
    message = "cell that begins with `import no_such_module_here`: ModuleNotFoundError: No module named"
    with pytest.raises(InputError, match=message):
        notebooks.execute("page", TARGET, {})


def test_a_forked_kernel_computes_on_several_threads():
    write("page", "import torch\ntorch.set_num_threads(2)\nx = torch.ones(600, 600)\nprint(float((x @ x).sum()))")
    notebooks.execute_all([Job("page", Path(f"{number}.ipynb")) for number in range(2)])
    assert printed(Path("1.ipynb")) == "216000000.0\n"
