"""A recorded study measured again where its images are: a part of it in minutes, or all of it in hours."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from rrlib import datasets, detectors
from rrlib.analysis import recorded as recorded_rows
from rrlib.datasets import Kind, manifest
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import Labelled, evaluate, probe
from rrlib.study import paths, recorded
from rrlib.study.checkpoint import load_weights
from rrlib.study.measure import half_of
from rrlib.study.params import Study, load

PART = 24  # samples of each detector that a short look takes


@dataclass(frozen=True)
class Look:
    """What one look at a detector found: `rows` are those of the samples seen, now; `compared` stand beside the record.

    `skipped` says why nothing was measured, or is empty. `furthest` is the largest difference of a probability of fake.
    """

    dataset: str
    detector: str
    samples: int
    compared: pd.DataFrame
    furthest: float
    skipped: str = ""


def measure_again(
    name: str, images: Path | None = None, count: int | None = PART, only: tuple[str, str] | None = None
) -> Iterator[Look]:
    """Each (data set, detector) of a recorded study, some samples of it measured again with the recorded detector.

    Args:
        name: of the record, a folder of data/recorded.
        images: where the images lie, in the place of every data set's `source`.
        count: samples of each detector, in whole groups, at the ε that the study singles out; None: all, at every ε.
        only: the one (data set, detector) to look at.

    Raises:
        InputError: where there is no such record, where the images are absent, or where they are not those that were
            measured, by their SHA-256.
    """
    study, table = load(recorded.file_of(name)), recorded.tables_of(name)
    samples = recorded.samples_of(name)
    pairs = [tuple(pair) for pair in table[["dataset", "detector"]].drop_duplicates().to_numpy()]
    with tempfile.TemporaryDirectory(dir=_place()) as folder:
        for dataset, detector in pairs:
            if only and (dataset, detector) != only:
                continue
            at = Path(folder, dataset)
            if not at.is_dir():
                _prepare(study.datasets[dataset], images, samples[samples["dataset"] == dataset], at)
            of_pair = table[(table["dataset"] == dataset) & (table["detector"] == detector)]
            yield _look(study, dataset, detector, at, of_pair, count)


def lines(looks: Iterator[Look]) -> Iterator[str]:
    """What is told of each look, and at last of all together, as `analysis.recorded.said` does."""
    every = []
    for look in looks:
        if look.skipped:
            yield f"{look.dataset}/{look.detector}: {look.skipped}"
            continue
        every.append(look.compared)
        told = recorded_rows.said(look.compared, len(look.compared))
        yield f"{look.dataset}/{look.detector}, {look.samples} samples: P(fake) within {look.furthest:.2g}; {told}"
    if every:
        whole = pd.concat(every, ignore_index=True).sort_values("difference", ascending=False, kind="stable")
        yield recorded_rows.said(whole, len(whole))


def _place() -> Path:
    """Where images may be linked to: inside the repository, so that the ways to them are short."""
    paths.OUTPUTS.mkdir(parents=True, exist_ok=True)
    return paths.OUTPUTS


def _prepare(kind: Kind, images: Path | None, samples: pd.DataFrame, folder: Path) -> None:
    """The data set as the study has it; InputError unless its test samples are those that were measured."""
    source = Path(images or str(kind.source))
    if not source.exists():
        raise InputError(f"{source} is absent, so nothing can be measured again; fetch the images, or give --images")
    datasets.prepare(folder.name, replace(kind, source=str(source)), folder)
    here = manifest.read(folder).query("split == 'test'").set_index("sample")["sha256"]
    there = samples.set_index("sample")["sha256"]
    differing = (here.reindex(there.index) != there).sum() + (~here.index.isin(there.index)).sum()
    if differing:
        raise InputError(
            f"{differing} of the {len(there)} images of {folder.name} are not those that were measured, by their "
            f"SHA-256, so their results cannot be compared; give --images with the very files"
        )


def _look(study: Study, dataset: str, detector: str, folder: Path, there: pd.DataFrame, count: int | None) -> Look:
    entry = study.detectors[detector]
    given = paths.given_path(dataset, detector)
    nothing = there.head(0)
    weights = entry.as_given or given
    if not weights.is_file():
        return Look(dataset, detector, 0, nothing, 0, f"{weights} is absent, so it was not measured again")
    loaded = (
        load_weights(study, detector) if entry.as_given else detectors.load(given, entry.architecture, entry.input_size)
    )
    network = detectors.InDouble(loaded.detector) if entry.precision == "double" else loaded.detector
    test: Labelled = datasets.load(folder, "test", entry.input_size)
    epsilons = study.epsilons
    if count is not None:
        test, epsilons = probe.part(test, count, study.seed), (0.0, study.highlight.epsilon)
    here = evaluate(
        network,
        test,
        half_of(study, dataset, detector).attacks,
        epsilons,
        distance=study.distance,
        seed=study.seed,
        batch_size=study.batch_size,
        device=resolve(study.device),
        fold=study.fold,
        dataset_name=dataset,
        detector_name=detector,
    )
    seen = there[there["sample"].isin(here["sample"]) & there["epsilon"].isin(epsilons)]
    key = [*recorded_rows.CELL, "sample"]
    both = here.merge(seen, on=key, suffixes=("", "_there"), validate="one_to_one")
    furthest = float((both["p_attacked"] - both["p_attacked_there"]).abs().max())
    compared = recorded_rows.compare(recorded_rows.rows(here), recorded_rows.rows(seen))
    return Look(dataset, detector, len(test), compared, furthest)
