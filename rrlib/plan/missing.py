"""What a study names that is not here, what to do about it, and which data sets and detectors wait for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rrlib.datasets import Kind
from rrlib.detectors import HUB
from rrlib.evaluation import Cell
from rrlib.sources import OUTPUTS, Source, awaited, is_filled, is_here, is_pinned, lacks, owner
from rrlib.study import Detector, Study


@dataclass(frozen=True)
class Task:
    """Something that is missing: a source or a path, and in words how to get it. `automatic`: `dvc repro` does it."""

    name: str
    text: str
    automatic: bool = False


@dataclass(frozen=True)
class Missing:
    """What there is to do, the user's part first, and by name what each data set and each detector needs of it."""

    tasks: tuple[Task, ...]
    datasets: dict[str, tuple[str, ...]]
    detectors: dict[str, tuple[str, ...]]

    def needs(self, dataset: str, detector: str) -> list[Task]:
        """Without which such a cell cannot run."""
        names = {*self.datasets[dataset], *self.detectors[detector]}
        return [task for task in self.tasks if task.name in names]

    def waits(self, dataset: str, detector: str) -> list[Task]:
        """Those of its needs that are not fetched by `dvc repro`."""
        return [task for task in self.needs(dataset, detector) if not task.automatic]

    def left(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells that can run."""
        return [cell for cell in cells if not self.waits(cell.dataset, cell.detector)]

    def by_hand(self, names: Iterable[str]) -> list[str]:
        """Those of the needs by name that are not fetched by `dvc repro`."""
        automatic = {task.name for task in self.tasks if task.automatic}
        return [name for name in names if name not in automatic]

    def numbers(self, tasks: Iterable[Task]) -> str:
        """Tasks as their numbers in the list.

        >>> a, b = Task("a", ""), Task("b", "")
        >>> Missing((a, b), {}, {}).numbers([b, a])
        '1, 2'
        """
        return ", ".join(str(number) for number in sorted(self.tasks.index(task) + 1 for task in tasks))


def look(study: Study, file: Path, offline: bool = False) -> Missing:
    """Look for everything that the study in `file` names. With `offline`, what a fetch would bring is missing too."""
    tasks = {}
    for source in study.sources.values():
        if task := _of_source(source, file, offline):
            tasks[source.name] = task
    datasets = {
        name: _needs(f"the data set {name}", paths(entry), study, file, tasks) for name, entry in study.datasets.items()
    }
    detectors = {}
    for name, entry in study.detectors.items():
        detectors[name] = _needs(f"the detector {name}", paths_of(entry), study, file, tasks)
        if entry.weights and entry.sha256 is None:
            task = _of_hash(name, entry.weights, study, file)
            tasks[task.name] = task
            detectors[name] += (task.name,)
    ordered = sorted(tasks.values(), key=lambda task: task.automatic)
    return Missing(tuple(ordered), datasets, detectors)


def paths(dataset: Kind) -> list[str]:
    """The files and folders that the lines of a data set name."""
    layout = getattr(dataset, "layout", None)
    named = [dataset.source, layout.get("splits") if isinstance(layout, dict) else None]
    return [path for path in named if isinstance(path, str)]


def paths_of(detector: Detector) -> list[str]:
    """The files and folders that the lines of a detector name."""
    if detector.weights:
        return [str(detector.weights)]
    folder = detector.architecture.removeprefix(HUB)
    return [folder] if folder != detector.architecture and "@" not in folder else []


def _needs(what: str, needed: list[str], study: Study, file: Path, tasks: dict[str, Task]) -> tuple[str, ...]:
    """The tasks, added to `tasks` where they are new, that have to be done before these paths are there."""
    names = []
    for path in needed:
        source = owner(path, study.sources.values())
        task = tasks.get(source.name) if source else None
        comes = Path(path).exists() or (source is not None and awaited(path, [source]) is not None)
        if task and (not task.automatic or comes):
            names.append(task.name)
        elif not comes:
            tasks[path] = Task(path, f"{what} names it, but it is not there, and {_brings(source, file)}")
            names.append(path)
    return tuple(names)


def _brings(source: Source | None, file: Path) -> str:
    if source:
        return f"the source {source.name} does not bring it; correct the path"
    return f"no source of {file} brings it; correct the path, or list its source under sources"


def _of_source(source: Source, file: Path, offline: bool) -> Task | None:
    folder = OUTPUTS / source.name
    if is_here(source, folder):
        return None
    said = ", ".join(filter(None, [source.title, source.access, _size(source)]))
    if source.folder:
        wrong = lacks(source, source.folder) if is_filled(source.folder) else "file"
        return Task(
            source.name, f"{said}: {source.folder} has no {wrong}; correct sources.{source.name}.folder in {file}"
        )
    if not (source.files or source.hub):
        if is_filled(folder):
            return Task(source.name, f"{said}: {folder} has no {lacks(source, folder)}; fill or correct it")
        layout = f" ({', '.join(source.layout)})" if source.layout else ""
        own = _change(source, "folder: /path/to/it", file)
        return Task(source.name, f"{said}: ask at {source.page}, then write {own}, or put it into {folder}{layout}")
    command = f"`python -m rrlib fetch {source.name}`"
    if is_pinned(source, folder):
        by = "its revision" if source.hub else "SHA-256"
        return Task(source.name, f"{said}, pinned by {by}: {command}", not offline)
    pin = "hub: {revision: COMMIT}" if source.hub else f"files: [{{name: {source.files[0].name}, sha256: HASH}}]"
    return Task(
        source.name,
        f"{said}, not pinned: {command} prints what to pin, write {_change(source, pin, file)}; "
        f"or take it unseen with `python -m rrlib fetch {source.name} --trust-first-use`",
    )


def _change(source: Source, keys: str, file: Path) -> str:
    return f"`sources: {{{source.name}: {{{keys}}}}}` in {file}"


def _of_hash(name: str, weights: Path, study: Study, file: Path) -> Task:
    """The hash of weights that were not here when the study was written."""
    source = owner(weights, study.sources.values())
    files = source.files if source else ()
    known = next((one.sha256 for one in files if one.name == weights.name and one.sha256), None)
    write = f"write {known}" if known else f"once it is here, write what `sha256sum {weights}` prints"
    return Task(f"detectors.{name}.sha256", f"empty in {file}: {write}")


def _size(source: Source) -> str:
    size = download(source)
    return "" if size is None else bytes_of(size)


def download(source: Source) -> float | None:
    """How many bytes there are to download; None where that is not known.

    >>> download(Source("a", "", "", "", "", "", "", "", "", gigabytes=5))
    5000000000.0
    """
    if source.gigabytes:
        return source.gigabytes * 1e9
    sizes = [file.size for file in source.files if file.size is not None]
    return sum(sizes) if sizes and len(sizes) == len(source.files) else None


def bytes_of(size: float) -> str:
    """Bytes as a person says them.

    >>> bytes_of(2_300_000), bytes_of(12e9), bytes_of(156_128), bytes_of(0)
    ('2.3 MB', '12 GB', '0.2 MB', '0 MB')
    """
    number, unit = (size / 1e9, "GB") if size >= 1e9 else (size / 1e6, "MB")
    return f"{number:.0f} {unit}" if number >= 10 or number == 0 else f"{max(number, 0.1):.1f} {unit}"
