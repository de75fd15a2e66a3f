"""The stages `measure` and `results`: the tables of a data set and a detector under all attacks, and all of a study."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pandas as pd

from rrlib import datasets, detectors, files
from rrlib.attacks import Rule
from rrlib.datasets import manifest
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import Basis, Cell, Labelled, Recipe, store, tables, videos
from rrlib.study import paths
from rrlib.study.checkpoint import load_detector
from rrlib.study.fitting import halving
from rrlib.study.params import Half, Study, known
from rrlib.study.thresholds import judged


def measure(study: Study, dataset: str, detector: str) -> None:
    """The tables of all attacks on a detector and a data set, where the pages look for them.

    What was measured before, of the same inputs with the same rules, is not measured again.
    """
    half = half_of(study, dataset, detector)
    for attack, table in tables_of(study, dataset, detector, half.attacks).items():
        tables.write(paths.table_path(Cell(dataset, detector, attack)), table)


def measure_shard(study: Study, dataset: str, detector: str, shard: tuple[int, int]) -> None:
    """Shard (i, n) of what `measure` would do, for it to find; see `store.measure_shard`."""
    given, rules = _arguments(study, dataset, detector), half_of(study, dataset, detector).attacks

    def measured(batch_size: int) -> None:
        store.measure_shard(shard, **given, batch_size=batch_size, rules=rules, epsilons=study.epsilons)

    halving(measured, samples_at_once(study, given["dataset"]), f"{dataset}/{detector}")


def table_of(study: Study, cell: Cell) -> pd.DataFrame:
    """The result table of one cell: as the stage left it, or as the store has it, or measured now.

    So a notebook that runs in the pipeline finds its table, and one that is run by hand with another parameter measures
    what that changes.
    """
    attacks = half_of(study, cell.dataset, cell.detector).attacks
    known(cell.attack, attacks, "attack")
    return _found(study, cell.dataset, cell.detector, {cell.attack: attacks[cell.attack]})[cell.attack]


def all_tables_of(study: Study, dataset: str, detector: str) -> pd.DataFrame:
    """The tables of all attacks on a detector and a data set, one below the other."""
    found = _found(study, dataset, detector, half_of(study, dataset, detector).attacks)
    return _below_each_other(list(found.values()))


def clean_table(study: Study, dataset: str, detector: str) -> pd.DataFrame:
    """What a detector says of the test samples before any attack: the rows at ε = 0, which every attack shares."""
    attack, rule = next(iter(half_of(study, dataset, detector).attacks.items()))
    return tables_of(study, dataset, detector, {attack: rule}, (0.0,))[attack]


def tables_of(
    study: Study, dataset: str, detector: str, rules: dict[str, Rule], epsilons: Sequence[float] | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of some attacks by name, at the study's or other ε, measured where the store lacks them."""
    chosen = study.epsilons if epsilons is None else epsilons
    given = _arguments(study, dataset, detector)

    def measured(batch_size: int) -> dict[str, pd.DataFrame]:
        return store.measure(**given, batch_size=batch_size, rules=rules, epsilons=chosen)

    return halving(measured, samples_at_once(study, given["dataset"]), f"{dataset}/{detector}")


def basis_of(study: Study, dataset: str, detector: str) -> Basis:
    """What the tables of a detector on a data set rest on, besides their attacks."""
    loaded = load_detector(study, dataset, detector)
    return _basis(study, dataset, loaded, load_test_set(dataset, loaded.metadata["input_size"]))


def adversarial(study: Study) -> list[str]:
    """The attacks of the study that seek to do harm: all but noise."""
    rules = study.image.attacks | study.video.attacks
    return [name for name, rule in rules.items() if rule.adversarial]


def seed_families(study: Study) -> dict[str, str]:
    """Detectors that differ in their training seed alone, each with the name of the first of them."""
    firsts: dict[tuple[str, int, Recipe, str | None], str] = {}
    found = {
        name: firsts.setdefault((entry.architecture, entry.input_size, entry.training, entry.sha256), name)
        for name, entry in study.detectors.items()
        if entry.training is not None
    }
    several = {first for first in found.values() if list(found.values()).count(first) > 1}
    return {name: first for name, first in found.items() if first in several}


def half_of(study: Study, dataset: str, detector: str) -> Half:
    """The half of the study that both names belong to, with the attacks on the two; InputError if there are none."""
    known(dataset, study.datasets, "data set")
    half = study.half(dataset)
    known(detector, half.detectors, "detector")
    attacks = half.attacks_on(dataset, detector)
    if not attacks and half.attacks:
        raise InputError(f"params.yaml: cells leaves {dataset}/{detector} out; take it in to measure it")
    return replace(half, attacks=attacks)


