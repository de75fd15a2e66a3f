"""Kernels of this very interpreter: forked from a process that has the pages' imports behind it, or started."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from rrlib.report import warm
from rrlib.report.warm import end_with as end_with

WARM = Path(__file__).with_name("warm.py")
FORKS = sys.platform == "linux"  # elsewhere system libraries do not survive a fork
SOCKET_PATH = 100  # characters that the name of a socket may have; macOS allows 103


class Server:
    """The process of warm.py, from the caller's side; a context, at whose end the process and its kernels are gone."""

    def __init__(self, imports: Sequence[str]):
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _fork(ours, theirs) if is_fresh() else _start(theirs)
        self._socket, self._answers = ours, ours.makefile("r", encoding="utf-8")
        self._write(imports)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._answers.close()
        self._socket.close()
        _end(self._process)

    def ask(self, question: dict[str, Any]) -> Any:
        """The answer of warm.py; raises ConnectionError when that process has died."""
        self._write(question)
        line = self._answers.readline()
        if not line:
            raise ConnectionError("the process that kernels are forked from has died")
        return json.loads(line)

    def _write(self, what: object) -> None:
        self._socket.sendall(f"{json.dumps(what)}\n".encode())


def is_fresh() -> bool:
    """Whether this process has the imports of pages behind it and nothing else: it was forked for one command."""
    return multiprocessing.parent_process() is not None and "ipykernel" in sys.modules and threading.active_count() == 1


def _start(channel: socket.socket) -> subprocess.Popen[bytes]:
    """An interpreter of its own, which has the imports before it."""
    return subprocess.Popen(
        [sys.executable, str(WARM), str(os.getpid()), str(channel.fileno())],
        pass_fds=[channel.fileno()],
        stdin=subprocess.DEVNULL,
        env=os.environ | settings(),
        start_new_session=True,
    )


def _fork(ours: socket.socket, theirs: socket.socket) -> BaseProcess:
    """A fork of this process, which has the imports behind it."""
    process = multiprocessing.get_context("fork").Process(target=warm.become, args=(os.getpid(), ours, theirs))
    process.start()
    return process


def _end(process: subprocess.Popen[bytes] | BaseProcess) -> None:
    """Wait until the process has seen that its socket is closed; kill it where it is still at its imports."""
    if isinstance(process, subprocess.Popen):
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.kill()
        process.wait()
    else:
        process.join(timeout=2)
        process.kill()
        process.join()


class Forked:
    """A kernel that another process forked, with as much of `subprocess.Popen` as a provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, server: Server, pid: int):
        self.server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = self.server.ask({"poll": self.pid})
            except ConnectionError:
                self.returncode = -signal.SIGKILL  # a kernel ends with the process that it was forked from
        return self.returncode

    def wait(self) -> int | None:
        return self.poll()  # the provisioner calls it when the kernel has ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Provisioner(LocalProvisioner):
    """Fork a kernel where there is a server; start an interpreter where there is none, or where it cannot fork."""

    process: Any = None  # a `subprocess.Popen`, or a `Forked`
    server: Server | None = None
    status: int | None = None  # how the kernel ended, as `subprocess.Popen.returncode` has it

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("-f") :]
        try:
            pid = self.server.ask({"start": arguments}) if self.server else None
        except ConnectionError:
            pid = None
        if self.server is None or pid is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = Forked(self.server, pid)
        self.pid = self.pgid = pid
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        if signum == signal.SIGINT and self.parent and self.parent.shutting_down:
            return  # it is killed next, and is not to run its page's handlers before that
        await super().send_signal(signum)

    async def poll(self) -> int | None:
        found = await super().poll()
        if self.process and self.status is None:
            self.status = found
        return found


class ThisInterpreter(KernelSpecManager):
    """Whatever kernel a notebook names: the interpreter that runs now. Kernels that are installed are not looked at."""

    folder: Path

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", f"--ipython-dir={self.folder}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", env=settings())


def settings() -> dict[str, str]:
    """Environment variables of a kernel, so that those of its user change no page."""
    return {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0"),
        # Its threads would run before a fork; torch has threads of its own, which begin with the first use.
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
    }


def manager(folder: Path, server: Server | None) -> AsyncKernelManager:
    """The manager of one kernel whose sockets, and profile of IPython, lie in the empty `folder`."""
    specs = ThisInterpreter()
    specs.folder = folder  # IPython's own, in the user's home, may hold code that runs at each start
    file = str(folder / "kernel.json")
    # ipc has no ports, so kernels side by side cannot collide
    ipc = os.name == "posix" and len(file) < SOCKET_PATH
    made = AsyncKernelManager(kernel_spec_manager=specs, connection_file=file, transport="ipc" if ipc else "tcp")
    made.kernel_id = "page"
    provisioner = Provisioner(kernel_id=made.kernel_id, kernel_spec=made.kernel_spec, parent=made)
    provisioner.server = server
    made.provisioner = provisioner
    return made


def status(of: AsyncKernelManager) -> int | None:
    """How the kernel of `manager` ended: its exit code, the negative number of a signal, None while it runs."""
    assert isinstance(of.provisioner, Provisioner)
    return of.provisioner.status
