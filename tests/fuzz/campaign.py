"""Cases by the thousand, in workers that are copies of this process; what fails is tried again alone and kept."""

import gzip
import hashlib
import json
import os
import pickle
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz import worker
from tests.fuzz.kinds import KINDS, Kind

CORPUS = Path(__file__).parent / "corpus"
WAIT = 120.0  # seconds without a word after which a worker hangs, though it uses no processor
SOUND = ("read", "refused")
FAULTS = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")  # what a parser dies of; SIGKILL is for want of memory


@dataclass
class Failure:
    """A case that did not pass: `again` is its outcome when it was tried alone, in a new process."""

    kind: str
    name: str
    outcome: str
    detail: str
    data: bytes = field(repr=False)
    again: str = ""


@dataclass
class Tally:
    """What became of the cases of one kind; `seconds` of processor time, `slowest` of one case."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: float = 0.0

    @property
    def cases(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failed(self) -> int:
        return self.cases - sum(self.outcomes[each] for each in SOUND)


def corpus(kind: Kind) -> dict[str, bytes]:
    """Past failures, by name."""
    return {path.name: gzip.decompress(path.read_bytes()) for path in sorted((CORPUS / kind.name).glob("*.gz"))}


def keep(failure: Failure, folder: Path) -> Path:
    """The failing file, packed, and beside it what happened."""
    stem = f"{failure.outcome}-{hashlib.sha256(failure.data).hexdigest()[:12]}"
    place = folder / failure.kind
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{stem}.gz").write_bytes(gzip.compress(failure.data, 9, mtime=0))
    about = f"{failure.kind} {failure.name}: {failure.outcome}, alone {failure.again}\n\n{failure.detail}\n"
    (place / f"{stem}.txt").write_text(about, encoding="utf-8", errors="backslashreplace")
    return place / f"{stem}.gz"


def valid_seeds(kinds: Iterable[Kind]) -> dict[str, list[bytes]]:
    """The seeds of each kind, made in a process of its own: encoders begin threads, and a copy should have none."""
    for kind in kinds:
        kind.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "seeds")

        def make() -> None:
            path.write_bytes(pickle.dumps({kind.name: kind.seeds() for kind in kinds}))

        child = _forked(make)
        os.waitpid(child, 0)
        return pickle.loads(path.read_bytes())


def run(
    kind: Kind, cases: Sequence[tuple[str, Callable[[], bytes]]], valid: list[bytes], tally: Tally
) -> list[Failure]:
    """Every case, (name, its bytes when called), in as few workers as it takes; counts them in `tally`."""
    failures, first = [], 0
    while first < len(cases):
        for number, outcome, detail, seconds in _work(kind, cases, first, valid):
            first = number + 1
            tally.outcomes[outcome] += 1
            tally.seconds += seconds
            tally.slowest = max(tally.slowest, seconds)
            if outcome not in SOUND:
                name, data = cases[number]
                failures.append(Failure(kind.name, name, outcome, detail, data()))
    return failures


def confirm(failure: Failure, valid: list[bytes]) -> None:
    """Try it again, alone."""
    alone = list(_work(KINDS[failure.kind], [(failure.name, lambda: failure.data)], 0, valid))
    failure.again = alone[0][1]


def _work(
    kind: Kind, cases: Sequence[tuple[str, Callable[[], bytes]]], first: int, valid: list[bytes]
) -> Iterator[tuple[int, str, str, float]]:
    """(number, outcome, detail, seconds) of the cases from `first` on, to the end or to one that a worker died of."""
    top = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=top))
    inside = folder / "case"
    inside.mkdir()
    reader, writer = os.pipe()

    def serve() -> None:
        os.close(reader)
        numbered = ((number, cases[number][1]()) for number in range(first, len(cases)))
        worker.run(kind, numbered, inside, writer, valid)

    child = _forked(serve, folder / "died")
    os.close(writer)
    waiting, number, silent, ended = b"", first, False, False
    try:
        while not ended:
            ready, _, _ = select.select([reader], [], [], WAIT)
            if not ready:
                silent = True
                os.kill(child, signal.SIGKILL)
                break
            found = os.read(reader, 1 << 16)
            ended = not found
            *lines, waiting = (waiting + found).split(b"\n")
            for line in lines:
                if line.startswith(b"{"):
                    said = json.loads(line)
                    number = said["number"] + 1
                    yield said["number"], said["outcome"], said["detail"], 0.0
                else:
                    at, outcome, micros = line.decode().split()
                    number = int(at) + 1
                    yield int(at), outcome, "", int(micros) / 1e6
    finally:
        os.close(reader)
        _, status = os.waitpid(child, 0)
        died = (folder / "died").read_text() if (folder / "died").exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"the worker of {kind.name} failed before or after case {number}:\n{died}")
    if number < len(cases) and os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        hang = silent or name in ("SIGPROF", "SIGXCPU")
        if kind.alone and name in FAULTS:
            yield number, "refused", "", 0.0
            return
        yield number, "hang" if hang else "crash", "silent" if silent else name, kind.seconds if hang else 0.0


def _forked(action: Callable[[], None], died: Path | None = None) -> int:
    """A copy of this process that does just that; its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        action()
        status = 0
    except BaseException:
        if died:
            died.write_text(traceback.format_exc())
        else:
            traceback.print_exc()
    finally:
        os._exit(status)


