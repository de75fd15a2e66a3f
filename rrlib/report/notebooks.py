"""Execute notebooks with papermill so that equal results are equal bytes, many of them from one warm process."""

import ast
import json
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rrlib import files, text
from rrlib.errors import InputError
from rrlib.report import vector

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from rrlib.report.kernels import Server

SOURCES = Path("notebooks")
SVG, PDF = "image/svg+xml", "application/pdf"
TOLD = 3  # failed pages that one message tells of in full


@dataclass(frozen=True)
class Job:
    """One page: notebooks/NAME.ipynb with `parameters` becomes the executed notebook `target`."""

    name: str
    target: Path
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return SOURCES / f"{self.name}.ipynb"


def execute(name: str, target: Path, parameters: Mapping[str, str]) -> None:
    """Run notebooks/NAME.ipynb with `parameters` from the working directory: `execute_all` of this one page."""
    execute_all([Job(name, target, parameters)])


def execute_all(jobs: Sequence[Job]) -> None:
    """Execute pages from the working directory, one after the other, each in a fresh kernel of this interpreter.

    On Linux the kernels are forked from one process that has run the pages' import statements; elsewhere each starts an
    interpreter. The pages do not see each other, so their order changes none. What a kernel writes to stderr (progress,
    warnings) goes to this process's stderr and not into the page. A page holds no timestamps, durations or random
    identifiers, and lands only when every cell has run. A page that fails does not keep the others from being made.

    Raises InputError: before any page for an unknown notebook or parameter, a damaged notebook, and two jobs of one
    target; after all of them when a cell or a kernel failed, or a page could not be written.
    """
    _check_targets(jobs)
    from rrlib.report import kernels

    imports = list(dict.fromkeys(statement for job in jobs for statement in _imports(job.source)))
    with _sigterm_ends_children(), kernels.Server(imports) if kernels.FORKS and jobs else nullcontext() as server:
        for job in jobs:  # while the server is at its imports
            _check_parameters(job)
        failed = [(job, told) for job in jobs if (told := _fault(job, server))]
    if not failed:
        return
    if len(jobs) == 1:
        raise InputError(failed[0][1])
    more = f"; and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
    told = "; ".join(f"{job.target}: {told}" for job, told in failed[:TOLD])
    raise InputError(f"{len(failed)} of {len(jobs)} pages failed: {told}{more}")


def _check_targets(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if not job.source.is_file():
            known = ", ".join(sorted(path.stem for path in SOURCES.glob("*.ipynb")))
            raise InputError(f"{job.source} is absent; choose from {known}")
    targets = [job.target for job in jobs]
    if twice := [target for target in targets if targets.count(target) > 1]:
        raise InputError(f"{twice[0]} is the target of two pages; give each its own")


def _check_parameters(job: Job) -> None:
    pm = papermill()
    try:
        allowed = pm.inspect_notebook(str(job.source))
    except ValueError as error:
        raise InputError(f"{job.source} is not a notebook with a kernel ({error}); save it again in Jupyter") from error
    for key in job.parameters:
        if key not in allowed:
            raise InputError(f"{job.source} has no parameter {key}; its parameters are {', '.join(allowed) or 'none'}")


def _imports(source: Path) -> list[str]:
    """The import statements of a notebook's cells; of what cannot be read none, as that is told when it is run."""
    try:
        cells = json.loads(source.read_bytes())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return []
    statements = [statement for cell in code for statement in _statements(cell)]
    return [ast.unparse(each) for each in statements if isinstance(each, ast.Import | ast.ImportFrom)]


def _statements(code: str) -> list[ast.stmt]:
    try:
        return ast.parse(code).body
    except SyntaxError:  # a magic of IPython
        return []


def _fault(job: Job, server: "Server | None") -> str | None:
    """Make one page; what went wrong, as a sentence."""
    import nbformat

    print(f"page {job.target}", file=sys.stderr)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)  # where that fails, before the work and not after it
        page = fill(tidy(_run(job, server)), job.parameters)
        with files.whole(job.target) as unfinished:
            nbformat.write(page, unfinished)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or job.target}: {error.strerror or error}; free that place and run again"
    return None


