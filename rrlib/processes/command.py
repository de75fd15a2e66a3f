"""A command in a process of its own: forked from one that has the imports of all commands behind it."""

import multiprocessing
import os
import resource
import runpy
import shlex
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from rrlib.report import kernels

OURS = ["python", "-m", "rrlib"]
SHELL = "/bin/sh"
PATIENCE = 5  # seconds for a command to tidy up
_warming = threading.Lock()
_asking = threading.Lock()  # each start asks after all ended processes; of two that ask after one, one hears nothing
_running: set[BaseProcess] = set()
LATE = 124  # the exit code of a command that its time limit ended, as of timeout(1)
ASIDE = 2 << 30  # bytes of address space that libraries set aside and never touch, which the kernel counts all the same
SHOWN = 3  # lines at the end of the log that are told when a command fails


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, the seconds that it took, the last lines that it printed."""

    code: int
    seconds: float
    last: tuple[str, ...]


class Killed(Exception):
    """A signal ended the command, as where memory runs out: it may go well when it is tried again."""


def warm(environment: Mapping[str, str]) -> None:
    """Start the process that commands are forked from (on Linux), with variables that libraries read when they load.

    What is there already stays; so the first call of a process decides the variables.
    """
    if not kernels.FORKS:
        os.environ.update(environment)
        return
    with _warming:
        before = dict(os.environ)
        os.environ.update({**kernels.settings(), **environment, "RRLIB_RUN": str(os.getpid())})
        try:
            forkserver.set_forkserver_preload(["rrlib.processes.preload"])
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(before)


def run(
    command: str,
    log: Path,
    environment: Mapping[str, str],
    own: Mapping[str, str],
    memory: int | None = None,
    seconds: float | None = None,
) -> Ended:
    """Run a command in the working directory, what it prints in the file `log`.

    `environment` is for `warm`, `own` for this command alone. Of `memory`, in bytes, the kernel refuses what goes
    beyond (Linux). After `seconds` the command is ended. What is no `python -m rrlib …` runs in a shell. Raises Killed
    when a signal ended it.
    """
    begun = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    warm(environment)
    context = multiprocessing.get_context("forkserver" if kernels.FORKS else "spawn")
    process = context.Process(target=_become, args=(command, log, own, memory))  # type: ignore[attr-defined]
    with _asking:
        process.start()
    _running.add(process)
    late = not wait([process.sentinel], seconds)
    if late:
        _end(process)
    with _asking:
        process.join()
    _running.discard(process)
    if late:
        told = f"it took longer than the time limit of {seconds:g} s; give it more, or run again to go on"
        return Ended(LATE, time.monotonic() - begun, (told,))
    code = process.exitcode or 0
    if code < 0:
        raise Killed(f"signal {-code} ended it")
    lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
    return Ended(code, time.monotonic() - begun, tuple(line for line in lines if line.strip())[-SHOWN:])


def end_all() -> None:
    """End the commands that this process runs, as when it is interrupted."""
    for process in list(_running):
        process.terminate()
    for process in list(_running):
        with _asking:
            process.join(PATIENCE)
            process.kill()


def _end(process: BaseProcess) -> None:
    """End a command with all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid or 0, how)
        if wait([process.sentinel], PATIENCE):
            return
    process.kill()


def _become(command: str, log: Path, own: Mapping[str, str], memory: int | None) -> None:
    """Be the command, in a process of its own."""
    if memory and sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory + ASIDE, most))
    if kernels.FORKS:
        kernels.end_with(os.getppid())
    os.setsid()  # Ctrl-C is for the run, which then ends its commands
    os.environ.update(own)
    with log.open("wb", buffering=0) as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())
    words = shlex.split(command)
    if words[: len(OURS)] != OURS:
        os.execv(SHELL, [SHELL, "-c", command])
    sys.argv = ["rrlib", *words[len(OURS) :]]
    runpy.run_module("rrlib", run_name="__main__", alter_sys=True)
