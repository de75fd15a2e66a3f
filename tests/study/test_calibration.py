"""Weights that were not trained here get a temperature from the validation split, or a reason why not."""

import copy
import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrlib import evaluation
from rrlib import study as stages
from rrlib.attacks import rule
from rrlib.datasets import Folder
from rrlib.detectors import build, checkpoints
from rrlib.study import Detector, Half, Highlight, Study, paths


def image_folder(count: int) -> None:
    rng = np.random.default_rng(0)
    for label, name in enumerate(("real", "fake")):
        Path("images", name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(60, 140, (16, 16, 3)) + rng.integers(-30, 30) + 25 * label
            Image.fromarray(pixels.astype(np.uint8)).save(f"images/{name}/{name}{number}.png")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """A detector that was trained for a moment, so that it tells some fakes from reals."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    images = torch.rand(64, 3, 32, 32, generator=generator) * 0.3 + 0.24 + 0.1 * labels.view(-1, 1, 1, 1)
    samples = [(image, int(label), number) for number, (image, label) in enumerate(zip(images, labels, strict=True))]
    found = build("resnet", 32, seed=3)
    evaluation.train(found, samples, samples, evaluation.Recipe(epochs=3, batch_size=16), seed=0)
    return found


def study_of(network: torch.nn.Module, **scales: float) -> Study:
    """A study of one set of weights, its last layer multiplied by a scale for each name."""
    entries = {}
    for name, scale in scales.items():
        scaled = copy.deepcopy(network)
        *_, last = (module for module in scaled.modules() if isinstance(module, torch.nn.Linear))
        with torch.no_grad():
            last.weight.mul_(scale)
            last.bias.mul_(scale)
        checkpoints.save(Path(f"{name}.safetensors"), scaled, {"architecture": "resnet", "input_size": 32})
        sha256 = hashlib.sha256(Path(f"{name}.safetensors").read_bytes()).hexdigest()
        entries[name] = Detector("resnet", 32, 0, None, Path(f"{name}.safetensors"), sha256)
    image = Half({"faces": Folder(source="images", seed=0)}, entries, {"pgd": rule("pgd", steps=2)})
    return Study(
        seed=0, device="cpu", batch_size=64, workers=0, fold=True, compiled=False, retrain=False, distance="linf",
        epsilons=(0, 0.05), tolerances=(0.1,), highlight=Highlight(0.05, 0.1, "pgd"), sources={}, image=image,
        video=Half({}, {}, {}),
    )  # fmt: skip


def made(study: Study, detector: str) -> dict:
    stages.make_checkpoint(study, "faces", detector)
    return checkpoints.read(paths.checkpoint_path("faces", detector))[1]


@pytest.fixture
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def twins(here, network) -> Study:
    image_folder(130)
    study = study_of(network, one=1.0, louder=4.0)
    stages.prepare_dataset(study, "faces")
    return study


def test_twins_up_to_a_scale_are_the_same_detector_once_calibrated(twins):
    one, louder = (made(twins, name) for name in ("one", "louder"))
    assert louder["temperature"] == pytest.approx(4 * one["temperature"], rel=1e-4)
    assert one["calibration"]["temperature"] == one["temperature"] != 1
    assert one["calibration"]["groups"] >= 20
    assert one["calibration"]["loss_calibrated"] == pytest.approx(louder["calibration"]["loss_calibrated"], abs=1e-6)
    assert one["calibration"]["loss_calibrated"] <= one["calibration"]["loss"]
    tables = [stages.clean_table(twins, "faces", name)["p_clean"].to_numpy() for name in ("one", "louder")]
    assert tables[0] == pytest.approx(tables[1], abs=1e-5)


def test_the_weights_stay_and_a_second_run_leaves_the_same_bytes(twins):
    made(twins, "one")
    path = paths.checkpoint_path("faces", "one")
    state, _ = checkpoints.read(path)
    given, _ = checkpoints.read(Path("one.safetensors"))
    assert all(torch.equal(state[name], given[name]) for name in given)
    before = path.read_bytes()
    made(twins, "one")
    assert path.read_bytes() == before


def test_it_can_be_left_out_and_a_checkpoint_made_otherwise_is_not_taken_for_it(twins):
    made(twins, "one")
    assert stages.has_checkpoint(twins, "faces", "one")
    left_out = dataclasses.replace(twins.detectors["one"], calibrate=False)
    without = dataclasses.replace(twins, image=dataclasses.replace(twins.image, detectors={"one": left_out}))
    assert not stages.has_checkpoint(without, "faces", "one")
    metadata = made(without, "one")
    assert metadata["temperature"] == 1
    assert metadata["calibration"] == {"asked": False, "none": "params.yaml says calibrate: false"}
    assert stages.has_checkpoint(without, "faces", "one")


def test_too_few_groups_or_no_data_set_are_a_reason_and_no_temperature(here, network):
    image_folder(12)
    study = study_of(network, one=1.0)
    assert made(study, "one")["calibration"]["none"] == "the data set was not there"
    stages.prepare_dataset(study, "faces")
    metadata = made(study, "one")
    assert metadata["temperature"] == 1
    assert "and 20 of both are needed" in metadata["calibration"]["none"]


def test_a_temperature_that_weights_bring_is_kept(twins):
    state = build("resnet", 32, seed=3)
    checkpoints.save(Path("one.safetensors"), state, {"architecture": "resnet", "input_size": 32, "temperature": 2.5})
    sha256 = hashlib.sha256(Path("one.safetensors").read_bytes()).hexdigest()
    entry = dataclasses.replace(twins.detectors["one"], sha256=sha256)
    study = dataclasses.replace(twins, image=dataclasses.replace(twins.image, detectors={"one": entry}))
    metadata = made(study, "one")
    assert metadata["temperature"] == 2.5
    assert metadata["calibration"]["none"] == "the weights bring a temperature of 2.500, which is kept"


def test_scores_that_tell_nothing_get_no_temperature(twins, network):
    study = study_of(network, one=-1.0)  # it calls fakes real: the flattest scores would fit best
    metadata = made(study, "one")
    assert metadata["temperature"] == 1
    assert metadata["calibration"]["none"].startswith("the fit ends at a temperature of 20.00, the end of the range")
