"""What of a study is done already: checkpoints that need no training, and what was measured."""

import json

from rrlib.datasets import manifest
from rrlib.errors import InputError, parsing
from rrlib.evaluation import Cell, store, tables
from rrlib.study import Study, basis_of, dataset_folder, has_checkpoint, paths


def lacking(study: Study, dataset: str, detector: str) -> dict[tuple[str, ...], list[float]]:
    """What has to be measured of a data set and a detector: epsilons, by the attacks that are measured together.

    That is everything as long as the checkpoint or the prepared data set is not there: what was measured is found by
    keys that name both.
    """
    rules = study.half(dataset).attacks_on(dataset, detector)
    found = _keys(study, dataset, detector)
    prepared = dataset_folder(dataset) / manifest.NAME
    if not found or not prepared.is_file() or not has_checkpoint(study, dataset, detector):
        return {tuple(rules): list(study.epsilons)}
    try:
        basis = basis_of(study, dataset, detector)
    except InputError:  # the detector's module has changed since: `check` says what to run
        return {tuple(rules): list(study.epsilons)}
    return store.missing(rules, study.epsilons, basis, found.__contains__)


def _keys(study: Study, dataset: str, detector: str) -> set[str]:
    """The keys of all pieces: those of the store, and those of tables, which a run puts there (`store.adopt`)."""
    keys = {path.stem for path in paths.measured_folder(dataset, detector).glob("*.parquet")}
    for attack in study.half(dataset).attacks_on(dataset, detector):
        path = paths.table_path(Cell(dataset, detector, attack))
        try:
            said = tables.read(path).attrs.get("keys", "{}")
            with parsing(path, "a table with its keys", "evaluate the cell again"):
                keys |= set(json.loads(said).values())
        except InputError:  # absent or damaged: it is measured again
            continue
    return keys
