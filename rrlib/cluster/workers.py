"""The stale stages of the study, each on a worker as soon as what it rests on is done."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

import dask
import distributed
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from rrlib import processes
from rrlib.cluster import on_worker, transport
from rrlib.cluster.progress import Progress
from rrlib.errors import InputError
from rrlib.pipeline import Pipeline, touches

LOGS = Path("outputs/logs")
UNFINISHED = "outputs/unfinished"  # what shards leave for their stage
PATIENCE = 60  # seconds for a scheduler and its first worker to answer
TRIES = 3  # of a command that a signal ends, and of a stage that Dask forgets
MEMORY = 2 << 30  # bytes that a worker should have to itself
ROOM = 1 << 30  # bytes of disk that should be free before a stage, beside twice what it made last time
NAMED = 5  # stages that are listed by name
FIRST = ("fetch", "dataset", "checkpoint", "measure", "results")  # most of the others wait for these


def run_stale(
    pipeline: Pipeline,
    stale: Iterable[str],
    workers: int | None,
    scheduler: str | None,
    keep_going: bool,
    shards: int = 1,
    time_limit: float | None = None,
    apart: bool = False,
) -> list[str]:
    """Run stages that are stale, and those that rest on them as far as they become so; the names of those that ran."""
    count = workers or as_many_as_pay_off()
    environment = _environment(CPU_COUNT if scheduler else count)
    if not scheduler:
        processes.warm(environment)  # by this thread: what it starts ends with it
    progress = Progress(pipeline.after(stale), LOGS / "seconds.json")
    try:
        with _client(count, scheduler) as client, transport.home(client, apart) as home:
            at_once = len(pipeline.stages) if scheduler else count
            return _Run(pipeline, client, progress, keep_going, environment, shards, time_limit, home, at_once).all()
    except (OSError, TimeoutError, ValueError) as error:
        if not scheduler or isinstance(error, InputError):
            raise
        raise InputError(
            f"the scheduler {scheduler} gives no worker ({error}); start both as book/rerun.md says or leave it out"
        ) from error


def as_many_as_pay_off() -> int:
    """Workers for this machine: one for each GPU, or one for each processor that has memory enough."""
    return _gpus() or max(1, min(CPU_COUNT, MEMORY_LIMIT // MEMORY))


class _Run:
    """One run: what waits, what a worker has, what failed."""

    def __init__(
        self,
        pipeline: Pipeline,
        client: distributed.Client,
        progress: Progress,
        keep_going: bool,
        environment: Mapping[str, str],
        shards: int,
        time_limit: float | None,
        home: distributed.Worker | None,
        at_once: int,
    ):
        self.pipeline, self.client, self.progress, self.keep_going = pipeline, client, progress, keep_going
        self.environment, self.shards, self.time_limit, self.home = environment, shards, time_limit, home
        self.sent: dict[str, distributed.Future] = {}  # what lies at a path, held by `home`
        self.lost = Counter[str]()  # how often Dask forgot a stage with a machine that was lost
        self.order = TopologicalSorter(pipeline.needs)
        self.at_once, self.ready = at_once, list[str]()
        self.running: dict[distributed.Future, str] = {}
        self.finished = distributed.as_completed()
        self.ran: list[str] = []
        self.failed: dict[str, str] = {}

    def all(self) -> list[str]:
        try:
            self.order.prepare()
            self._start()
            while self.running:
                future = next(self.finished)
                self._take_in(self.running.pop(future), future)
                self._start()
        finally:
            self.client.cancel(list(self.running))
            processes.end_all()
            self.progress.close()
        if self.failed:
            raise InputError("; ".join([*self.failed.values(), *self._set_aside()]))
        return self.ran

    def _start(self) -> None:
        """Take as done what is up to date, and give to workers what is not and waits for nothing more."""
        while (free := self.order.get_ready()) or self._begin_one():
            for name in free:
                if name in self.progress.expected and self.pipeline.stale(name):
                    self.ready.append(name)
                else:
                    self._done(name)

    def _begin_one(self) -> bool:
        """Begin the first of those ready that others wait for, else the first; False where nothing may begin now.

        On a cluster of its own the run gives Dask no more stages than there are workers. Dask sends a task to a worker
        when it is submitted, by how long tasks of its name took; of stages it knows no time before, and so let one
        worker wait for minutes while another had a second long stage in its queue.
        """
        if not self.ready or len(self.running) >= self.at_once:
            return False
        name = min(self.ready, key=lambda ready: not ready.startswith(FIRST))
        self.ready.remove(name)
        if self.failed and not self.keep_going:
            return True
        if lacking := self._lacks_room(name):
            self._fail(name, lacking)
        elif self.pipeline.begin(name):
            self._submit(name)
        else:  # its outputs could be restored
            self._done(name)
        return True

    def _lacks_room(self, name: str) -> str:
        """What is wrong with the disk, if a stage would likely fill it: DVC keeps a second copy of what it makes."""
        needed = ROOM + 2 * sum(out.meta.size or 0 for out in self.pipeline.stages[name].outs)
        free = shutil.disk_usage(".").free
        if free >= needed:
            return ""
        told = f"{name}: {free / 1e9:.1f} GB of disk are free, where it needs {needed / 1e9:.1f} GB"
        return f"{told}; make room and run again"

    def _submit(self, name: str) -> None:
        stage = self.pipeline.stages[name]
        needs = sorted({dependency.def_path for dependency in stage.deps})
        makes = [out.def_path for out in stage.outs]
        shards = self.shards if self.shards > 1 and name.startswith("measure") else 0
        try:
            self._send(needs)
        except InputError as error:
            self._fail(name, f"{name}: {error}")
            return
        # what a shard that failed did not finish, the stage itself does, and tells what is wrong
        parts = [
            self._command(f"{name}-shard-{which}", f"{stage.cmd} --shard {which}/{shards}", needs, [], [UNFINISHED])
            for which in range(1, shards + 1)
        ]
        future = self._command(name, stage.cmd, needs, makes, makes, parts)
        self.running[future] = name
        self.finished.add(future)

    def _send(self, paths: Iterable[str]) -> None:
        """Have ready for workers apart what lies at these paths now."""
        for path in paths:
            if self.home and (path not in self.sent or self.sent[path].status != "finished"):
                self.sent[path] = transport.held(self.client, self.home, transport.packed([path]))

    def _command(
        self,
        name: str,
        line: str,
        needs: Sequence[str],
        removes: Sequence[str],
        makes: Sequence[str],
        after: Sequence[distributed.Future] = (),
    ) -> distributed.Future:
        how = (line, _log(name), self.environment, _gpus(), self.time_limit, list(after))
        apart = ({path: self.sent[path] for path in needs}, removes, makes) if self.home else ()
        return self.client.submit(
            on_worker.run_apart if self.home else on_worker.run,
            *apart,
            *how,
            key=f"{name}, {self.lost[name]} times lost" if self.lost[name] else name,
            pure=False,
            retries=TRIES - 1,
            priority=int(name.startswith(FIRST)),
        )

    def _take_in(self, name: str, future: distributed.Future) -> None:
        log = _log(name)
        try:
            ended, made = future.result()
        except processes.Killed as error:
            self._fail(name, f"{name}: {error}, {TRIES} times; free memory or run with fewer --workers ({log})")
            return
        except (CancelledError, distributed.KilledWorker) as error:
            self.lost[name] += 1
            if isinstance(error, CancelledError) and self.lost[name] < TRIES:
                self._submit(name)
            else:
                self._fail(name, f"{name}: its workers were lost again and again; look after their machines ({log})")
            return
        transport.unpack(made)
        if ended.code:
            last = " | ".join((*ended.last, f"exit code {ended.code}"))
            self._fail(name, f"{name}: {last} ({log})")
            return
        makes = [out.def_path for out in self.pipeline.stages[name].outs]
        if absent := [path for path in makes if not Path(path).exists()]:
            ours = self.client.cluster is not None
            advice = "look at the log" if ours else "workers in folders of their own need --apart"
            self._fail(name, f"{name}: its command ended well and made no {absent[0]}; {advice} ({log})")
            return
        self.pipeline.end(name)
        self.ran.append(name)
        self.progress.ended(name, ended.seconds)
        self._done(name)

    def _fail(self, name: str, told: str) -> None:
        self.failed[name] = told
        self.progress.failed(told)

    def _set_aside(self) -> list[str]:
        """What could not run as it rests on what failed."""
        names = sorted(self.pipeline.after(self.failed) - self.failed.keys())
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return [f"not run, as they rest on these: {', '.join(names[:NAMED])}{more}"] if names else []

    def _done(self, name: str) -> None:
        if name in self.progress.expected:
            made = [out.def_path for out in self.pipeline.stages[name].outs]
            self.sent = {path: sent for path, sent in self.sent.items() if not touches(path, made)}
        self.progress.done(name)
        self.order.done(name)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[distributed.Client]:
    """A client of the given scheduler, or of a cluster of threads here: each waits for a process of its own.

    Here each command may use its share of the memory; Dask itself need not watch the process in which they wait.
    """
    if scheduler:
        with distributed.Client(scheduler, timeout=PATIENCE) as client:
            client.wait_for_workers(1, timeout=PATIENCE)
            yield client
    else:
        with (
            dask.config.set({f"distributed.worker.memory.{what}": False for what in ("target", "spill", "pause")}),
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=False,
                dashboard_address=":0",
                memory_limit=MEMORY_LIMIT // workers,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def _log(name: str) -> Path:
    return LOGS / f"{name.replace('/', '-')}.log"


def _environment(workers: int) -> dict[str, str]:
    """What commands need to know before libraries load: with more threads than processors they would fight."""
    return {"OMP_NUM_THREADS": str(max(1, CPU_COUNT // workers)), "PYTHONHASHSEED": "0"}


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
