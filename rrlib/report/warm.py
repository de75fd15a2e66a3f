"""A process that has the imports of many pages behind it and turns into a kernel for each of them (Linux).

Run as a file by `kernels.Server`, so that it holds nothing but what pages import; or forked by it, from a process that
has just those imports behind it. It speaks lines of JSON over a socket: first the import statements, then
{"start": arguments} → process id, and {"poll": process id} → exit status or null, as `subprocess.Popen.poll` has it. It
ends when the socket closes, and its kernels end with it.

A fork is safe here because nothing runs beside the one thread: libraries are loaded and not used. Where an import has
started a thread nevertheless, the answer to "start" is null, and the page gets an interpreter of its own.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>: the signal that the system sends when the parent ends
INLINE = "matplotlib_inline.backend_inline"


def serve(channel: socket.socket) -> None:
    """Import what the first line asks for, then answer until the other side closes."""
    lines = channel.makefile("rw", encoding="utf-8")
    preload(json.loads(lines.readline()))
    kernels: set[int] = set()  # that run
    for line in lines:
        question = json.loads(line)
        answer = None
        if "start" not in question:
            answer = poll(question["poll"])
            kernels -= {question["poll"]} if answer is not None else set()
        elif threading.active_count() == 1:
            answer = fork(channel, question["start"])
            kernels.add(answer)
        lines.write(f"{json.dumps(answer)}\n")
        lines.flush()
    for kernel in kernels:
        os.kill(kernel, signal.SIGKILL)
        os.waitpid(kernel, 0)


def preload(statements: Sequence[str]) -> None:
    """Run the import statements; what fails here fails again in its page, which says so."""
    from ipykernel.kernelapp import InteractiveShellApp

    InteractiveShellApp().init_path()  # the working directory, where a kernel has it
    for statement in statements:
        with suppress(Exception, SystemExit):
            exec(statement, {})
    sys.stdout.flush()  # or each kernel would say again what the imports said
    gc.collect()
    gc.freeze()  # collections in the kernels leave alone what they share


def fork(channel: socket.socket, arguments: list[str]) -> int:
    """The process id of a new kernel."""
    server = os.getpid()
    kernel = os.fork()
    if kernel:
        return kernel
    code = 1
    try:
        os.setsid()  # signals to a kernel reach what it started, and no one else
        end_with(server)
        os.close(channel.fileno())
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = ["ipykernel_launcher", *arguments]
        kernel_app = IPKernelApp.instance(parent_handle=server)  # or it says how it could be interrupted
        kernel_app.initialize(arguments)
        if INLINE in sys.modules:  # it ties itself to the shell that is there when it is imported; here none was
            importlib.reload(sys.modules[INLINE])
        kernel_app.start()
        code = 0
    except BaseException:  # there is no one above to tell it
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)  # not back into the server's loop


def poll(kernel: int) -> int | None:
    found, status = os.waitpid(kernel, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def end_with(parent: int) -> None:
    """Let the system kill this process when `parent` ends, whatever either of them is doing."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os._exit(1)


def become(parent: int, its_end: socket.socket, our_end: socket.socket) -> None:
    """Serve, in a fork of the process `parent`."""
    end_with(parent)
    os.setsid()
    its_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with our_end:
        serve(our_end)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which then closes the socket
    del sys.path[0]  # the folder of this file
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    with socket.socket(fileno=int(sys.argv[2])) as one_end:
        one_end.set_inheritable(False)
        serve(one_end)
