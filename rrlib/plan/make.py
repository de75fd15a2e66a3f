"""A plan from a study's file."""

from pathlib import Path

from rrlib.plan import costs, missing, timing, work
from rrlib.plan.text import WORKERS, Plan
from rrlib.study import PARAMS, load


def make(file: Path = PARAMS, offline: bool = False, workers: tuple[int, ...] = WORKERS) -> Plan:
    """Look at a study, and measure its detectors for a few seconds.

    With `offline`, what a fetch would bring counts as missing. `workers`: of how many the wall time is told. Raises
    what `study.load` raises.
    """
    study = load(file)
    return Plan(
        study=study,
        file=file,
        missing=missing.look(study, file, offline),
        samples={name: work.samples_of(study, name) for name in study.datasets},
        resident=costs.resident(),
        timings=timing.measure(study),
        offline=offline,
        workers=workers,
    )
