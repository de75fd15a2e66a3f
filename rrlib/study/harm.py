"""The stages `damage` and `transfer`: detectors under ordinary damage, and under each other's adversarial inputs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from rrlib import files
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import Basis, code, damage, tables, transfer
from rrlib.study import paths
from rrlib.study.checkpoint import load_detector
from rrlib.study.measure import basis_of, half_of, load_test_set, samples_at_once
from rrlib.study.params import Study, known

HARM = ("evaluation/damage.py", "evaluation/transfer.py", "detectors/catalogue.py", "datasets/loading.py")


def make_damage(study: Study, dataset: str, detector: str) -> None:
    """The table of a detector under the study's damage, where pages look for it; what was seen before is taken."""
    half_of(study, dataset, detector)
    basis = basis_of(study, dataset, detector)
    kept = _kept(dataset, detector, [basis], {"damage": study.damage})
    found = _read(kept, ball=False)
    if found is None:
        loaded = load_detector(study, dataset, detector)
        test = load_test_set(dataset, loaded.metadata["input_size"])
        found = damage.damaged(
            loaded.detector,
            test,
            study.damage,
            distance=study.distance,
            seed=study.seed,
            batch_size=samples_at_once(study, test),
            device=resolve(study.device),
            workers=study.workers,
        )
        tables.write(kept, found, ball=False)
    named = found.assign(dataset=dataset, detector=detector)
    named.attrs = {"epsilon": "severity of the damage, in the unit of its kind; no radius"}
    tables.write(paths.damage_path(dataset, detector), named, ball=False)


def make_transfer(study: Study, dataset: str) -> None:
    """The tables of transfer on a data set: the highlighted attack on each detector at the highlighted ε, seen by all.

    Nothing is written for a highlighted ε of 0, where nothing is attacked.
    """
    known(dataset, study.datasets, "data set")
    half, epsilon = study.half(dataset), study.highlight.epsilon
    folder = paths.transfer_folder(dataset)
    files.remove(folder)
    files.mark(folder)
    if epsilon == 0:
        return
    rule = half.attacks[study.highlight.attack]
    bases = {name: basis_of(study, dataset, name) for of, name in half.pairs() if of == dataset}
    said = {"attack": repr(rule), "epsilon": epsilon}
    kept = {
        name: _kept(dataset, name, [bases[name], *bases.values()], said | {"seen by": list(bases)}) for name in bases
    }
    if lacking := [name for name, path in kept.items() if _read(path) is None]:
        loaded = {name: load_detector(study, dataset, name) for name in bases}
        sizes = {name: each.metadata["input_size"] for name, each in loaded.items()}
        sets = {size: load_test_set(dataset, size) for size in dict.fromkeys(sizes.values())}
        for source, table in transfer.transferred(
            {name: each.detector for name, each in loaded.items()},
            {name: sets[size] for name, size in sizes.items()},
            rule,
            epsilon,
            sources=lacking,
            distance=study.distance,
            seed=study.seed,
            batch_size=samples_at_once(study, next(iter(sets.values()))),
            device=resolve(study.device),
            workers=study.workers,
            fold=study.fold,
            compiled=study.compiled,
        ):
            tables.write(kept[source], table)
    for source, path in kept.items():
        table = tables.read(path)
        tables.write(paths.transfer_path(dataset, source), _named(table, dataset, study.highlight.attack))


def read_damage(study: Study) -> dict[str, pd.DataFrame]:
    """What `make_damage` wrote, by data set; a severity stands in the place of ε. InputError for what is absent."""
    found: dict[str, list[pd.DataFrame]] = {}
    for dataset, detector in study.pairs():
        found.setdefault(dataset, []).append(tables.read(paths.damage_path(dataset, detector), ball=False))
    return {dataset: _below_each_other(each) for dataset, each in found.items()}


def read_transfer(study: Study) -> dict[str, pd.DataFrame]:
    """What `make_transfer` wrote, by data set, with a column `source`: whom the attack was led against."""
    found: dict[str, list[pd.DataFrame]] = {}
    for dataset, source in study.pairs() if study.highlight.epsilon else []:
        table = tables.read(paths.transfer_path(dataset, source))
        found.setdefault(dataset, []).append(table.assign(source=source))
    return {dataset: _below_each_other(each) for dataset, each in found.items()}


def _kept(dataset: str, detector: str, bases: Sequence[Basis], about: dict[str, object]) -> Path:
    """Where a table lies that was made of just this: names are no part of it but where they tell rows apart."""
    parts = about | {"bases": [asdict(basis) for basis in bases], "code": code.digest_of(*HARM)}
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]
    return paths.measured_folder(dataset, detector) / f"{key}.parquet"


def _read(path: Path, ball: bool = True) -> pd.DataFrame | None:
    """A table that was kept; None where there is none, or a damaged one, which is then made again."""
    try:
        return tables.read(path, ball)
    except InputError:
        return None


def _named(table: pd.DataFrame, dataset: str, attack: str) -> pd.DataFrame:
    named = table.assign(dataset=dataset, attack=attack)
    named.attrs = table.attrs
    return named


def _below_each_other(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    for table in found:
        table.attrs = {}
    return pd.concat(found, ignore_index=True)
