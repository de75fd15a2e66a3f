"""A temperature for weights that were not trained here, so that RR compares robustness and not the scale of logits."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from rrlib import datasets, detectors
from rrlib.datasets import manifest
from rrlib.detectors import Calibrated, LoadedDetector, checkpoints
from rrlib.devices import resolve
from rrlib.evaluation import fit_temperature
from rrlib.study import paths
from rrlib.study.params import Study

ENDS = (0.0501, 19.9)  # a hair inside the range of `fit_temperature`
FEWEST = 20  # groups of the validation split; a temperature of fewer is noise


def calibrate_given(study: Study, dataset: str, detector: str) -> None:
    """Fit a temperature to a checkpoint of given weights on the validation split, and keep it in its metadata.

    The metadata's `calibration` says whether params.yaml asks for it (`asked`), and either what was found (temperature,
    samples, groups, and the losses in nats before and after) or why there is none (`none`): it is not asked for, the
    weights bring a temperature, or the split is absent, too small or of one class. The weights stay as they are.
    """
    entry, path = study.detectors[detector], paths.checkpoint_path(dataset, detector)
    loaded = detectors.load(path, entry.architecture, entry.input_size)
    brought = loaded.metadata.get("temperature", 1)
    if not entry.calibrate:
        found: dict[str, Any] = {"none": "params.yaml says calibrate: false"}
    elif brought != 1:
        found = {"none": f"the weights bring a temperature of {brought:.3f}, which is kept"}
    else:
        found = _fitted(study, dataset, loaded, entry.input_size)
    network = loaded.detector.detector if isinstance(loaded.detector, Calibrated) else loaded.detector
    about = {"temperature": found.get("temperature", brought), "calibration": {"asked": entry.calibrate, **found}}
    checkpoints.save(path, network, loaded.metadata | about)


def is_as_asked(metadata: dict[str, Any], asked: bool) -> bool:
    """Whether a checkpoint of given weights was made with this `calibrate` of params.yaml."""
    calibration = metadata.get("calibration")
    return isinstance(calibration, dict) and calibration.get("asked") == asked


def _fitted(study: Study, dataset: str, loaded: LoadedDetector, input_size: int) -> dict[str, Any]:
    folder = paths.dataset_folder(dataset)
    if not (folder / manifest.NAME).is_file():
        return {"none": "the data set was not there when the checkpoint was made"}
    rows = manifest.read(folder).query("split == 'validation'")
    groups = rows["group"].nunique()
    if groups < FEWEST or rows["label"].nunique() < 2:
        return {
            "none": f"the validation split holds {groups} groups of {rows['label'].nunique()} classes, and a "
            f"temperature needs {FEWEST} of both"
        }
    logits, labels = _logits(study, loaded, datasets.load(folder, "validation", input_size))
    temperature = fit_temperature(logits, labels)
    if not ENDS[0] < temperature < ENDS[1]:
        return {
            "none": f"the fit ends at a temperature of {temperature:.2f}, the end of the range that is searched, as it "
            "does where scores tell all fakes of the validation split from reals, or hardly any"
        }
    return {
        "temperature": temperature,
        "samples": len(labels),
        "groups": groups,
        "loss": float(cross_entropy(logits, labels)),
        "loss_calibrated": float(cross_entropy(logits / temperature, labels)),
    }


def _logits(study: Study, loaded: LoadedDetector, samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 2) float64 and (N,) of all samples, on the processor."""
    device, at_once = resolve(study.device), max(1, min(study.batch_size, 32) // getattr(samples, "frames", 1))
    network = detectors.to_device(loaded.detector, device, samples[0][0])
    with detectors.frozen(network), torch.no_grad():
        found = [
            (network(detectors.batch_to_device(x, device, network)).cpu().double(), labels)
            for x, labels, *_ in DataLoader(samples, at_once)
        ]
    return torch.cat([logits for logits, _ in found]), torch.cat([labels for _, labels in found])
