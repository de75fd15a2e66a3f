"""What the stages of dvc.yaml do, one function each, with names from params.yaml in and files in outputs/ out."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import Dataset

from rrlib import attacks, evaluation
from rrlib.attacks import Rule
from rrlib.datasets import catalogue as datasets
from rrlib.detectors import Calibrated, batch_to_device, checkpoints, to_device
from rrlib.detectors import catalogue as detectors
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import Cell, resume, tables, training, videos
from rrlib.sources import awaited
from rrlib.study import Study, params
from rrlib.study.paths import (
    VIDEOS,
    checkpoint_path,
    dataset_folder,
    table_path,
    unfinished_folder,
    videos_name,
    videos_path,
)


def fetch_sources(study: Study) -> Iterator[str]:
    """Bring the study's sources here; the lines to be shown, as they come."""
    from rrlib.sources import fetch_all  # its libraries are needed by nothing else here

    return fetch_all(study.sources.values())


def prepare_dataset(study: Study, dataset: str) -> None:
    """The images of a data set, if they have to be made, and its manifest."""
    _known(dataset, study.datasets, "data set")
    datasets.prepare(dataset, study.datasets[dataset], dataset_folder(dataset))


def make_checkpoint(study: Study, dataset: str, detector: str) -> None:
    """A detector as safetensors: trained on a data set, or with the weights that params.yaml names or it brings."""
    _known(dataset, study.datasets, "data set")
    _known(detector, study.detectors, "detector")
    entry, target = study.detectors[detector], checkpoint_path(dataset, detector)
    if entry.weights:
        loaded = load_weights(study, detector)
        # a temperature that the file brings stays in its metadata and is applied again when it is loaded
        network = loaded.detector.detector if isinstance(loaded.detector, Calibrated) else loaded.detector
        metadata = {"dataset": None, "seed": None, "temperature": 1, "report": None} | loaded.metadata
        checkpoints.save(target, network, metadata | {"weights": entry.weights.name, "sha256": entry.sha256})
        return
    network = detectors.build(entry.architecture, entry.input_size, entry.seed, entry.labels)
    metadata = {"architecture": entry.architecture, "input_size": entry.input_size}
    metadata |= detectors.architecture(entry.architecture).describe(network)
    if entry.training:
        report = training.train(
            network,
            datasets.load(dataset_folder(dataset), "train", entry.input_size, keep=True),
            datasets.load(dataset_folder(dataset), "validation", entry.input_size, keep=True),
            entry.training,
            seed=entry.seed,
            device=resolve(study.device),
            name=f"{dataset}/{detector}",
        )
        metadata |= {"dataset": dataset, "seed": entry.seed, "temperature": report["temperature"], "report": report}
    else:
        metadata |= {"dataset": None, "seed": None, "temperature": 1, "report": None, "weights": entry.architecture}
    checkpoints.save(target, network, metadata)


