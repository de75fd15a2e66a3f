"""What a detector says of the validation split of a data set: for temperatures and thresholds, never for results."""

import pandas as pd
import torch
from torch.utils.data import DataLoader

from rrlib import datasets, detectors
from rrlib.datasets import manifest
from rrlib.detectors import LoadedDetector
from rrlib.devices import resolve
from rrlib.study import paths
from rrlib.study.params import Study

FEWEST = 20  # groups; what is fitted to fewer is noise


def too_little(dataset: str) -> str | None:
    """Why nothing can be fitted to the validation split of a data set; None where something can."""
    folder = paths.dataset_folder(dataset)
    if not (folder / manifest.NAME).is_file():
        return "the data set was not there"
    rows = manifest.read(folder).query("split == 'validation'")
    groups, classes = rows["group"].nunique(), rows["label"].nunique()
    if groups >= FEWEST and classes == 2:
        return None
    return f"the validation split holds {groups} groups of {classes} classes, and {FEWEST} of both are needed"


def validation_logits(study: Study, dataset: str, loaded: LoadedDetector) -> tuple[torch.Tensor, pd.DataFrame]:
    """Logits (N, 2) float64 on the processor, and the samples with their labels and groups, in the same order."""
    samples = datasets.load(paths.dataset_folder(dataset), "validation", loaded.metadata["input_size"])
    device, at_once = resolve(study.device), max(1, min(study.batch_size, 32) // getattr(samples, "frames", 1))
    network = detectors.to_device(loaded.detector, device, samples[0][0])
    with detectors.frozen(network), torch.no_grad():
        found = [
            network(detectors.batch_to_device(x, device, network)).cpu().double()
            for x, *_ in DataLoader(samples, at_once)
        ]
    return torch.cat(found), samples.table
