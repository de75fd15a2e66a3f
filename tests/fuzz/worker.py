"""The process in which cases run: bounded in memory and time, watched for what no reader may do."""

import faulthandler
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av

from rrlib.errors import InputError
from tests.fuzz.kinds import Kind

CEILING = 5 << 30  # bytes of address space beyond those at the start: the machine's own safety
LONGEST = 1500  # characters of a message
NOISE = 2  # lines, or warnings, of one case
RUNS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.startfile",
    "subprocess.Popen",
    "pty.spawn",
)
REACHES = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "ftplib.connect")
CHANGES = {
    **{"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.chmod": 1},
    **{"os.truncate": 1, "shutil.rmtree": 1, "shutil.move": 2, "shutil.copyfile": 2},
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """What the case at hand did to the world beside its folder; Python tells of each such call before it is made."""

    def __init__(self, folder: Path):
        self.folder, self.seen = str(folder), []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and isinstance(flags, int) and flags & WRITES and self._outside(path):
                self.seen.append(f"it wrote to {path!r}")
        elif event in CHANGES:
            outside = [path for path in arguments[: CHANGES[event]] if self._outside(path)]
            if outside:
                self.seen.append(f"{event} of {outside[0]!r}")
        elif event in RUNS or (event in REACHES and "127.0.0.1" not in str(arguments)):
            self.seen.append(f"{event} {arguments!r}"[:300])

    def _outside(self, path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        text = os.fsdecode(path)
        if text == os.devnull:
            return False
        self.on = False
        whole = os.path.realpath(text)
        self.on = True
        return not (whole == self.folder or whole.startswith(f"{self.folder}{os.sep}"))


def complaint(message: str, path: Path) -> str:
    """What is wrong with an InputError's message; empty if it is one sentence that names the file.

    >>> complaint("/tmp/a.png is empty; take it out", Path("/tmp/a.png"))
    ''
    """
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in message):
        return "holds a line break, a control character or half a character"
    if path.name not in message and str(path.parent) not in message:
        return "names no file"
    if len(message) > LONGEST:
        return f"has {len(message)} characters"
    return ""


def run(kind: Kind, cases: Iterable[tuple[int, bytes]], folder: Path, out: int, valid: list[bytes]) -> None:
    """Each case read in turn; a line to the file descriptor `out` as each is done. Never returns if one takes too much.

    A line is `NUMBER OUTCOME MICROSECONDS`, or JSON with number, outcome and detail for a failure.
    """
    folder = folder.resolve()
    os.chdir(folder)
    path = folder / kind.file
    noise = os.open(folder.parent / f"{folder.name}.noise", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, errors="replace", closefd=False) for number in (1, 2))
    faulthandler.disable()
    sys.dont_write_bytecode = True
    tempfile.tempdir = str(folder)
    kind.prepare(folder)
    warned: list[str] = []
    warnings.showwarning = lambda message, *_, **__: warned.append(str(message))  # type: ignore[assignment]
    for data in valid:  # what a first call loads is no case's doing
        path.write_bytes(data)
        _check_valid(kind, path)
    watch, base = Watch(folder), _highest()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + CEILING,) * 2)
    for number, data in cases:
        path.write_bytes(data)
        os.ftruncate(noise, 0)
        os.lseek(noise, 0, os.SEEK_SET)
        warned.clear()
        watch.seen.clear()
        begun = time.perf_counter_ns()
        signal.setitimer(signal.ITIMER_PROF, kind.seconds)  # its signal ends the process, wherever it is
        outcome, detail = _once(kind, path, watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        micros = (time.perf_counter_ns() - begun) // 1000
        if watch.seen:
            outcome, detail = "effect", watch.seen[0]
        said = os.fstat(noise).st_size
        if outcome in ("read", "refused"):
            if len(warned) > NOISE or (said and _lines(noise) > NOISE):
                outcome, detail = "noise", f"{len(warned)} warnings, {_lines(noise)} lines; {_head(noise)}"
            elif _highest() - base > kind.memory << 10:
                outcome, detail = "memory", f"{(_highest() - base) >> 10} MiB"
        if outcome in ("read", "refused"):
            os.write(out, f"{number} {outcome} {micros}\n".encode())
        else:
            os.write(out, json.dumps({"number": number, "outcome": outcome, "detail": detail}).encode() + b"\n")
            if outcome == "memory":  # what was taken at the height stays on record, so the next begins anew
                return


def _check_valid(kind: Kind, path: Path) -> None:
    complaints = []
    for read in kind.readers:
        try:
            read(path)
        except InputError as error:
            complaints.append(error)
    if len(complaints) == len(kind.readers):
        raise complaints[0]


def _once(kind: Kind, path: Path, watch: Watch) -> tuple[str, str]:
    """The worst outcome of the kind's readers, and its detail."""
    outcome = "read"
    for read in kind.readers:
        watch.on = True
        try:
            read(path)
        except InputError as error:
            watch.on = False
            if wrong := complaint(str(error), path):
                return "sentence", f"{wrong}: {str(error)[:1000]!r}"
            if _lacked_memory(error):
                return "memory", f"{str(error)[:500]!r}"
            outcome = "refused"
        except BaseException as error:
            watch.on = False
            return "traceback", "".join(traceback.format_exception(error))[-3000:]
        watch.on = False
    return outcome, ""


def _lacked_memory(error: BaseException | None) -> bool:
    """Whether it came of asking for more than `CEILING`, which is said in a sentence but is too much all the same.

    FFmpeg refuses itself to take more than 2 GiB at once, which it then says too.
    """
    while error:
        if isinstance(error, av.error.MemoryError):
            return False
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _highest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _mapped() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _lines(noise: int) -> int:
    return os.pread(noise, 1 << 16, 0).count(b"\n")


def _head(noise: int) -> str:
    return os.pread(noise, 500, 0).decode("utf-8", "replace")