def load_weights(study: Study, detector: str) -> detectors.LoadedDetector:
    """The detector whose weights params.yaml names, once their hash, architecture and input size are as it says."""
    entry, where = study.detectors[detector], f"params.yaml: detectors.{detector}"
    if not entry.weights.is_file():
        raise InputError(f"{entry.weights} is absent; bring it with `python -m rrlib fetch --study`")
    found = hashlib.sha256(entry.weights.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise InputError(
            f"{where}.sha256 is {entry.sha256}, but {entry.weights} has {found}; "
            "fetch the file again, or write that hash if the file is the one you mean"
        )
    loaded = detectors.load(entry.weights, entry.architecture, entry.input_size)
    if loaded.metadata["input_size"] != entry.input_size:
        raise InputError(
            f"{where}.input_size is {entry.input_size}, but {entry.weights} is for "
            f"{loaded.metadata['input_size']}; write that"
        )
    return loaded


def load_detector(study: Study, dataset: str, detector: str) -> detectors.LoadedDetector:
    """The detector that `make_checkpoint` left; an InputError if its module has changed meanwhile."""
    path = checkpoint_path(dataset, detector)
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    entry = study.detectors[detector]
    _check_module(dataset, detector, entry.architecture, checkpoints.read(path)[1])
    return detectors.load(path, entry.architecture, entry.input_size)


def check_inputs(study: Study) -> None:
    """Raise InputError unless what the study reads is there, as it says, or will be fetched.

    Sources of data sets, weights, detectors that others have written, which are tried, and modules of one's own, whose
    changes since a checkpoint was made DVC does not see.
    """
    sources = study.sources.values()
    for name, entry in study.datasets.items():
        path = entry.get("source", ".")
        if not (Path(path).exists() or awaited(path, sources)):
            raise InputError(f"params.yaml: datasets.{name}.source: {path} does not exist; correct the path")
    for name, detector in study.detectors.items():
        if detector.weights and not awaited(detector.weights, sources):
            load_weights(study, name)
        elif detectors.architecture(detector.architecture).brings_weights and not params.model_awaited(
            detector.architecture, sources
        ):
            detectors.try_architecture(detector.architecture, detector.input_size, detector.labels)
    for dataset, detector in study.pairs():
        architecture, path = study.detectors[detector].architecture, checkpoint_path(dataset, detector)
        if architecture.startswith(detectors.OWN) and path.is_file():
            _, metadata = checkpoints.read(path)
            if metadata["architecture"] == architecture:  # else DVC sees that it has to be made again
                _check_module(dataset, detector, architecture, metadata)


def _check_module(dataset: str, detector: str, architecture: str, metadata: dict) -> None:
    path = checkpoint_path(dataset, detector)
    if metadata.get("module") in (None, detectors.architecture(architecture).module_hash()):
        return
    stage = "checkpoint-video" if detectors.architecture(architecture).modality == "video" else "checkpoint"
    raise InputError(
        f"the module of {architecture} has changed since {path} was made; "
        f"run `dvc repro --force --downstream {stage}@{dataset}-{detector}`"
    )


def load_test_set(dataset: str, input_size: int) -> Dataset:
    """The test images at a detector's input size."""
    return datasets.load(dataset_folder(dataset), "test", input_size)


def evaluate_cell(study: Study, cell: Cell, table_file: Path | str = "") -> pd.DataFrame:
    """The result table of one cell, on the study's test images.

    With `table_file` it is written there, batch by batch: a run that is stopped goes on after its last finished batch,
    if nothing that the numbers depend on has changed meanwhile.
    """
    rule = attack_of(study, cell)
    loaded = load_detector(study, cell.dataset, cell.detector)
    test = load_test_set(cell.dataset, loaded.metadata["input_size"])
    options = {
        "distance": study.distance,
        "seed": study.seed,
        "batch_size": samples_at_once(study, test),
        "device": resolve(study.device),
        "fold": study.fold,
        "compiled": study.compiled,
    }
    run = partial(
        evaluation.batches,
        loaded.detector,
        test,
        rule,
        study.epsilons,
        cell=cell,
        workers=study.workers,
        **options,
    )
    if not table_file:
        return evaluation.joined(run())
    folder = unfinished_folder(cell)
    first = resume.begin(folder, key(cell, rule, study.epsilons, options))
    for number, part in enumerate(run(first=first), start=first):
        resume.keep(folder, number, part)
    resume.finish(folder, table_file)
    return tables.read(table_file)


def samples_at_once(study: Study, dataset: Dataset) -> int:
    """`batch_size` counts images; a clip counts as many as it has frames."""
    return max(1, study.batch_size // getattr(dataset, "frames", 1))


def attack_of(study: Study, cell: Cell) -> Rule:
    """The attack of a cell, whose names must all be those of one half of the study."""
    _known(cell.dataset, study.datasets, "data set")
    half = study.half(cell.dataset)
    _known(cell.detector, half.detectors, "detector")
    _known(cell.attack, half.attacks, "attack")
    return half.attacks[cell.attack]


def key(cell: Cell, rule: Rule, epsilons: Iterable[float], options: dict) -> str:
    """Everything that the numbers of a cell depend on, as text: names, options, versions and hashes of what is read."""
    code = Path(__file__).parents[1]
    sources = [path for part in ("attacks", "datasets", "detectors") for path in sorted(code.glob(f"{part}/*.py"))]
    read = [
        checkpoint_path(cell.dataset, cell.detector),
        dataset_folder(cell.dataset) / "manifest.csv",
        code / "evaluation" / "measuring.py",
        code / "metrics" / "functional.py",
        *sources,
    ]
    hashes = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in read]
    made_with = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    reading = repr(datasets.clip_report(dataset_folder(cell.dataset)))
    return "\n".join([str(cell), repr(rule), repr(list(epsilons)), repr(options), made_with, reading, *hashes])


def write_videos(study: Study) -> list[Path]:
    """outputs/videos anew: for each cell of each data set of frames the result table of its videos; else empty."""
    shutil.rmtree(VIDEOS, ignore_errors=True)
    VIDEOS.mkdir(parents=True)
    cells = [cell for cell in study.image.cells() if cell.dataset in study.of_frames]
    for cell in cells:
        tables.write(videos_path(cell), videos_of(study, tables.read(table_path(cell))))
    return [videos_path(cell) for cell in cells]


def videos_of(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The result table of the videos whose frames a table has, as a data set of its own."""
    return videos.by_video(table.assign(dataset=table["dataset"].map(videos_name)), study.distance)


def result_paths(study: Study) -> dict[str, list[Path]]:
    """All result tables of each half that has cells, "image" and "video"; those of videos follow their frames'."""
    found: dict[str, list[Path]] = {}
    for name, half in (("image", study.image), ("video", study.video)):
        for dataset, of_dataset in groupby(half.cells(), key=lambda cell: cell.dataset):
            cells = list(of_dataset)
            paths = found.setdefault(name, [])
            paths += map(table_path, cells)
            if dataset in study.of_frames:
                paths += map(videos_path, cells)
    return found


def read_halves(study: Study) -> dict[str, pd.DataFrame]:
    """The tables of `result_paths`, one frame for each half; the videos of the data set X are the data set X-videos."""
    return {name: tables.read_all(paths) for name, paths in result_paths(study).items()}


def attack_again(study: Study, cell: Cell, samples: list[str], epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Some samples of a cell, clean and attacked at one ε, (N, …) each on the processor: to be looked at."""
    loaded = load_detector(study, cell.dataset, cell.detector)
    test = load_test_set(cell.dataset, loaded.metadata["input_size"])
    numbers = [test.table.index[test.table["sample"] == sample].item() for sample in samples]
    x = torch.stack([test[number][0] for number in numbers])
    labels = torch.tensor([test[number][1] for number in numbers])
    device = resolve(study.device)
    detector = to_device(loaded.detector, device, x[0])
    climbed = evaluation.climbed(
        detector, test, samples_at_once(study, test), device, study.fold, compiled=False, name=cell.detector
    )
    (attacked,) = attacks.sweep(
        attack_of(study, cell),
        climbed.detector,
        batch_to_device(x, device, detector),
        labels.to(device),
        [epsilon],
        seed=study.seed,
        samples=torch.tensor(numbers),
    )
    return x, attacked.images.cpu()


def scores_over_time(study: Study, cell: Cell, clip: torch.Tensor) -> list[float]:
    """The cell's detector's probability of fake for a clip (T, 3, H, W) after each of its frames, 1 to T of them."""
    device = resolve(study.device)
    detector = to_device(load_detector(study, cell.dataset, cell.detector).detector, device, clip)
    return evaluation.scores_over_time(detector, clip)


def _known(name: str, allowed: Iterable[str], what: str) -> None:
    if name not in allowed:
        raise InputError(f"{what} {name} is not in params.yaml; choose from {', '.join(allowed)}")
