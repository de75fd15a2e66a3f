"""What of a study is done already: checkpoints that need no training, and what was measured."""

import json
from pathlib import Path

from rrlib.datasets import manifest
from rrlib.evaluation import Cell, store, tables
from rrlib.study import Study, basis_of, dataset_folder, has_checkpoint, paths


def lacking(study: Study, dataset: str, detector: str) -> dict[tuple[str, ...], list[float]]:
    """What has to be measured of a data set and a detector: epsilons, by the attacks that are measured together.

    That is everything as long as the checkpoint or the prepared data set is not there: what was measured is found by
    keys that name both.
    """
    rules = study.half(dataset).attacks
    found = _keys(study, dataset, detector)
    prepared = dataset_folder(dataset) / manifest.NAME
    if not found or not prepared.is_file() or not has_checkpoint(study, dataset, detector):
        return {tuple(rules): list(study.epsilons)}
    return store.missing(rules, study.epsilons, basis_of(study, dataset, detector), found.__contains__)


def _keys(study: Study, dataset: str, detector: str) -> set[str]:
    """The keys of all pieces: those of the store, and those of tables, which a run puts there (`store.adopt`)."""
    keys = {path.stem for path in paths.measured_folder(dataset, detector).glob("*.parquet")}
    for attack in study.half(dataset).attacks:
        path = Path(paths.table_path(Cell(dataset, detector, attack)))
        if path.is_file():
            keys |= set(json.loads(tables.read(path).attrs.get("keys", "{}")).values())
    return keys
