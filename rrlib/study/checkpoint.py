"""The stage `checkpoint`: the detector to be measured, given with the repository, with others' weights, or trained."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import softmax
from torch.utils.data import DataLoader, Dataset

from rrlib import datasets, detectors, files
from rrlib.detectors import Calibrated, checkpoints
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import training
from rrlib.study import paths
from rrlib.study.calibration import calibrate_given, is_as_asked
from rrlib.study.dataset import prepare_training
from rrlib.study.detector import Detector
from rrlib.study.order import in_order, warn_if_swapped
from rrlib.study.params import Study, known


def make_checkpoint(study: Study, dataset: str, detector: str) -> None:
    """A detector as safetensors where stages look for it.

    With weights that params.yaml names and that are not trained on, or that its architecture brings, these, with a
    temperature (`calibrate_given`). Else the checkpoint that the repository gives, if it was trained as params.yaml
    says and `retrain` is false; else it is trained now.
    """
    known(dataset, study.datasets, "data set")
    known(detector, study.detectors, "detector")
    entry, target = study.detectors[detector], paths.checkpoint_path(dataset, detector)
    if entry.as_given:
        _take_weights(study, detector, entry.as_given, target)
        warn_if_swapped(study, dataset, detector)
    elif entry.training is None:
        network = detectors.build(entry.architecture, entry.input_size, entry.seed, _names(entry))
        made = {"dataset": None, "seed": None, "temperature": 1, "report": None, "weights": entry.architecture}
        checkpoints.save(target, network, _about(study, detector, network) | made)
        warn_if_swapped(study, dataset, detector)
    elif not study.retrain and (given := _given(study, dataset, detector)):
        with files.whole(target) as unfinished:
            unfinished.write_bytes(given.read_bytes())
    else:
        train(study, dataset, detector, target)
    if entry.training is None:
        calibrate_given(study, dataset, detector)


def train(study: Study, dataset: str, detector: str, target: Path) -> dict[str, Any]:
    """Train a detector as params.yaml says and save it at `target`; its metadata.

    It begins at the weights that params.yaml names, else at weights drawn from the seed.

    Where the repository gives a checkpoint of the same recipe, `against_given` says how far the two are apart on the
    validation split: the largest and the mean difference of P(fake), and the share of labels that agree.
    """
    known(dataset, study.datasets, "data set")
    known(detector, study.detectors, "detector")
    entry = study.detectors[detector]
    if entry.training is None:
        raise InputError(f"{detector} has no training in params.yaml; give it one, or take its weights as they are")
    folder, device = prepare_training(study, dataset), resolve(study.device)
    training_set = datasets.load(folder, "train", entry.training.size(entry.input_size), keep=True)
    validation_set = datasets.load(folder, "validation", entry.input_size, keep=True)
    network = _begin(study, detector)
    name = f"{dataset}/{detector}"
    report = training.train(
        network, training_set, validation_set, entry.training, seed=entry.seed, device=device, name=name
    )
    metadata = _about(study, detector, network) | {
        "dataset": dataset,
        "data": definition_of(study, dataset),
        "seed": entry.seed,
        "temperature": report["temperature"],
        "report": report,
    }
    if begun := _begun_from(entry):
        metadata["begun_from"] = begun
    if given := _given(study, dataset, detector):
        other = detectors.load(given, entry.architecture, entry.input_size).detector.to(device)
        metadata["against_given"] = _apart(
            Calibrated(network, report["temperature"]).to(device), other, validation_set, device
        )
    checkpoints.save(target, network, metadata)
    return metadata


def definition_of(study: Study, dataset: str) -> dict[str, Any]:
    """What a data set is, as params.yaml says it, but for where its code or files lie."""
    return {key: value for key, value in study.datasets[dataset].to_dict().items() if key != "source"}


def load_detector(study: Study, dataset: str, detector: str) -> detectors.LoadedDetector:
    """The detector that `make_checkpoint` left, in the precision that params.yaml asks for.

    Raises InputError if its module has changed meanwhile, and for double precision on a device that has none.
    """
    path = paths.checkpoint_path(dataset, detector)
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    check_module(study, dataset, detector)
    entry = study.detectors[detector]
    loaded = detectors.load(path, entry.architecture, entry.input_size)
    if entry.precision == "single":
        return loaded
    if resolve(study.device).type == "mps":
        raise InputError(
            f"params.yaml: detectors.{detector}.precision is double, which Apple's GPUs lack; write device: cpu, or "
            "leave it out"
        )
    return replace(loaded, detector=detectors.InDouble(loaded.detector))


def load_weights(study: Study, detector: str) -> detectors.LoadedDetector:
    """The detector whose weights params.yaml names, once their hash, architecture and input size are as it says."""
    entry, where = study.detectors[detector], f"params.yaml: detectors.{detector}"
    if entry.weights is None:
        raise InputError(f"{where} names no weights; give weights and sha256")
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
    return in_order(loaded, entry, detector)


def has_checkpoint(study: Study, dataset: str, detector: str) -> bool:
    """Whether a checkpoint lies where stages look for it that was made as params.yaml says."""
    path, entry = paths.checkpoint_path(dataset, detector), study.detectors[detector]
    if not path.is_file():
        return False
    if entry.training:
        return not _differing(study, dataset, detector, path)
    _, metadata = checkpoints.read(path)
    if not is_as_asked(metadata, entry.calibrate):
        return False
    if metadata.get("architecture") != entry.architecture or metadata.get("input_size") != entry.input_size:
        return False
    if entry.as_given:
        return metadata.get("sha256") == entry.sha256 and metadata.get("labels") == _listed(entry)
    return metadata.get("weights") == entry.architecture


def trains(study: Study, dataset: str, detector: str) -> bool:
    """Whether `make_checkpoint` would train: not where weights are named or brought, nor one is given or there."""
    if study.detectors[detector].training is None:
        return False
    given, path = paths.given_path(dataset, detector), paths.checkpoint_path(dataset, detector)
    if has_checkpoint(study, dataset, detector):
        return study.retrain and given.is_file() and given.read_bytes() == path.read_bytes()
    return study.retrain or not given.is_file() or bool(_differing(study, dataset, detector, given))


def check_module(study: Study, dataset: str, detector: str) -> None:
    """Raise InputError if a module of one's own has changed since the checkpoint was made, with what to run."""
    architecture, path = study.detectors[detector].architecture, paths.checkpoint_path(dataset, detector)
    if not architecture.startswith(detectors.OWN) or not path.is_file():
        return
    _, metadata = checkpoints.read(path)
    # of another architecture DVC sees that it has to be made again
    if (
        metadata["architecture"] != architecture
        or metadata.get("module") == detectors.architecture(architecture).module_hash()
    ):
        return
    stage = "checkpoint-video" if dataset in study.video.datasets else "checkpoint"
    raise InputError(
        f"the module of {architecture} has changed since {path} was made; "
        f"run `dvc repro --force --downstream {stage}@{dataset}-{detector}`"
    )


