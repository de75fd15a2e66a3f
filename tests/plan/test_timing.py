"""Facts about the measurement: what is measured, on what, and what is said where nothing can be."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from rrlib.datasets import definition
from rrlib.errors import InputError
from rrlib.plan import costs, timing
from rrlib.plan.timing import Timing, Transformer
from rrlib.plan.work import Samples
from rrlib.study import Detector, load


def test_every_detector_has_a_timing_or_a_reason(write):
    timings = timing.measure(load(write()))
    assert set(timings) == {("trained", 0), ("published", 0), ("hub", 0), ("gru", 4)}
    for found in timings.values():
        assert 0 < found.forward < found.gradient < 1
    assert timings["trained", 0] is timings["published", 0]  # of one architecture and size
    assert timings["hub", 0].how == "one of its 4 layers was measured"


def test_what_is_begun_too_late_is_not_measured(write, monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", -1)
    timings = timing.measure(load(write()))
    assert set(timings.values()) == {"not measured: out of time"}


def test_a_model_of_unknown_size_is_not_measured(write, repository):
    catalogue = repository / "data/catalogue.yaml"
    entries = yaml.safe_load(catalogue.read_text())
    del entries["model"]["transformer"]
    catalogue.write_text(yaml.safe_dump(entries))
    assert timing.measure(load(write()))["hub", 0] == "not measured: it is not here"


def test_the_size_of_a_model_that_is_here_is_in_its_configuration(write):
    study = load(write())
    folder = Path("outputs/sources/model")
    folder.mkdir(parents=True)
    config = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    (folder / "config.json").write_text(json.dumps(config))
    entry = study.detectors["hub"]
    assert timing.transformer_of(entry, study) == Transformer(3, 8, 2, 4)
    (folder / "config.json").write_text(json.dumps(config | {"num_frames": 16, "tubelet_size": 2}))
    assert timing.transformer_of(entry, study) == Transformer(3, 8, 2, 32)
    (folder / "config.json").write_text(json.dumps({"depths": [3, 3, 9, 3]}))
    assert timing.transformer_of(entry, study) is None
    assert timing.transformer_of(Detector("vit-b16", 224, 0, None, None, None), study) == Transformer(12, 768, 12, 197)


def test_what_a_gradient_keeps_is_its_activations_not_its_weights():
    """Of three layers n → n with sigmoids, a gradient with respect to the input needs the sigmoids' outputs alone."""
    n = 1000
    network = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(n, n), nn.Sigmoid()))).requires_grad_(
        False
    )
    found = timing._timed(network, torch.rand(1, n), torch.sum)
    assert found.activations == 3 * n * 4
    assert found.weights == 3 * (n * n + n) * 4


def test_memory_grows_with_the_batch(write):
    study = load(write())
    found = Timing(1, 1, activations=1000, weights=10)
    pixels = 4 * 3 * 32**2
    fixed = 5 + costs.BESIDE
    assert costs.memory(study, "published", 0, found, resident=5) == fixed + costs.FACTOR * (
        30 + 4 * (1000 + 6 * pixels)
    )
    # of clips of four frames one at a time, but training takes 64
    assert costs.memory(study, "gru", 4, found, resident=5) == fixed + costs.FACTOR * (30 + 64 * (1000 + 24 * pixels))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"kind": "folder", "source": "a", "seed": 0}, 0),
        ({"kind": "clips", "source": "a", "seed": 0, "frames": 4}, 0),
        ({"kind": "clips", "source": "a", "seed": 0, "frames": 4, "crop": {"size": 20}}, 0.6 * 1200 * 4 * 6),
        ({"kind": "frames", "source": "a", "seed": 0, "frames": 4, "crop": {}}, 0.6 * 3 * 256**2 * 6),
        ({"kind": "synthetic", "seed": 0, "size": 40, "strength": 0.5, "images": {"test": 6}}, 0.6 * 4800 * 5),
    ],
)
def test_only_what_is_drawn_or_cut_out_takes_room(entry, expected):
    assert costs.prepared(definition("data", entry), Samples(1, 2, 3, ""), trained_on=False) == pytest.approx(expected)


def test_what_is_drawn_is_drawn_once_more_where_something_is_trained_on_it():
    entry = definition("data", {"kind": "synthetic", "seed": 0, "size": 40, "strength": 0.5, "images": {"test": 6}})
    assert costs.prepared(entry, Samples(1, 2, 3, ""), trained_on=True) == pytest.approx(0.6 * 4800 * (5 + 6))


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"image_size": 10**30},
        {"hidden_size": 10**6},
        {"hidden_size": 7},
        {"patch_size": 0},
        {"num_attention_heads": -2},
        {"num_hidden_layers": "3"},
        {"patch_size": 64},
    ],
)
def test_a_configuration_that_no_network_has_is_not_built(write, config):
    study, folder = load(write()), Path("outputs/sources/model")
    folder.mkdir(parents=True)
    sound = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    (folder / "config.json").write_text(json.dumps(config if isinstance(config, list) else sound | config))
    assert timing.transformer_of(study.detectors["hub"], study) is None


def test_a_configuration_that_cannot_be_read_is_one_sentence(write):
    study, folder = load(write()), Path("outputs/sources/model")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{" * 10)
    with pytest.raises(
        InputError, match=r"^outputs/sources/model/config\.json is not valid JSON \(.*\); fetch the model"
    ):
        timing.transformer_of(study.detectors["hub"], study)
