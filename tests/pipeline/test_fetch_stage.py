"""Sources are fetched before anything uses them, and a new one runs nothing else again: with a real `dvc repro`."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from small import REPOSITORY, change, run, stages_run

from rrlib.detectors import catalogue, checkpoints

pytestmark = pytest.mark.slow
USERS = {"dataset@faces", "checkpoint@faces-ready"}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A repository with sources that are a local folder and files behind file: URLs, and nothing fetched."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("rrlib", "book"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(REPOSITORY / name, folder / name)
    run("git", "init", "--quiet", folder=folder)
    run("dvc", "init", "--quiet", folder=folder)
    rng = np.random.default_rng(0)
    for name in ("real", "fake"):
        (folder / "mine" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / f"mine/{name}/{number}.png")
    weights = folder / "published/ready.safetensors"
    weights.parent.mkdir()
    network = catalogue.build("resnet", 32, seed=0)
    checkpoints.save(weights, network, {"architecture": "resnet", "input_size": 32, "temperature": 1})
    more = folder / "published/more.bin"
    more.write_bytes(b"more")
    common = {"media": "images", "page": "https://example.org", "licence": "MIT", "cite": "none"}
    entries = {
        "faces": {"kind": "data set", "title": "Faces", "access": "form", "layout": ["real/*", "fake/*"]},
        "weights": {
            "kind": "checkpoint",
            "title": "Ready",
            "access": "open",
            "files": [{"url": weights.as_uri(), "sha256": sha256(weights)}],
        },
        "more": {
            "kind": "checkpoint",
            "title": "More",
            "access": "open",
            "files": [{"url": more.as_uri(), "sha256": sha256(more)}],
        },
    }
    (folder / "data/checkpoints").mkdir(parents=True)
    (folder / "data/catalogue.yaml").write_text(yaml.safe_dump({name: common | entries[name] for name in entries}))
    nothing = {"datasets": {}, "detectors": {}, "attacks": {}}
    ready = {
        "architecture": "resnet",
        "input_size": 32,
        "weights": "outputs/sources/weights/ready.safetensors",
        "sha256": sha256(weights),
    }
    change(
        folder,
        datasets={"faces": {"kind": "folder", "source": "outputs/sources/faces", "seed": 0}},
        detectors={"ready": ready},
        video=nothing,
        sources={"faces": {"folder": "mine"}, "weights": {}},
    )
    return folder


@pytest.fixture(scope="module")
def repro(place):
    """What `dvc repro` of all checkpoints said, from nothing."""
    return run("dvc", "repro", "checkpoint", folder=place)


def test_sources_come_before_what_uses_them(place, repro):
    assert repro.returncode == 0, repro.stderr[-2000:]
    assert stages_run(repro.stdout) == {"fetch"} | USERS
    assert repro.stdout.index("'fetch'") < repro.stdout.index("'dataset@faces'")
    assert torch.equal(
        catalogue.load(place / "outputs/checkpoints/faces/ready.safetensors").detector(torch.zeros(1, 3, 32, 32)),
        catalogue.load(place / "published/ready.safetensors").detector(torch.zeros(1, 3, 32, 32)),
    )


def with_sources(place: Path, sources: dict) -> None:
    change(place, **yaml.safe_load((place / "params.yaml").read_text()) | {"sources": sources})


def test_another_source_reruns_the_fetch_alone(place, repro):
    with_sources(place, {"faces": {"folder": "mine"}, "weights": {}, "more": {}})
    again = run("dvc", "repro", "checkpoint", folder=place)
    assert again.returncode == 0, again.stderr[-2000:]
    assert stages_run(again.stdout) == {"fetch"}
    assert (place / "outputs/sources/more/more.bin").read_bytes() == b"more"


def test_a_form_that_was_not_answered_stops_with_its_sentence(place, repro):
    (place / "outputs/sources/faces").unlink()
    with_sources(place, {"faces": {}, "weights": {}})
    stopped = run("dvc", "repro", "checkpoint", folder=place)
    assert stopped.returncode != 0
    assert stages_run(stopped.stdout) == {"fetch"}
    assert (
        "error: Faces needs a form: ask at https://example.org, put what you get into outputs/sources/faces "
        "(real/*, fake/*), and run again\n"
    ) in stopped.stderr