def _about(study: Study, detector: str, network: nn.Module) -> dict[str, Any]:
    entry = study.detectors[detector]
    about: dict[str, Any] = {"architecture": entry.architecture, "input_size": entry.input_size}
    return about | detectors.architecture(entry.architecture).describe(network)


def _take_weights(study: Study, detector: str, weights: Path, target: Path) -> None:
    entry, loaded = study.detectors[detector], load_weights(study, detector)
    # a temperature that the file brings stays in its metadata and is applied again when it is loaded
    network = loaded.detector.detector if isinstance(loaded.detector, Calibrated) else loaded.detector
    metadata = {"dataset": None, "seed": None, "temperature": 1, "report": None} | loaded.metadata
    order = {"labels": _listed(entry)}
    checkpoints.save(target, network, metadata | {"weights": weights.name, "sha256": entry.sha256} | order)


def _begin(study: Study, detector: str) -> nn.Module:
    """The network that is trained: with the weights that params.yaml names and no temperature, or with drawn ones."""
    entry = study.detectors[detector]
    if entry.weights is None:
        return detectors.build(entry.architecture, entry.input_size, entry.seed, _names(entry))
    loaded = load_weights(study, detector).detector
    return loaded.detector if isinstance(loaded, Calibrated) else loaded


def _begun_from(entry: Detector) -> dict[str, Any] | None:
    """The file of weights at which training begins, and how its classes were said to stand; None for drawn weights."""
    if entry.weights is None:
        return None
    return {"weights": entry.weights.name, "sha256": entry.sha256, "labels": _listed(entry)}


def _names(entry: Detector) -> dict[str, str] | None:
    """Which label names of a hub's model are real and fake."""
    return entry.labels if isinstance(entry.labels, dict) else None


def _listed(entry: Detector) -> dict[str, str] | list[str] | None:
    """`labels` as JSON gives it back."""
    return list(entry.labels) if isinstance(entry.labels, tuple) else entry.labels


def _given(study: Study, dataset: str, detector: str) -> Path | None:
    """The checkpoint that the repository gives, if it was trained as params.yaml says; a line says what differs."""
    path = paths.given_path(dataset, detector)
    if not path.is_file():
        return None
    differing = _differing(study, dataset, detector, path)
    if differing:
        print(f"{path} was made with another {', another '.join(differing)} than params.yaml says", file=sys.stderr)
    return None if differing else path


def _differing(study: Study, dataset: str, detector: str, path: Path) -> list[str]:
    """In what a trained checkpoint was made otherwise than params.yaml says."""
    entry = study.detectors[detector]
    _, metadata = checkpoints.read(path)
    wanted = {
        "architecture": entry.architecture,
        "input_size": entry.input_size,
        "seed": entry.seed,
        "recipe": entry.training.to_dict() if entry.training else None,
        "data": _trained_on(definition_of(study, dataset)),
        "begun_from": _begun_from(entry),
    }
    found = metadata | {
        "recipe": (metadata.get("report") or {}).get("recipe"),
        "data": _trained_on(metadata.get("data") or {}),
    }
    return [key for key, value in wanted.items() if found.get(key) != value]


def _trained_on(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition without its test split, which no training sees."""
    counts = {name: {split: n for split, n in value.items() if split != "test"}
              for name, value in definition.items() if isinstance(value, dict)}  # fmt: skip
    return definition | counts


def _apart(one: nn.Module, other: nn.Module, samples: Dataset[Any], device: torch.device) -> dict[str, float]:
    p = []
    for detector in (one, other):
        with detectors.frozen(detector), torch.no_grad():
            scores = [softmax(detector(x.to(device)).cpu().double(), 1)[:, 1] for x, *_ in DataLoader(samples, 32)]
        p.append(torch.cat(scores))
    apart = (p[0] - p[1]).abs()
    return {
        "largest": float(apart.max()),
        "mean": float(apart.mean()),
        "same_labels": float(((p[0] > 0.5) == (p[1] > 0.5)).double().mean()),
    }