def load_test_set(dataset: str, input_size: int) -> Labelled:
    """The test images at a detector's input size."""
    return datasets.load(paths.dataset_folder(dataset), "test", input_size)


def samples_at_once(study: Study, dataset: Labelled) -> int:
    """`batch_size` counts images; a clip counts as many as it has frames."""
    return max(1, study.batch_size // getattr(dataset, "frames", 1))


def adopt(study: Study) -> None:
    """Keep what the tables hold that came from elsewhere, as with `dvc pull`, before a stage replaces them."""
    for cell in study.cells():
        path = paths.table_path(cell)
        if path.is_file():
            store.adopt(path, paths.measured_folder(cell.dataset, cell.detector))


def write_results(study: Study) -> list[str]:
    """outputs/results anew, a file for each modality that has cells: all its tables; the lines to be shown.

    Of data sets of frames the tables of their videos follow, as those of the data set X-videos.
    """
    files.remove(paths.RESULTS)
    files.mark(paths.RESULTS)
    said = []
    for modality, half in (("image", study.image), ("video", study.video)):
        found = []
        for dataset, cells in groupby(half.cells(), key=lambda cell: cell.dataset):
            of_dataset = [tables.read(paths.table_path(cell)) for cell in cells]
            found += of_dataset
            if dataset in study.of_frames:
                found += [videos_of(study, table) for table in of_dataset]
        if found:
            tables.write(paths.results_path(modality), _below_each_other(found))
            said.append(f"{paths.results_path(modality)}: {len(found)} tables")
    return said


def read_results(study: Study) -> dict[str, pd.DataFrame]:
    """What `write_results` wrote, by modality, "image" and "video", judged at the study's threshold.

    The videos of the data set X are X-videos.
    """
    halves = [name for name in ("image", "video") if getattr(study, name).cells()]
    return {name: judged(study, tables.read(paths.results_path(name))) for name in halves}


def videos_of(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The result table of the videos whose frames a table has, as a data set of its own, yet to be judged."""
    table = table.drop(columns="threshold", errors="ignore")  # videos have one of their own
    return videos.by_video(table.assign(dataset=table["dataset"].map(paths.videos_name)), study.distance)


def _found(study: Study, dataset: str, detector: str, rules: dict[str, Rule]) -> dict[str, pd.DataFrame]:
    """Tables as the stage left them, where they are of just this; else as `tables_of` has them."""
    basis = basis_of(study, dataset, detector)
    there = {attack: paths.table_path(Cell(dataset, detector, attack)) for attack in rules}
    found = {attack: tables.read(path) for attack, path in there.items() if path.is_file()}
    found = {
        attack: table for attack, table in found.items() if store.is_of(table, basis, rules[attack], study.epsilons)
    }
    if lacking := {attack: rule for attack, rule in rules.items() if attack not in found}:
        found |= tables_of(study, dataset, detector, lacking)
    return {attack: found[attack] for attack in rules}


def _arguments(study: Study, dataset: str, detector: str) -> dict[str, Any]:
    """What `store.measure` is given of a detector on a data set, whatever the attacks and the size of a batch."""
    loaded = load_detector(study, dataset, detector)
    test = load_test_set(dataset, loaded.metadata["input_size"])
    return {
        "detector": loaded.detector,
        "dataset": test,
        "basis": _basis(study, dataset, loaded, test),
        "folder": paths.measured_folder(dataset, detector),
        "unfinished": paths.unfinished_folder(dataset, detector),
        "device": resolve(study.device),
        "workers": study.workers,
        "dataset_name": dataset,
        "detector_name": detector,
    }


def _basis(study: Study, dataset: str, loaded: detectors.LoadedDetector, test: Labelled) -> Basis:
    about = {name: loaded.metadata.get(name) for name in ("architecture", "input_size", "temperature", "module", "hub")}
    return Basis(
        samples=_digest_of_samples(dataset),
        detector=store.digest_of(about, loaded.detector),
        distance=study.distance,
        seed=study.seed,
        fold=study.fold,
        compiled=study.compiled,
    )


def _digest_of_samples(dataset: str) -> str:
    """Of what is looked at: the test samples by their names, labels, groups and content, and how clips are read."""
    folder = paths.dataset_folder(dataset)
    rows = manifest.read(folder).query("split == 'test'")[["sample", "label", "group", "sha256"]]
    report = datasets.clip_report(folder) or {}
    reading = {name: report.get(name) for name in ("frames", "stride", "crop")}
    return hashlib.sha256((rows.to_csv(index=False) + json.dumps(reading, sort_keys=True)).encode()).hexdigest()


def _below_each_other(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    for table in found:
        table.attrs = {}
    return pd.concat(found, ignore_index=True)
