"""The threshold of each detector is chosen on the validation split, and tables are judged at it."""

import copy
import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrlib import analysis
from rrlib import study as stages
from rrlib.attacks import rule
from rrlib.datasets import Folder, Frames, manifest
from rrlib.detectors import build, checkpoints
from rrlib.errors import InputError
from rrlib.evaluation import Recipe, train
from rrlib.study import Detector, Half, Highlight, Study, paths


@pytest.fixture(scope="module")
def shifted() -> torch.nn.Module:
    """A detector that tells fakes from reals and calls both fake: its logit of fake is far too high."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    images = torch.rand(64, 3, 32, 32, generator=generator) * 0.3 + 0.24 + 0.1 * labels.view(-1, 1, 1, 1)
    samples = [(image, int(label), number) for number, (image, label) in enumerate(zip(images, labels, strict=True))]
    network = build("resnet", 32, seed=3)
    train(network, samples, samples, Recipe(epochs=3, batch_size=16), seed=0)
    found = copy.deepcopy(network)
    *_, last = (module for module in found.modules() if isinstance(module, torch.nn.Linear))
    with torch.no_grad():
        last.bias += torch.tensor([-8.0, 8.0])
    return found


@pytest.fixture
def study(tmp_path, monkeypatch, shifted) -> Study:
    """120 real and 120 brighter fake images, and the shifted detector, which is not calibrated."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for label, name in enumerate(("real", "fake")):
        Path("images", name).mkdir(parents=True)
        for number in range(120):
            pixels = rng.integers(60, 140, (16, 16, 3)) + rng.integers(-8, 8) + 25 * label
            Image.fromarray(pixels.astype(np.uint8)).save(f"images/{name}/{name}{number}.png")
    checkpoints.save(Path("shifted.safetensors"), shifted, {"architecture": "resnet", "input_size": 32})
    sha256 = hashlib.sha256(Path("shifted.safetensors").read_bytes()).hexdigest()
    entry = Detector("resnet", 32, 0, None, Path("shifted.safetensors"), sha256, calibrate=False)
    found = Study(
        seed=0, device="cpu", batch_size=64, workers=0, fold=True, compiled=False, retrain=False, distance="linf",
        epsilons=(0, 0.02), tolerances=(0.1,), highlight=Highlight(0.02, 0.1, "pgd"), sources={},
        image=Half({"faces": Folder(source="images", seed=0)}, {"shifted": entry}, {"pgd": rule("pgd", steps=2)}),
        video=Half({}, {}, {}), threshold="eer",
    )  # fmt: skip
    stages.prepare_dataset(found, "faces")
    stages.make_checkpoint(found, "faces", "shifted")
    return found


def test_one_half_is_useless_and_the_chosen_threshold_is_not(study):
    stages.measure(study, "faces", "shifted")
    stages.write_results(study)
    (line,) = stages.write_thresholds(study)
    about = stages.read_thresholds()["faces", "shifted"]
    assert line == f"faces: shifted: {about['threshold']:.4f}"
    assert about["groups"] >= 20
    assert 0.5 < about["threshold"] < 1
    at_half = dataclasses.replace(study, threshold=0.5)
    useless, useful = (
        analysis.clean_performance(stages.read_results(each)["image"]).iloc[0] for each in (at_half, study)
    )
    assert (useless["tpr"], useless["fpr"]) == (1, 1)
    assert useful["accuracy"] > 0.75 > useless["accuracy"]


def test_another_threshold_measures_nothing_and_tables_keep_probabilities(study):
    stages.measure(study, "faces", "shifted")
    path = paths.tables_folder("faces", "shifted") / "pgd.parquet"
    before = path.read_bytes()
    for threshold in (0.5, "eer", {"fpr": 0.1}):
        stages.measure(dataclasses.replace(study, threshold=threshold), "faces", "shifted")
        assert path.read_bytes() == before
    table = stages.judged(dataclasses.replace(study, threshold=0.3), stages.all_tables_of(study, "faces", "shifted"))
    assert set(table["threshold"]) == {0.3}
    assert "threshold" not in stages.all_tables_of(study, "faces", "shifted")


def test_no_test_sample_is_looked_at(study):
    stages.write_thresholds(study)
    before = stages.read_thresholds()
    folder = paths.dataset_folder("faces")
    rows = manifest.read(folder)
    for path in rows.loc[rows["split"] == "test", "path"]:
        Image.new("RGB", (16, 16)).save(folder / path)
    stages.write_thresholds(study)
    assert stages.read_thresholds() == before


def test_a_target_rate_is_met_on_the_validation_split(study):
    stages.write_thresholds(dataclasses.replace(study, threshold={"fpr": 0.1}))
    about = stages.read_thresholds()["faces", "shifted"]
    assert about["fpr"] <= 0.1
    assert about["threshold"] > 0.5


def test_a_number_holds_for_all_and_looks_at_no_detector(study):
    paths.checkpoint_path("faces", "shifted").unlink()
    assert stages.write_thresholds(dataclasses.replace(study, threshold=0.7)) == ["faces: shifted: 0.7000"]


def test_frames_and_their_videos_have_thresholds_of_their_own(study, shifted):
    for kind in ("real", "fake"):
        for number, path in enumerate(sorted(Path("images", kind).iterdir())):
            folder = Path("talks", kind, f"{kind}{number}", "video")
            folder.mkdir(parents=True)
            for frame in range(2):
                Image.fromarray(np.roll(np.array(Image.open(path)), 5 * frame, axis=1)).save(folder / f"{frame}.png")
    talks = dataclasses.replace(
        study, image=dataclasses.replace(study.image, datasets={"talks": Frames(source="talks", seed=0, frames=2)})
    )
    stages.prepare_dataset(talks, "talks")
    stages.make_checkpoint(talks, "talks", "shifted")
    stages.write_thresholds(talks)
    chosen = stages.read_thresholds()
    assert chosen["talks", "shifted"]["samples"] == 2 * chosen["talks-videos", "shifted"]["samples"]
    stages.measure(talks, "talks", "shifted")
    stages.write_results(talks)
    judged = stages.read_results(talks)["image"].groupby("dataset")["threshold"].unique()
    for name in ("talks", "talks-videos"):
        assert judged[name].tolist() == [chosen[name, "shifted"]["threshold"]]


def test_too_small_a_split_leaves_one_half_and_says_why(study):
    folder = paths.dataset_folder("faces")
    rows = manifest.read(folder)
    kept = rows[rows["split"] == "validation"].groupby("label")["group"].head(4)
    few = rows[(rows["split"] != "validation") | rows["group"].isin(kept)]
    few.to_csv(folder / manifest.NAME, index=False)
    (line,) = stages.write_thresholds(study)
    assert re.fullmatch(
        r"faces: shifted: 0\.5000 \(the validation split holds \d+ groups of \d classes, and 20 of both are needed\)",
        line,
    )


def test_a_detector_without_a_threshold_is_named(study):
    stages.write_thresholds(study)
    table = stages.all_tables_of(study, "faces", "shifted").assign(detector="other")
    with pytest.raises(InputError, match=r"outputs/thresholds\.json says nothing of other on faces; make it again"):
        stages.judged(study, table)
    Path("outputs/thresholds.json").unlink()
    with pytest.raises(InputError, match=r"outputs/thresholds\.json is absent; make it with `dvc repro`"):
        stages.judged(study, table)


def test_the_file_is_plain_json(study):
    stages.write_thresholds(study)
    assert json.loads(Path("outputs/thresholds.json").read_text())["faces"]["shifted"].keys() == {
        "threshold", "fpr", "fnr", "samples", "groups"
    }  # fmt: skip
