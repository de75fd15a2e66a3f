"""Execute a notebook with papermill so that equal results are equal bytes."""

import json
import os
import sys
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from rrlib.errors import InputError

SOURCES = Path("notebooks")
SETTINGS = {
    "KernelManager": {"transport": "ipc"},  # no ports: kernels side by side cannot collide
    # the kernel has done its work; a polite end interrupts it, which it reports as an error, and takes a second
    "NotebookClient": {"shutdown_kernel": "immediate"},
}


def execute(name: str, target: Path, parameters: dict[str, str]) -> None:
    """Run notebooks/NAME.ipynb with `parameters` from the working directory; `target` is the executed notebook.

    What the kernel writes to stderr (progress, warnings) goes to this process's stderr and not into the page. The
    result holds no timestamps, durations or random identifiers. It lands only when every cell has run.
    Raises InputError for an unknown notebook or parameter, a damaged notebook, and when a cell or the kernel fails.
    """
    source = SOURCES / f"{name}.ipynb"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in SOURCES.glob("*.ipynb")))
        raise InputError(f"{source} is absent; choose from {known}")
    try:
        allowed = papermill.inspect_notebook(str(source))
    except ValueError as error:
        raise InputError(f"{source} is not a notebook with a kernel ({error}); save it again in Jupyter") from error
    for key in parameters:
        if key not in allowed:
            raise InputError(f"{source} has no parameter {key}; its parameters are {', '.join(allowed) or 'none'}")
    print(f"page {target}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}.ipynb")
    try:
        executed = papermill.execute_notebook(
            str(source),
            None,
            parameters=parameters,
            cwd=".",
            progress_bar=False,
            stderr_file=sys.stderr,
            kernel_name="python3",
            config=Config(SETTINGS),
        )
        nbformat.write(fill(tidy(executed), parameters), unfinished)
        os.replace(unfinished, target)
    except PapermillExecutionError as error:
        begin = error.source.strip().split("\n")[0]
        reason = " ".join(f"{error.ename}: {error.evalue}".split())
        raise InputError(f"{source} failed in the cell that begins with `{begin}`: {reason}") from None
    except DeadKernelError as error:
        raise InputError(
            f"the kernel of {source} died, as it does when memory runs out; free some, run again"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without what differs from run to run: times, identifiers, stderr.

    >>> cell = nbformat.v4.new_code_cell("1 + 1", metadata={"papermill": {"duration": 0.1}})
    >>> tidied = tidy(nbformat.v4.new_notebook(cells=[cell]))
    >>> tidied.cells[0].id, dict(tidied.cells[0].metadata)
    ('cell-0', {})
    """
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def fill(notebook: nbformat.NotebookNode, parameters: dict[str, str]) -> nbformat.NotebookNode:
    """The same notebook with `{{ name }}` in its text replaced by the parameter's value, so that titles can differ.

    >>> cell = nbformat.v4.new_markdown_cell("# {{ detector }} under attack")
    >>> fill(nbformat.v4.new_notebook(cells=[cell]), {"detector": "meso4"}).cells[0].source
    '# meso4 under attack'
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for name, value in parameters.items():
                cell.source = cell.source.replace("{{ " + name + " }}", str(value))
    return notebook


def failures(path: Path) -> list[str]:
    """What went wrong in an executed notebook: one line per cell whose output is an error."""
    cells = json.loads(path.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [f"{path}: {output['ename']}" for output in outputs if output["output_type"] == "error"]