def shares(count: int, kinds: Iterable[Kind]) -> dict[str, int]:
    """How many cases each kind gets of `count`, by its share: at least one, and no fewer than `count` together."""
    kinds = list(kinds)
    total = sum(kind.share for kind in kinds)
    return {kind.name: -(-count * kind.share // total) for kind in kinds}


def damaged(
    kind: Kind, seed: object, numbers: Iterable[int], valid: list[bytes]
) -> list[tuple[str, Callable[[], bytes]]]:
    """The cases of these numbers."""
    return [(f"{seed}/{number}", lambda n=number: kind.damaged(seed, n, valid)) for number in numbers]  # type: ignore[misc]


def used() -> float:
    """Seconds of processor time, of this process and of those it waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def markdown(tallies: dict[str, Tally]) -> str:
    """A table, kind × outcomes."""
    failed = sorted({each for tally in tallies.values() for each in tally.outcomes} - set(SOUND))
    rows: list[list[Any]] = [["kind", "cases", *SOUND, *failed, "ms a case", "slowest, s"]]
    rows.append(["---"] + ["--:"] * (len(rows[0]) - 1))
    whole = Tally(
        sum((tally.outcomes for tally in tallies.values()), Counter()), sum(t.seconds for t in tallies.values())
    )
    whole.slowest = max((tally.slowest for tally in tallies.values()), default=0.0)
    for name, tally in [*tallies.items(), ("all", whole)]:
        counts = [tally.outcomes[each] for each in (*SOUND, *failed)]
        rows.append(
            [name, tally.cases, *counts, f"{1000 * tally.seconds / max(1, tally.cases):.2f}", f"{tally.slowest:.2f}"]
        )
    return "".join(
        f"| {' | '.join(f'{each:,}' if isinstance(each, int) else str(each) for each in row)} |\n" for row in rows
    )


class State:
    """How far a run came, in a file, so that one that was stopped goes on."""

    def __init__(self, path: Path | None, about: str):
        self.path, self.about = path, about
        self.done: dict[str, int] = {}
        self.tallies = {name: Tally() for name in KINDS}
        if path and path.exists():
            said = json.loads(path.read_text())
            if said["about"] == about:
                self.done = said["done"]
                for name, (outcomes, seconds, slowest) in said["tallies"].items():
                    self.tallies[name] = Tally(Counter(outcomes), seconds, slowest)

    def save(self) -> None:
        if self.path:
            tallies = {name: (tally.outcomes, tally.seconds, tally.slowest) for name, tally in self.tallies.items()}
            whole = json.dumps({"about": self.about, "done": self.done, "tallies": tallies})
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.path.with_suffix(".part")
            unfinished.write_text(whole)
            unfinished.replace(self.path)


def campaign(
    count: int, seed: object, kinds: Sequence[Kind], to: Path, state: Path | None = None, told: float = 10.0
) -> tuple[dict[str, Tally], list[Failure]]:
    """`count` cases over `kinds`, in rounds, so that one that is stopped has seen some of each."""
    valid, wanted = valid_seeds(kinds), shares(count, kinds)
    kept = State(state, f"{count} {seed} {' '.join(wanted)}")
    failures, seen, last = [], set(), time.monotonic()
    rounds = max(1, -(-count // 100_000))
    for part in range(1, rounds + 1):
        for kind in kinds:
            until = wanted[kind.name] * part // rounds
            start = kept.done.get(kind.name, 0)
            cases = damaged(kind, seed, range(start, until), valid[kind.name])
            for failure in run(kind, cases, valid[kind.name], kept.tallies[kind.name]):
                signature = (failure.kind, failure.outcome, failure.detail[-200:])
                failure.again = "not tried, as others were"
                if signature not in seen:
                    confirm(failure, valid[kind.name])
                seen.add(signature)
                failures.append(failure)
                print(
                    f"{failure.kind} {failure.name}: {failure.outcome}, {keep(failure, to)}",
                    file=sys.stderr,
                    flush=True,
                )
            kept.done[kind.name] = max(start, until)
            kept.save()
            if time.monotonic() - last > told:
                last = time.monotonic()
                done = sum(tally.cases for tally in kept.tallies.values())
                failed = sum(tally.failed for tally in kept.tallies.values())
                print(f"{done:,} of {count:,} cases, {failed} failed, {used():.0f} s", file=sys.stderr, flush=True)
    return {kind.name: kept.tallies[kind.name] for kind in kinds}, failures


def past(kinds: Sequence[Kind]) -> tuple[dict[str, Tally], list[Failure]]:
    """The corpus, every file of it."""
    valid, tallies, failures = valid_seeds(kinds), {kind.name: Tally() for kind in kinds}, []
    for kind in kinds:
        cases = [(name, lambda data=data: data) for name, data in corpus(kind).items()]  # type: ignore[misc]
        failures += run(kind, cases, valid[kind.name], tallies[kind.name])
    return tallies, failures