def _run(job: Job, server: "Server | None") -> "NotebookNode":
    """The notebook with its outputs, as papermill and the kernel leave it."""
    pm = papermill()
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from rrlib.report import engine, kernels

    # a short name: the sockets of the kernel lie there, and the system limits the length of theirs
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as folder:
        manager = kernels.manager(Path(folder), server)
        begun: list[str] = []  # the cells that were begun
        try:
            executed = pm.execute_notebook(
                str(job.source),
                None,
                parameters=dict(job.parameters),
                engine_name=engine.NAME,
                kernel_name="python3",
                language="python",
                cwd=".",
                progress_bar=False,
                stderr_file=sys.stderr,
                manager=manager,
                begun=begun,
            )
        except PapermillExecutionError as error:
            raise _cell_failed(job, error.source, error.ename, error.evalue) from None
        except DeadKernelError:
            raise _kernel_died(job, begun, kernels.status(manager)) from None
        except RuntimeError as error:  # of a kernel that never answered; jupyter_client has no class for it
            if "Kernel died before replying" in str(error):
                raise _kernel_died(job, begun, kernels.status(manager)) from None
            if "Kernel didn't respond" in str(error):
                raise InputError(
                    f"the kernel of {job.source} did not start in a minute; run again on a less busy machine"
                ) from None
            raise
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # papermill takes sys.exit() for a good end, with the page half done
                raise _cell_failed(job, cell.source, output.ename, output.evalue)
    return executed


def papermill():
    """The module papermill, whose import costs a second unless jsonschema is kept from one of its own.

    jsonschema would build a grammar of internationalised addresses, .9 of 1.3 s; no notebook's schema holds one.
    """
    name = "rfc3987_syntax"
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # "not installed", which jsonschema allows for
    try:
        import papermill
    finally:
        if absent:
            del sys.modules[name]
    return papermill


def _cell_failed(job: Job, code: str, kind: str, said: str) -> InputError:
    reason = text.line(f"{kind}: {said}")
    return InputError(f"{job.source} failed in the cell that begins with `{_first_line(code)}`: {reason}")


def _kernel_died(job: Job, begun: Sequence[str], status: int | None) -> InputError:
    where = f"in the cell that begins with `{_first_line(begun[-1])}`" if begun else "before its first cell"
    if status == -signal.SIGKILL:
        return InputError(
            f"the kernel of {job.source} was killed {where}, as it is when memory runs out; free some, run again"
        )
    how = f"ended with exit code {status}"
    if status is not None and status < 0:
        how = f"died of {signal.Signals(-status).name}"
    return InputError(f"the kernel of {job.source} {how} {where}; mend what that cell calls")


def _first_line(code: str) -> str:
    return code.strip().split("\n")[0]


class Terminated(SystemExit):
    """The end that SIGTERM asked for; a plain SystemExit is that of another's code."""


def _end(number: int, frame: object) -> None:
    raise Terminated(128 + number)


@contextmanager
def _sigterm_ends_children() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does, with its kernels and their folders, and not on the spot."""
    if threading.current_thread() is not threading.main_thread():  # where Python sets no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tidy(notebook: "NotebookNode") -> "NotebookNode":
    """The same notebook without what differs from run to run: times, identifiers, stderr.

    >>> import nbformat
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
            cell.metadata.tags.append("remove-input")
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if SVG in output.get("data", {}):
                    output.data[SVG] = vector.lighter(vector.number_clips(output.data[SVG]))
    return notebook


def fill(notebook: "NotebookNode", parameters: Mapping[str, str]) -> "NotebookNode":
    """The same notebook with `{{ name }}` in its text replaced by the parameter's value, so that titles can differ.

    A heading whose cell has a `title` in its metadata becomes that title: who opens the notebook by hand, without
    parameters, sees no braces.

    >>> import nbformat
    >>> cell = nbformat.v4.new_markdown_cell("# One detector", metadata={"title": "{{ detector }} under attack"})
    >>> fill(nbformat.v4.new_notebook(cells=[cell]), {"detector": "meso4"}).cells[0].source
    '# meso4 under attack'
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = cell.metadata.pop("title", "")
            if title and set(re.findall(r"\{\{ (\w+) \}\}", title)) <= set(parameters):
                cell.source = "\n".join([f"# {title}", *cell.source.split("\n")[1:]])
            for name, value in parameters.items():
                cell.source = cell.source.replace("{{ " + name + " }}", text.markdown(value))
    return notebook


def failures(path: Path) -> list[str]:
    """What went wrong in an executed notebook: one line per cell whose output is an error."""
    cells = json.loads(path.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [f"{path}: {output['ename']}" for output in outputs if output["output_type"] == "error"]
