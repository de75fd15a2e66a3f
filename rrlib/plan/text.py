"""The plan of a study as lines to be read: cells, what to do, samples, work, time, memory and disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from rrlib.devices import resolve
from rrlib.plan import costs
from rrlib.plan.missing import Missing, Task, bytes_of
from rrlib.plan.timing import Timing
from rrlib.plan.work import Samples, calls_of_attacks
from rrlib.plan.workers import of_study
from rrlib.study import PARAMS, Half, Study, trains

WORKERS = (1, 2, 8, 64)
SHARDS = 8  # with which the wall time is told besides
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Plan:
    """What the lines are made of. `resident`: bytes that the process had in memory before anything was measured."""

    study: Study
    file: Path
    missing: Missing
    samples: dict[str, Samples | None]
    timings: dict[tuple[str, int], Timing | str]
    resident: int
    offline: bool = False
    workers: tuple[int, ...] = WORKERS

    def frames(self, dataset: str) -> int:
        """Of a clip; 0 for images."""
        return self.study.datasets[dataset].frames_each if dataset in self.study.video.datasets else 0

    def cost(self, dataset: str, detector: str) -> tuple[costs.Cost, costs.Cost]:
        """Of the checkpoint, and of all tables of the pair; nothing for what is done."""
        timing, samples = self.timings[detector, self.frames(dataset)], self.samples[dataset]
        return (
            costs.of_training(self.study, dataset, detector, samples, timing),
            costs.of_measuring(self.study, dataset, detector, samples, timing),
        )

    @cached_property
    def costs(self) -> dict[tuple[str, str], tuple[float | None, float | None]]:
        """Seconds of the checkpoint and of all tables of each pair; None where it is not known."""
        costs = {pair: self.cost(*pair) for pair in self.study.pairs()}
        return {pair: (training.seconds, measuring.seconds) for pair, (training, measuring) in costs.items()}

    @cached_property
    def seconds(self) -> dict[tuple[str, str], float | None]:
        """Of checkpoint and tables of each pair; None where it is not known."""
        found: dict[tuple[str, str], float | None] = {}
        for pair, (training, measuring) in self.costs.items():
            found[pair] = None if training is None or measuring is None else training + measuring
        return found


def lines(plan: Plan) -> Iterator[str]:
    """All of it, top to bottom."""
    yield from _cells(plan)
    yield from _tasks(plan)
    yield from _samples(plan)
    yield from _work(plan)
    yield from _time(plan)
    yield from _wall(plan)
    yield from _space(plan)
    yield from _end(plan)


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(0.2), duration(90), duration(400000), duration(0)
    ('1 s', '1.5 min', '4.6 d', '0 s')
    """
    if seconds == 0:
        return "0 s"
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    number = max(1, seconds / size)
    return f"{number:.0f} {unit}" if number >= 10 or number == int(number) else f"{number:.1f} {unit}"


def _halves(plan: Plan) -> list[tuple[str, Half]]:
    halves = (("images", plan.study.image), ("video", plan.study.video))
    return [(name, half) for name, half in halves if half.cells()]


def _cells(plan: Plan) -> Iterator[str]:
    cells = plan.study.cells()
    yield f"{plan.file}: {len(plan.missing.left(cells))} of {len(cells)} cells can run"
    for name, half in _halves(plan):
        yield f"  {name}: each with the attacks {', '.join(half.attacks)}"
        wide = max(map(len, half.datasets))
        for dataset in half.datasets:
            for number, (needs, detectors) in enumerate(_grouped(plan, half, dataset).items()):
                some = "all detectors" if len(detectors) == len(half.detectors) else ", ".join(detectors)
                count = sum(cell.dataset == dataset and cell.detector in detectors for cell in half.cells())
                yield f"    {'' if number else dataset:{wide}}  {some}: {count} cell(s) {_state(plan, needs)}"


def _state(plan: Plan, needs: tuple[Task, ...]) -> str:
    waits = [task for task in needs if not task.automatic]
    if waits:
        return f"wait for {plan.missing.numbers(waits)}"
    return f"can run, {plan.missing.numbers(needs)} fetched first" if needs else "can run"


def _grouped(plan: Plan, half: Half, dataset: str) -> dict[tuple[Task, ...], list[str]]:
    """The detectors by what their cells need; all together where the data set itself is missing."""
    own = tuple(task for task in plan.missing.tasks if task.name in plan.missing.datasets[dataset])
    groups: dict[tuple[Task, ...], list[str]] = {}
    for detector in (name for of, name in half.pairs() if of == dataset):
        stuck = any(not task.automatic for task in own)
        groups.setdefault(own if stuck else tuple(plan.missing.needs(dataset, detector)), []).append(detector)
    return groups


def _tasks(plan: Plan) -> Iterator[str]:
    by_hand = [task for task in plan.missing.tasks if not task.automatic]
    for heading, tasks in (
        ("To do", by_hand),
        ("Fetched by `dvc repro`, or before it by", plan.missing.tasks[len(by_hand) :]),
    ):
        if tasks:
            yield ""
            yield heading
        for task in tasks:
            yield f"  {plan.missing.numbers([task])}. {task.name}: {task.text}"


def _samples(plan: Plan) -> Iterator[str]:
    wide = max(map(len, plan.samples))
    yield ""
    yield f"{'Samples':{wide + 2}}  {'train':>9}  {'validation':>10}  {'test':>9}"
    for name, samples in plan.samples.items():
        if samples is None:
            yield f"  {name:{wide}}  not known before it is here"
            continue
        origin = samples.origin if samples.exact else f"about, {samples.origin}"
        numbers = f"{samples.train:>9}  {samples.validation:>10}  {samples.test:>9}"
        yield f"  {name:{wide}}  {numbers}  {origin}"


