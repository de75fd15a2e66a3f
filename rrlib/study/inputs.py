"""What a study takes from outside: sources to fetch, files that must be there."""

from collections.abc import Iterator
from pathlib import Path

from rrlib import detectors
from rrlib.errors import InputError
from rrlib.evaluation import training
from rrlib.sources import awaited
from rrlib.study.checkpoint import check_module, load_weights
from rrlib.study.detector import Detector, model_awaited
from rrlib.study.params import Study


def fetch_sources(study: Study) -> Iterator[str]:
    """Bring the study's sources here; the lines to be shown, as they come."""
    from rrlib.sources import fetch_all  # its libraries are needed by nothing else here

    return fetch_all(study.sources.values())


def check_inputs(study: Study) -> None:
    """Raise InputError unless what the study reads is there, as it says, or will be fetched.

    Sources of data sets, weights, detectors that others have written, which are tried, and modules of one's own, whose
    changes since a checkpoint was made DVC does not see.
    """
    sources = study.sources.values()
    for name, entry in study.datasets.items():
        path = entry.source or "."
        if not (Path(path).exists() or awaited(path, sources)):
            raise InputError(f"params.yaml: datasets.{name}.source: {path} does not exist; correct the path")
    for name, detector in study.detectors.items():
        if detector.weights and not awaited(detector.weights, sources):
            load_weights(study, name)
            if detector.training:
                _try_training(name, detector, None)
        elif _comes_trained(study, detector):
            labels = detector.labels if isinstance(detector.labels, dict) else None
            detectors.try_architecture(detector.architecture, detector.input_size, labels)
            if detector.training:
                _try_training(name, detector, labels)
    for pair in study.pairs():
        check_module(study, *pair)


def _try_training(name: str, entry: Detector, labels: dict[str, str] | None) -> None:
    chosen = detectors.architecture(entry.architecture)
    network = detectors.build(entry.architecture, entry.input_size, entry.seed, labels)
    x = detectors.pictures(entry.input_size, None if chosen.modality == "image" else chosen.frames or 4)
    training.try_training(network, x[:1] if entry.training and entry.training.batch_size == 1 else x, name)


def _comes_trained(study: Study, detector: Detector) -> bool:
    """Whether an architecture brings its weights, and is here already."""
    if model_awaited(detector.architecture, study.sources.values()):
        return False
    return detectors.architecture(detector.architecture).brings_weights
