"""A temperature for weights that were not trained here, so that RR compares robustness and not the scale of logits."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from rrlib import detectors
from rrlib.detectors import Calibrated, LoadedDetector, checkpoints
from rrlib.evaluation import fit_temperature
from rrlib.study import paths
from rrlib.study.params import Study
from rrlib.study.validation import too_little, validation_logits

ENDS = (0.0501, 19.9)  # a hair inside the range of `fit_temperature`


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
        found = _fitted(study, dataset, loaded)
    network = loaded.detector.detector if isinstance(loaded.detector, Calibrated) else loaded.detector
    about = {"temperature": found.get("temperature", brought), "calibration": {"asked": entry.calibrate, **found}}
    checkpoints.save(path, network, loaded.metadata | about)


def is_as_asked(metadata: dict[str, Any], asked: bool) -> bool:
    """Whether a checkpoint of given weights was made with this `calibrate` of params.yaml."""
    calibration = metadata.get("calibration")
    return isinstance(calibration, dict) and calibration.get("asked") == asked


def _fitted(study: Study, dataset: str, loaded: LoadedDetector) -> dict[str, Any]:
    if why := too_little(dataset):
        return {"none": why}
    logits, samples = validation_logits(study, dataset, loaded)
    labels = torch.tensor(samples["label"].tolist())
    temperature = fit_temperature(logits, labels)
    if not ENDS[0] < temperature < ENDS[1]:
        return {
            "none": f"the fit ends at a temperature of {temperature:.2f}, the end of the range that is searched, as it "
            "does where scores tell all fakes of the validation split from reals, or hardly any"
        }
    return {
        "temperature": temperature,
        "samples": len(labels),
        "groups": int(samples["group"].nunique()),
        "loss": float(cross_entropy(logits, labels)),
        "loss_calibrated": float(cross_entropy(logits / temperature, labels)),
    }
