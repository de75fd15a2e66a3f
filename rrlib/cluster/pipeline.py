"""dvc.yaml as DVC reads it: which stages are stale, and taking in what a stage made.

A run of a stage is here what it is for `dvc repro`: its outputs go, a run that DVC has in its cache is restored, and
what the command made is hashed, cached and written to dvc.lock. Only the command itself is somebody else's.
"""

import logging
import time
from collections.abc import Iterable
from types import TracebackType

from dvc.dependency import Dependency, ParamsDependency
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.utils.serialize import load_path

from rrlib.errors import InputError

logging.getLogger("dvc").setLevel(logging.WARNING)  # it tells of each stage that did not change

ABSENT = object()
WRITTEN_EVERY = 20  # seconds: each writing of dvc.lock costs time that grows with the number of its stages


class Pipeline:
    """The stages with a command, by name; a context that holds DVC's lock, as a run of `dvc repro` does."""

    def __init__(self) -> None:
        self._repo = Repo()
        self._hashes: dict[str, object] = {}  # of code and the like, by path
        self._params: dict[str, dict[str, object]] = {}  # what parameter files hold, by path
        self._unwritten: list[PipelineStage] = []
        self._written = time.monotonic()

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
        self._made = {out.fs_path for stage in self.stages.values() for out in stage.outs}
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
        return stage.changed_stage() or any(map(self._changed, stage.deps)) or stage.changed_outs()

    def _changed(self, dependency: Dependency) -> bool:
        """What DVC looks at for each stage anew is looked at once here: most stages rest on the same code and file.

        What is changed while the run is under way is seen at its end, by `confirm`.
        """
        path = dependency.fs_path
        if isinstance(dependency, ParamsDependency):
            if path not in self._params:
                self._params[path] = load_path(path, dependency.fs) if dependency.exists else {}
            recorded = dependency.hash_info.value if dependency.hash_info else {}
            same = all(key in recorded and _at(self._params[path], key) == recorded[key] for key in dependency.params)
            return not same and bool(dependency.status())
        if type(dependency) is not Dependency or path in self._made:
            return bool(dependency.status())
        if path not in self._hashes:
            self._hashes[path] = dependency.get_hash() if dependency.exists else None
        return self._hashes[path] is None or self._hashes[path] != dependency.hash_info

    def begin(self, name: str) -> bool:
        """Make a stale stage ready to run; False if its outputs could be restored, so that nothing need run."""
        stage = self.stages[name]
        stage.remove_outs(ignore_remove=False, force=False)
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
        uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
        stage.save(run_cache=not uncached)
        stage.commit()
        self._unwritten.append(stage)
        if time.monotonic() - self._written > WRITTEN_EVERY:
            self._write()

    def _write(self) -> None:
        if self._unwritten:
            self._unwritten[0].dvcfile.dump_stages(self._unwritten, update_pipeline=False)
        self._unwritten = []
        self._written = time.monotonic()


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
