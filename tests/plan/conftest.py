"""A study of three data sets and four detectors, of which some is here and some is not."""

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from settings import SETTINGS

from rrlib.detectors import catalogue, checkpoints

COMMON = {"media": "images", "page": "https://example.org", "licence": "MIT", "cite": "none"}
GATED = COMMON | {"kind": "data set", "access": "form", "layout": ["real/*", "fake/*"]}
OPEN = COMMON | {"kind": "checkpoint", "access": "open"}
CATALOGUE = {
    "faces": GATED | {"title": "Faces", "counts": {"real": 100, "fake": 300, "test": 40}},
    "other": GATED | {"title": "Other faces"},
    "weights": OPEN | {"title": "Weights"},
    "model": OPEN
    | {
        "title": "A model",
        "hub": {"repository": "owner/model", "type": "model"},
        "transformer": {"layers": 4, "width": 16, "heads": 2, "tokens": 5},
        "gigabytes": 0.34,
    },
}
NOTHING = {"datasets": {}, "detectors": {}, "attacks": {}}
STUDY = {
    **SETTINGS,
    "epsilons": [0, 0.01, 0.1],
    "tolerances": [0.1],
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "sources": {"faces": {}, "other": {}, "weights": {}, "model": {}},
    "datasets": {
        "faces": {"kind": "folder", "source": "outputs/sources/faces", "seed": 0},
        "other": {"kind": "folder", "source": "outputs/sources/other", "seed": 0},
    },
    "detectors": {
        "trained": {"architecture": "resnet", "input_size": 32, "training": {"epochs": 2}},
        "published": {
            "architecture": "resnet",
            "input_size": 32,
            "weights": "outputs/sources/weights/w.safetensors",
            "sha256": "",
        },
        "hub": {"architecture": "hub:outputs/sources/model", "input_size": 32},
    },
    "attacks": {"fgsm": {"rule": "fgsm"}, "pgd": {"rule": "pgd", "steps": 3}},
    "video": NOTHING
    | {
        "datasets": {"talks": {"kind": "clips", "source": "talks", "seed": 0, "frames": 4}},
        "detectors": {"gru": {"architecture": "cnn-gru", "input_size": 32, "training": {"epochs": 1}}},
        "attacks": {"pgd": {"rule": "pgd", "steps": 3}},
    },
}


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """The current directory, with a catalogue and the file that its pinned source brings; nothing is fetched."""
    monkeypatch.chdir(tmp_path)
    network = catalogue.build("resnet", 32, seed=0)
    published = tmp_path / "w.safetensors"
    checkpoints.save(published, network, {"architecture": "resnet", "input_size": 32, "temperature": 1})
    sha256 = hashlib.sha256(published.read_bytes()).hexdigest()
    entries = copy.deepcopy(CATALOGUE)
    entries["weights"]["files"] = [{"url": published.as_uri(), "sha256": sha256, "size": published.stat().st_size}]
    Path("data").mkdir()
    Path("data/catalogue.yaml").write_text(yaml.safe_dump(entries))
    return tmp_path


@pytest.fixture
def write(repository) -> Callable[..., Path]:
    """write(**changes): the study with other keys, in the file mine.yaml."""

    def make(**changes: object) -> Path:
        given = copy.deepcopy(STUDY) | changes
        for entry in given["detectors"].values():
            if entry.get("sha256") == "":
                entry["sha256"] = hashlib.sha256((repository / "w.safetensors").read_bytes()).hexdigest()
        Path("mine.yaml").write_text(yaml.safe_dump(given, sort_keys=False))
        return Path("mine.yaml")

    return make


@pytest.fixture
def some_faces(repository) -> Path:
    """Eight real and eight fake images in a folder of the user's own."""
    rng = np.random.default_rng(0)
    for name in ("real", "fake"):
        Path("own", name).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(f"own/{name}/{number}.png")
    return Path("own")
