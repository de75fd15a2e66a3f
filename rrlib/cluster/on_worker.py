"""What Dask calls on a worker: the command of a stage, in a process that has the worker's share of the machine."""

import multiprocessing
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import distributed

from rrlib import processes
from rrlib.cluster import transport
from rrlib.errors import InputError

Done = tuple[processes.Ended, bytes]  # how a command ended, and what it made where the run has no other way to it


def run(
    command: str,
    log: Path,
    environment: Mapping[str, str],
    gpus: int,
    seconds: float | None = None,
    after: Sequence[Done] = (),
) -> Done:
    """Run a command in the folder that the worker shares with the run. `after` is what Dask runs before it.

    The memory limit of the Dask worker is the command's (without GPUs); of several `gpus` it sees the one whose number
    its worker has. For the rest see `processes.run`.
    """
    worker = distributed.get_worker()
    own = {"CUDA_VISIBLE_DEVICES": str(worker.name % gpus)} if gpus > 1 and isinstance(worker.name, int) else {}
    memory = None if gpus else worker.memory_manager.memory_limit
    # a worker that a nanny of Dask began is a daemon, which may have no processes; ours end with it all the same
    multiprocessing.current_process().daemon = False
    return processes.run(command, log, environment, own, memory, seconds), transport.NOTHING


def run_apart(
    needs: Mapping[str, bytes], removes: Sequence[str], makes: Sequence[str], line: str, log: Path, *how: Any
) -> Done:
    """`run` on a machine with a folder of its own: what the command rests on is sent, and what it makes is sent back.

    `needs` is what lies at paths of the run's folder, as `transport.packed` packs it. At the paths `removes` nothing of
    an earlier run stays, and those in `makes` are packed at the end.
    """
    try:
        for path, data in needs.items():
            transport.unpack(data, [path] if Path(path).parts[0] == transport.MADE else [])
        transport.unpack(transport.NOTHING, removes)
        for _, made in how[-1]:
            transport.unpack(made)
    except InputError as error:
        return processes.Ended(1, 0, (f"{socket.gethostname()}: {error}",)), transport.NOTHING
    ended, _ = run(line, log, *how)
    return ended, transport.packed([*makes, str(log)])