def _work(plan: Plan) -> Iterator[str]:
    epsilons = plan.study.epsilons
    yield ""
    yield f"What a test sample costs, at {len(epsilons)} epsilons, under all attacks together: gradients + forwards"
    for name, half in _halves(plan):
        calls = calls_of_attacks(half.attacks.values(), epsilons, plan.study.fold)
        if calls is None:
            silent = [attack for attack, rule in half.attacks.items() if rule.work(1) is None]
            yield f"  {name}: not known, as {', '.join(silent)} cannot say"
        else:
            most = "at most " if calls.at_most else ""
            yield f"  {name}: {', '.join(half.attacks)}: {most}{calls.gradients:g} + {calls.forwards:g}"


def _time(plan: Plan) -> Iterator[str]:
    yield ""
    device = resolve(plan.study.device)
    where = f"{device}, {torch.get_num_threads()} thread(s)" if device.type == "cpu" else str(device)
    yield f"Time on this machine ({where}), training and all attacks; in brackets what waits for something"
    seconds = plan.seconds
    for _, half in _halves(plan):
        yield from _table(plan, half, seconds)
    known = {pair: number for pair, number in seconds.items() if number is not None}
    now = sum(number for pair, number in known.items() if not plan.missing.waits(*pair))
    without = ", without what is not known" if len(known) < len(seconds) else ""
    yield f"  in all {duration(sum(known.values()))}{without}; what can run: {duration(now)}"
    yield "  What was measured before and checkpoints that are here cost nothing."
    yield "  Measured just now: a few gradients of networks with random weights, at one or eight samples."
    yield "  Not counted: reading and cropping, 10 s or so for each page of the book, and what else the machine does."
    yield "  Memory: what a gradient keeps, times the batch, and this program; lower batch_size where it is too much."


def _wall(plan: Plan) -> Iterator[str]:
    alone = of_study(plan.costs, 1)
    if not alone:
        return
    yield ""
    yield "Wall time of the same with several workers, each as fast as this machine was just now (simulated)"
    for shards in (1, SHARDS):
        said = []
        for workers in plan.workers:
            wall = of_study(plan.costs, workers, shards)
            said.append(f"{workers}: {duration(wall)}" + (f", {alone / wall:.1f} times faster" if workers > 1 else ""))
        yield f"  {'as it is' if shards == 1 else f'--shards {shards}'}, workers {'; '.join(said)}"
    yield "  Each with a GPU of its own where one was used above; else with cores of its own."


def _table(plan: Plan, half: Half, seconds: dict[tuple[str, str], float | None]) -> Iterator[str]:
    """A row for each detector: one gradient, memory, and the time on each data set."""
    wide = max(map(len, half.detectors))
    columns = {name: max(len(name), 9) for name in half.datasets}
    head = "  ".join(f"{name:>{width}}" for name, width in columns.items())
    yield f"  {'':{wide}}  {'a gradient':>10}  {'memory':>7}  {head}"
    for detector in half.detectors:
        frames = max(plan.frames(dataset) for dataset in half.datasets)
        longest = plan.timings[detector, frames]
        if not isinstance(longest, Timing):
            yield f"  {detector:{wide}}  {longest}"
            continue
        memory = bytes_of(costs.memory(plan.study, detector, frames, longest, plan.resident))
        milliseconds = longest.gradient * 1000
        gradient = f"{milliseconds:.{0 if milliseconds >= 100 else 1}f} ms"
        times = []
        for dataset, width in columns.items():
            if (dataset, detector) not in seconds:
                times.append(f"{'left out':>{width}}")
                continue
            number = seconds[dataset, detector]
            said = "not known" if number is None else duration(number) if number else "done"
            times.append(f"{f'({said})' if plan.missing.waits(dataset, detector) else said:>{width}}")
        how = "" if longest.how == "measured" else f"  {longest.how}"
        yield f"  {detector:{wide}}  {gradient:>10}  {memory:>7}  {'  '.join(times)}{how}"


def _space(plan: Plan) -> Iterator[str]:
    study = plan.study
    size, unknown = costs.downloads(study)
    known = {name: samples for name, samples in plan.samples.items() if samples}
    trained_on = {dataset for dataset, detector in study.pairs() if trains(study, dataset, detector)}
    prepared = sum(costs.prepared(study.datasets[name], samples, name in trained_on) for name, samples in known.items())
    weights = 0
    for dataset, detector in study.pairs():
        timing = plan.timings[detector, plan.frames(dataset)]
        weights += timing.weights if isinstance(timing, Timing) else 0
    tables = costs.tables(study, study.cells(), plan.samples)
    also = f" and {', '.join(unknown)}, whose size is not known" if unknown else ""
    yield ""
    yield "Disk, for the whole study"
    yield f"  downloads: {bytes_of(size)}{also}"
    yield (
        f"  outputs, twice as DVC keeps a copy: data sets {bytes_of(prepared)}, checkpoints {bytes_of(weights)}, "
        f"tables {bytes_of(tables)}"
    )


def _end(plan: Plan) -> Iterator[str]:
    yield ""
    here = f"python -m rrlib plan {plan.file}{' --offline' if plan.offline else ''} --write {PARAMS}"
    left = len(plan.missing.left(plan.study.cells()))
    whole = left == len(plan.study.cells())
    if whole:
        there = "everything is here" if not plan.missing.tasks else "nothing is left for you to get"
        first = "" if plan.file == PARAMS else f"`{here}`, then "
        yield f"{there}; run {first}`dvc repro`"
    elif left:
        yield f"`{here}` writes the part that can run; then run `dvc repro`"
    else:
        yield "nothing can run yet; do what the list says, then plan again"
