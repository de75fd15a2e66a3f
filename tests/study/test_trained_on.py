"""Weights that are trained on: a detector entry with both weights and training."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from brightness import dark_and_bright
from small import FEW

from rrlib import study as stages
from rrlib.detectors import build, checkpoints, load
from rrlib.errors import InputError
from rrlib.report.made import how_made
from rrlib.study import paths
from rrlib.study.detector import read_detector


@pytest.fixture
def found(tmp_path, monkeypatch) -> stages.Study:
    """A study that trains on, in one epoch of steps too small to matter, from weights that no seed draws."""
    monkeypatch.chdir(tmp_path)
    dark_and_bright(20)
    checkpoints.save(Path("given.safetensors"), build("meso4", 32, seed=7), {"architecture": "meso4", "input_size": 32})
    sha256 = hashlib.sha256(Path("given.safetensors").read_bytes()).hexdigest()
    entry = {"architecture": "meso4", "input_size": 32, "training": {"epochs": 1, "learning_rate": 1e-12}}
    Path("params.yaml").write_text(
        yaml.safe_dump(
            FEW
            | {
                "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
                "detectors": {"on": entry | {"weights": "given.safetensors", "sha256": sha256}, "anew": entry},
                "epsilons": [0, 0.01],
                "attacks": {"pgd": {"rule": "noise"}},
                "video": {"datasets": {}, "detectors": {}, "attacks": {}},
            }
        )
    )
    study = stages.load(Path("params.yaml"))
    stages.prepare_dataset(study, "faces")
    return study


def trained(found: stages.Study, detector: str, target: str) -> tuple[dict, dict]:
    """Learnt tensors without what batch norm counts, and metadata."""
    metadata = stages.train(found, "faces", detector, Path(target))
    network = load(Path(target), "meso4", 32).detector
    network = getattr(network, "detector", network)  # without its temperature
    return {name: each.detach() for name, each in network.named_parameters()}, metadata


def test_training_begins_at_the_weights_and_the_metadata_says_which(found):
    weights, metadata = trained(found, "on", "on.safetensors")
    given = dict(load(Path("given.safetensors"), "meso4", 32).detector.named_parameters())
    assert all(torch.allclose(each, given[name], rtol=0, atol=1e-6) for name, each in weights.items())
    sha256 = hashlib.sha256(Path("given.safetensors").read_bytes()).hexdigest()
    assert metadata["begun_from"] == {"weights": "given.safetensors", "sha256": sha256, "labels": None}
    assert "Trained on from `given.safetensors` on clean images" in how_made(metadata, "images")
    anew, metadata = trained(found, "anew", "anew.safetensors")
    assert not any(torch.allclose(each, given[name], atol=1e-3) for name, each in anew.items() if each.dim() == 4)
    assert "begun_from" not in metadata


def test_a_given_checkpoint_counts_only_if_it_was_begun_from_the_same_weights(found):
    given = paths.given_path("faces", "on")
    trained(found, "on", str(given))
    assert not stages.trains(found, "faces", "on")
    other = replace(found.detectors["on"], sha256="0" * 64)
    assert stages.trains(replace(found, image=replace(found.image, detectors={"on": other})), "faces", "on")
    # the weights themselves are not needed where the checkpoint is given
    Path("given.safetensors").unlink()
    stages.make_checkpoint(found, "faces", "on")
    assert paths.checkpoint_path("faces", "on").read_bytes() == given.read_bytes()


def test_detectors_from_other_weights_are_no_seeds_of_one(found):
    assert stages.seed_families(found) == {}


@pytest.mark.parametrize("architecture", ["efficientnet-lite0-stage5", "frame-median-efficientnet-lite0-stage5"])
def test_weights_that_tell_nothing_yet_are_refused_without_training(tmp_path, architecture):
    torch.save({}, tmp_path / "lite0.pth")
    weights = {"weights": str(tmp_path / "lite0.pth"), "sha256": "0" * 64}
    entry = {"architecture": architecture, "input_size": 32, **weights}
    told = rf"^here: the published weights of {architecture} tell no fake from real yet; give training, too$"
    with pytest.raises(InputError, match=told):
        read_detector("lite", entry, "here", ())
    assert read_detector("lite", entry | {"training": {"epochs": 1}}, "here", ()).as_given is None
