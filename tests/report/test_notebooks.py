"""Executed notebooks: parameters arrive, equal results are equal bytes, and a failure leaves nothing behind."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rrlib.errors import InputError
from rrlib.report import notebooks

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
TARGET = Path("outputs/notebooks/page.ipynb")


@pytest.fixture(autouse=True)
def in_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebooks.SOURCES.mkdir()


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
