"""Weights of others may number their classes the other way round: an option for it, and a warning without it."""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import softmax
from torch.utils.data import DataLoader, Subset

from rrlib import datasets, detectors
from rrlib.datasets import manifest
from rrlib.detectors import Calibrated, LoadedDetector
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.study import paths
from rrlib.study.detector import Detector
from rrlib.study.params import Study

LOOKED_AT = 100  # samples; an order needs no more, and a large model would take its time
Z = 1.96
# The first class of a file whose detector was trained with labels in that order. The authors of MesoNet, whose format
# a .h5 is, have fake first: their one output is P(real).
KERAS, TORCH = ("fake", "real"), ("real", "fake")


def in_order(loaded: LoadedDetector, entry: Detector, name: str) -> LoadedDetector:
    """Weights with their classes as `labels` of their entry in params.yaml says: [real, fake] or [fake, real]."""
    assert entry.weights is not None
    usual = KERAS if entry.weights.suffix in (".h5", ".hdf5") else TORCH
    if not isinstance(entry.labels, tuple) or entry.labels == usual:
        return loaded
    network = loaded.detector.detector if isinstance(loaded.detector, Calibrated) else loaded.detector
    chosen = detectors.architecture(entry.architecture)
    modality = chosen.modality
    if getattr(chosen, "of_frames", ""):  # the classes are those of the detector that is asked about each frame
        network, modality = network.get_submodule("detector"), "image"
    try:
        detectors.swap_classes(network, entry.input_size, modality, str(entry.weights))
    except InputError as error:
        raise InputError(f"params.yaml: detectors.{name}.labels: {error}") from None
    return loaded


def warn_if_swapped(study: Study, dataset: str, detector: str) -> None:
    """A line to stderr where detector and data set seem to disagree on which label is which.

    That is, where the interval of the AUC on at most 100 samples (of the validation split, else of the test split) lies
    below ½: Wilson's 95 % interval with the largest variance that the AUC A of m fakes and n reals can have,
    A (1 − A) / min(m, n) (Birnbaum and Klose 1957, Annals of Mathematical Statistics 28). m and n count groups.
    """
    folder, entry = paths.dataset_folder(dataset), study.detectors[detector]
    if not Path(folder, manifest.NAME).is_file():  # a checkpoint can be made before its data set
        return
    frame = manifest.read(folder)
    split = next(each for each in ("validation", "test", "train") if each in set(frame["split"]))
    samples = datasets.load(folder, split, entry.input_size)
    chosen = _spread(samples.table["label"].to_numpy())
    groups = samples.table.loc[chosen].groupby("label")["group"].nunique()
    network = detectors.load(paths.checkpoint_path(dataset, detector), entry.architecture, entry.input_size).detector
    device = resolve(study.device)
    detectors.to_device(network, device, samples[0][0])
    batches = DataLoader(Subset(samples, chosen), max(1, min(study.batch_size, 16) // getattr(samples, "frames", 1)))
    with detectors.frozen(network), torch.no_grad():
        found = [(softmax(network(x.to(device)).double(), 1)[:, 1].cpu(), labels) for x, labels, _ in batches]
    area = auc(torch.cat([p for p, _ in found]).numpy(), torch.cat([labels for _, labels in found]).numpy())
    high = upper_end(area, int(groups.min()))
    if high < 0.5:
        print(f"{dataset}: {detector}: {label_doubt(area, high, len(chosen), entry)}", file=sys.stderr)


def label_doubt(area: float, high: float, samples: int, entry: Detector) -> str:
    """What a person is told of a detector whose AUC lies below ½."""
    return (
        f"labels may be swapped: the clean AUC of {samples} samples is {area:.3f}, with an interval up to {high:.3f}, "
        f"below ½; {remedy(entry.architecture, entry.weights)}, or check which label of the data set is which"
    )


def remedy(architecture: str, weights: Path | None) -> str:
    """How an entry of params.yaml says which class is which."""
    if architecture.startswith(detectors.HUB):
        return "if the model's label names mislead, write labels: {real: NAME, fake: NAME}"
    if architecture.startswith(detectors.OWN):
        return "if your module returns fake first, turn its logits round"
    usual = KERAS if weights and weights.suffix in (".h5", ".hdf5") else TORCH
    return f"if the weights number their classes otherwise, write labels: [{', '.join(reversed(usual))}]"


def upper_end(share: float, count: int) -> float:
    """Of Wilson's 95 % interval for a share of `count` trials.

    >>> round(upper_end(0.5, 100), 3), round(upper_end(0.0, 1), 3)
    (0.596, 0.793)
    """
    z2 = Z**2 / count
    return (share + z2 / 2 + math.sqrt(z2 * share * (1 - share) + z2**2 / 4)) / (1 + z2)


def auc(p_fake: np.ndarray, labels: np.ndarray) -> float:
    """The share of (fake, real) pairs in which the fake scores higher, ties counted half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    0.875
    """
    apart = p_fake[labels == 1][:, None] - p_fake[labels == 0][None, :]
    return float((apart > 0).mean() + (apart == 0).mean() / 2)


def _spread(labels: np.ndarray) -> list[int]:
    """The places of half of `LOOKED_AT` samples of each class, evenly over the whole."""
    chosen = []
    for label in (0, 1):
        places = np.flatnonzero(labels == label)
        chosen += places[
            np.unique(np.linspace(0, len(places) - 1, min(len(places), LOOKED_AT // 2)).round().astype(int))
        ].tolist()
    return sorted(chosen)
