"""dvc.yaml as DVC reads it: which stages are stale, and taking in what a stage made.

A run of a stage is here what it is for `dvc repro`: its outputs go, a run that DVC has in its cache is restored, and
what the command made is hashed, cached and written to dvc.lock. Only the command itself is somebody else's.
"""

import copy
import logging
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from dvc.dependency import Dependency, ParamsDependency
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.utils.serialize import load_path

from rrlib.errors import InputError

logging.getLogger("dvc").setLevel(logging.WARNING)  # it tells of each stage that did not change

ABSENT = object()
WRITTEN_EVERY = 20  # seconds at least between two writings of dvc.lock, each of which writes all of its stages,
WRITING = 0.02  # and at most this share of the time is spent on them


class Pipeline:
    """The stages with a command, by name; a context that holds DVC's lock, as a run of `dvc repro` does."""

    def __init__(self) -> None:
        self._repo = Repo()
        self._seen: dict[str, tuple[Any, ...]] = {}  # what DVC finds at a path that stages rest on
        self._params: dict[str, dict[str, object]] = {}  # what parameter files hold, by path
        self._unwritten: list[PipelineStage] = []
        self._next_writing = time.monotonic() + WRITTEN_EVERY

    def __enter__(self) -> "Pipeline":
        try:
            self._repo.lock.lock()
        except LockError as error:
            raise InputError(
                "another run or DVC command is at work in this repository; wait for its end, or end it, and run again"
            ) from error
        graph = self._repo.index.graph
        self.stages: dict[str, PipelineStage] = {
            stage.addressing: stage for stage in graph if stage.cmd and not stage.frozen
        }
        for stage in self.stages.values():
            for dependency in stage.deps:
                self._look_once(dependency)
        self.needs: dict[str, set[str]] = {
            name: {each.addressing for each in graph.successors(stage)} & self.stages.keys()
            for name, stage in self.stages.items()
        }
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._write()
        finally:
            self._repo.lock.unlock()
            self._repo.close()

    def after(self, names: Iterable[str]) -> set[str]:
        """The given stages and all that rest on them, however far."""
        found = set(names)
        while more := {name for name, needed in self.needs.items() if needed & found} - found:
            found |= more
        return found

    def stale(self, name: str) -> bool:
        """Whether a stage's command, parameters, dependencies or outputs are others than dvc.lock says."""
        stage = self.stages[name]
        return stage.changed_stage() or any(dependency.status() for dependency in stage.deps) or stage.changed_outs()

    def _look_once(self, dependency: Dependency) -> None:
        """What DVC looks at for each stage anew is looked at once, or once more when a stage has made it.

        Most stages rest on the same code, data and parameters. What somebody changes while the run is under way is seen
        at its end, by `confirm`.
        """
        path = dependency.fs_path
        if isinstance(dependency, ParamsDependency):
            dependency.read_params = lambda flatten=True: self._parameters(dependency)
        elif type(dependency) is Dependency:
            build = dependency._build

            def once(*args: object, **how: object) -> tuple[Any, ...]:
                if path not in self._seen:
                    self._seen[path] = build(*args, **how)
                return self._seen[path]

            dependency._build = once

    def _parameters(self, dependency: ParamsDependency) -> dict[str, object]:
        """The values of a stage's parameters, by "a.b.c"."""
        path = dependency.fs_path
        if path not in self._params:
            self._params[path] = load_path(path, dependency.fs) if dependency.exists else {}
        found = {key: _at(self._params[path], key) for key in dependency.params or self._params[path]}
        # copies: one value in two stages would be an anchor in dvc.lock
        return {key: copy.deepcopy(value) for key, value in found.items() if value is not ABSENT}

    def _forget(self, stage: PipelineStage) -> None:
        """What a stage makes is not any more as it was seen."""
        made = [out.fs_path for out in stage.outs]
        self._seen = {path: seen for path, seen in self._seen.items() if not touches(path, made)}

    def begin(self, name: str) -> bool:
        """Make a stale stage ready to run; False if its outputs could be restored, so that nothing need run."""
        stage = self.stages[name]
        stage.remove_outs(ignore_remove=False, force=False)
        self._forget(stage)
        try:
            self._repo.stage_cache.restore(stage)
        except RunCacheNotFoundError:
            return True
        self.end(name)
        return False

    def end(self, name: str) -> None:
        """Take in what the command of a stage made: hashes, cache, run cache, and in a while dvc.lock.

        A stage that was taken in and had not reached dvc.lock when the process was killed is restored by the next run.
        """
        stage = self.stages[name]
        self._forget(stage)
        uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
        stage.save(run_cache=not uncached)
        stage.commit()
        self._unwritten.append(stage)
        if time.monotonic() > self._next_writing:
            self._write()

    def _write(self) -> None:
        begun = time.monotonic()
        if self._unwritten:
            self._unwritten[0].dvcfile.dump_stages(self._unwritten, update_pipeline=False)
        self._unwritten = []
        ended = time.monotonic()
        self._next_writing = ended + max(WRITTEN_EVERY, (ended - begun) / WRITING)


def touches(path: str, others: Iterable[str]) -> bool:
    """Whether a path is one of the others, or lies in one, or one lies in it.

    >>> touches("tables/a", ["tables"]), touches("tables", ["tables/a"]), touches("tables", ["tables-b"])
    (True, True, False)
    """
    return any(f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/") for other in others)


def _at(params: object, key: str) -> object:
    """The value at "a.b.c"; what no parameter equals where there is none."""
    for part in key.split("."):
        if not isinstance(params, dict) or part not in params:
            return ABSENT
        params = params[part]
    return params


def confirm() -> list[str]:
    """`dvc repro`: the stages that it still had to run, which are none after a run that went well."""
    with Repo() as repo:
        return [stage.addressing for stage in repo.reproduce()]
