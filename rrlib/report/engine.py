"""papermill's own engine, with a kernel manager that is given to it."""

from collections.abc import MutableSequence
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.log import logger

NAME = "rrlib"


class GivenKernel(Engine):
    """Run the cells in the kernel of `manager`, which ends with them; `begun` gets the code of each as it begins."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        manager: AsyncKernelManager,
        begun: MutableSequence[str],
        start_timeout: int,
        stderr_file: object,
        **unused: Any,
    ) -> None:
        client = PapermillNotebookClient(
            nb_man,
            km=manager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=None,
            stderr_file=stderr_file,
            log=logger,
            on_cell_execute=lambda cell, cell_index: begun.append(cell["source"]),
            # the kernel has done its work; a polite end interrupts it, which it reports as an error, and takes a second
            shutdown_kernel="immediate",
        )
        client.execute(cleanup_kc=True)


papermill_engines.register(NAME, GivenKernel)
