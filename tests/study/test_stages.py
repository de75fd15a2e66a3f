"""The stages from end to end on a folder of tiny images, and what each says when something is missing."""

import dataclasses
import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from brightness import dark_and_bright
from PIL import Image
from safetensors.torch import save_file

from rrlib import attacks
from rrlib import study as stages
from rrlib.attacks.rules import FGSM, PGD
from rrlib.datasets import Folder, Frames
from rrlib.detectors import checkpoints
from rrlib.detectors.catalogue import build
from rrlib.detectors.contract import Calibrated
from rrlib.errors import InputError
from rrlib.evaluation import Cell, tables
from rrlib.evaluation.training import Recipe
from rrlib.study import Detector, Half, Highlight, Study, paths
from rrlib.study.paths import checkpoint_path, dataset_folder, table_path

CELL = Cell("faces", "small", "pgd")


@pytest.fixture
def small_study(tmp_path, monkeypatch) -> Study:
    """Twelve real and twelve brighter fake images of 24 px in a repository of its own, and a study of them."""
    monkeypatch.chdir(tmp_path)
    dark_and_bright(12)
    return Study(
        seed=0,
        device="cpu",
        batch_size=4,
        workers=0,
        fold=True,
        compiled=False,
        retrain=False,
        distance="linf",
        epsilons=(0, 0.05),
        tolerances=(0.1,),
        highlight=Highlight(0.05, 0.1, "pgd"),
        image=Half(
            datasets={"faces": Folder(source="images", seed=0)},
            detectors={"small": Detector("resnet", 32, 0, Recipe(epochs=1, batch_size=4), None, None)},
            attacks={"pgd": PGD(steps=2), "fgsm": FGSM()},
        ),
        video=Half({}, {}, {}),
        sources={},
    )


@pytest.fixture
def trained(small_study) -> Study:
    stages.prepare_dataset(small_study, "faces")
    stages.make_checkpoint(small_study, "faces", "small")
    return small_study


def with_weights(study: Study, architecture: str, input_size: int, weights: Path, sha256: str | None = None) -> Study:
    sha256 = sha256 or hashlib.sha256(weights.read_bytes()).hexdigest()
    entry = Detector(architecture, input_size, 0, None, weights, sha256)
    return with_images(study, detectors={"published": entry})


def with_images(study: Study, **changes: dict) -> Study:
    return dataclasses.replace(study, image=dataclasses.replace(study.image, **changes))


def test_from_images_to_a_table(trained):
    table = stages.table_of(trained, CELL)
    tables.write(Path("cell.parquet"), table)
    expected = stages.load_test_set("faces", 32).table
    assert table["sample"].tolist() == expected["sample"].repeat(2).tolist()
    assert table["epsilon"].tolist() == [0, 0.05] * len(expected)
    assert set(zip(table["dataset"], table["detector"], table["attack"], strict=True)) == {CELL}


def test_a_checkpoint_says_how_it_was_made(trained):
    _, metadata = checkpoints.read(checkpoint_path("faces", "small"))
    assert (metadata["architecture"], metadata["input_size"], metadata["seed"]) == ("resnet", 32, 0)
    assert metadata["dataset"] == "faces"
    assert metadata["data"] == {"kind": "folder", "seed": 0}  # without its source
    assert metadata["report"]["recipe"] == trained.detectors["small"].training.to_dict()
    assert metadata["temperature"] == metadata["report"]["temperature"]


def test_the_detector_that_is_evaluated_is_calibrated(trained):
    loaded = stages.load_detector(trained, "faces", "small")
    assert isinstance(loaded.detector, Calibrated)
    assert float(loaded.detector.temperature) == pytest.approx(loaded.metadata["temperature"])


def test_a_detector_is_measured_in_the_precision_that_its_entry_asks_for(trained):
    entry = dataclasses.replace(trained.detectors["small"], precision="double")
    in_double = with_images(trained, detectors={"small": entry})
    loaded = stages.load_detector(in_double, "faces", "small")
    assert {parameter.dtype for parameter in loaded.detector.parameters()} == {torch.float64}
    single, double = (stages.basis_of(study, "faces", "small") for study in (trained, in_double))
    assert single.detector != double.detector  # so no table of the one is taken for the other


def test_stages_that_run_again_leave_the_same_bytes(trained):
    manifest, checkpoint = dataset_folder("faces") / "manifest.csv", checkpoint_path("faces", "small")
    before = [path.read_bytes() for path in (manifest, checkpoint)]
    for path in (manifest, checkpoint):
        os.remove(path)
    stages.prepare_dataset(trained, "faces")
    stages.make_checkpoint(trained, "faces", "small")
    assert [path.read_bytes() for path in (manifest, checkpoint)] == before


def test_images_attacked_again_are_those_of_the_table(trained):
    table = stages.table_of(trained, CELL).query("epsilon == 0.05").iloc[[3, 1]]
    clean, attacked = stages.attack_again(trained, CELL, table["sample"].tolist(), 0.05)
    assert (attacked - clean).abs().flatten(1).amax(dim=1).tolist() == pytest.approx(table["linf"].tolist(), abs=1e-7)
    with torch.no_grad():
        p_fake = stages.load_detector(trained, "faces", "small").detector(attacked).softmax(dim=1)[:, 1]
    assert p_fake.tolist() == pytest.approx(table["p_attacked"].tolist(), abs=1e-5)


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "outside", "nan"])
def test_what_was_kept_of_a_look_and_is_damaged_is_made_again(trained, damage):
    table = stages.table_of(trained, CELL).query("epsilon == 0.05")["sample"].tolist()[:2]
    _, first = stages.attack_again(trained, CELL, table, 0.05)
    (kept,) = paths.measured_folder("faces", "small").glob("*.safetensors")
    whole = kept.read_bytes()
    if damage in ("cut", "empty"):
        kept.write_bytes(whole[:200] if damage == "cut" else b"")
    else:
        other = {"other": first[:1], "outside": (first + 0.2).clamp(0, 1), "nan": first * float("nan")}[damage]
        save_file({"attacked": other.contiguous()}, kept)
    assert torch.equal(stages.attack_again(trained, CELL, table, 0.05)[1], first)
    assert kept.read_bytes() == whole


def test_a_checkpoint_that_was_not_made_is_named(small_study):
    stages.prepare_dataset(small_study, "faces")
    message = "outputs/checkpoints/faces/small.safetensors is absent; make it with `dvc repro`"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        stages.table_of(small_study, CELL)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda study: stages.prepare_dataset(study, "other"),
            "data set other is not in params.yaml; choose from faces",
        ),
        (
            lambda study: stages.make_checkpoint(study, "other", "small"),
            "data set other is not in params.yaml; choose from faces",
        ),
        (
            lambda study: stages.make_checkpoint(study, "faces", "other"),
            "detector other is not in params.yaml; choose from small",
        ),
        (
            lambda study: stages.table_of(study, Cell("other", "small", "pgd")),
            "data set other is not in params.yaml; choose from faces",
        ),
        (
            lambda study: stages.table_of(study, Cell("faces", "other", "pgd")),
            "detector other is not in params.yaml; choose from small",
        ),
        (
            lambda study: stages.table_of(study, Cell("faces", "small", "other")),
            "attack other is not in params.yaml; choose from pgd, fgsm",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_are_known(small_study, run, message):
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        run(small_study)


def test_weights_with_another_hash_are_refused(small_study):
    Path("given.h5").write_bytes(b"not what was meant")
    found = hashlib.sha256(b"not what was meant").hexdigest()
    message = (
        f"params.yaml: detectors.published.sha256 is {'0' * 64}, but given.h5 has {found}; "
        "fetch the file again, or write that hash if the file is the one you mean"
    )
    study = with_weights(small_study, "meso4", 256, Path("given.h5"), sha256="0" * 64)
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        stages.make_checkpoint(study, "faces", "published")
    assert not Path("outputs").exists()


def test_weights_for_another_input_size_are_refused(small_study):
    checkpoints.save(Path("given.safetensors"), build("resnet", 64, 0), {"architecture": "resnet", "input_size": 64})
    message = "given.safetensors is for input_size 64, not 32; give that or another file"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        stages.make_checkpoint(with_weights(small_study, "resnet", 32, Path("given.safetensors")), "faces", "published")


def test_weights_keep_the_calibration_that_they_bring(small_study):
    network = build("resnet", 32, seed=3)
    metadata = {"architecture": "resnet", "input_size": 32, "temperature": 2.5}
    checkpoints.save(Path("given.safetensors"), network, metadata)
    study = with_weights(small_study, "resnet", 32, Path("given.safetensors"))
    stages.make_checkpoint(study, "faces", "published")
    loaded = stages.load_detector(study, "faces", "published")
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(loaded.detector(x), network.eval()(x) / 2.5)
    assert loaded.metadata["weights"] == "given.safetensors"


@pytest.fixture
def two_levels(small_study) -> Study:
    """A study of six real and six fake videos of three frames each, with its tables of frames."""
    for kind in ("real", "fake"):
        for number, path in enumerate(sorted(Path("images", kind).iterdir())[:6]):
            face = np.array(Image.open(path))
            folder = Path("talks", kind, f"person{number}", kind)
            folder.mkdir(parents=True)
            for frame in range(3):
                Image.fromarray(np.roll(face, frame, axis=1)).save(folder / f"{frame}.png")
    talks = Frames(source="talks", seed=0, frames=3)
    study = with_images(small_study, datasets={"talks": talks, **small_study.image.datasets})
    for dataset in study.image.datasets:
        stages.prepare_dataset(study, dataset)
        stages.make_checkpoint(study, dataset, "small")
    for dataset in study.image.datasets:
        stages.measure(study, dataset, "small")
    return study


def test_the_two_levels_of_a_data_set_of_frames_are_two_data_sets(two_levels):
    assert stages.write_results(two_levels) == ["outputs/results/image.parquet: 6 tables"]
    everything = stages.read_results(two_levels)["image"]
    assert everything["dataset"].drop_duplicates().tolist() == ["talks", "talks-videos", "faces"]
    frames = tables.read(table_path(Cell("talks", "small", "pgd")))
    found = everything.query("dataset == 'talks-videos' and attack == 'pgd'")
    assert len(frames) == 3 * len(found) > 0
    mean = frames.groupby([frames["sample"].str.rsplit("/", n=1).str[0], "epsilon"])["p_attacked"].mean()
    assert found["p_attacked"].tolist() == pytest.approx(
        mean[list(zip(found["sample"], found["epsilon"], strict=True))].tolist()
    )


def test_results_written_again_have_the_same_bytes_and_hold_nothing_of_what_lies_beside(two_levels):
    stages.write_results(two_levels)
    path = paths.results_path("image")
    before = path.read_bytes()
    stale = table_path(Cell("walks", "small", "pgd"))
    stale.parent.mkdir(parents=True)
    shutil.copy(table_path(Cell("talks", "small", "pgd")), stale)
    stages.write_results(two_levels)
    assert path.read_bytes() == before
    assert stages.tidy(two_levels) == [Path("outputs/tables/walks")]
    assert not stale.exists()


def test_published_mesonet_weights_give_their_published_answers(real, small_study):
    listed = ["path,label,split,group"]
    for label, name in enumerate(("real", "fake")):
        listed += [
            f"{name}/{path.name},{label},test,{path.stem}" for path in sorted((real / "mesonet" / name).iterdir())
        ]
    source = Path("mesonet")
    source.mkdir()
    for name in ("real", "fake"):
        (source / name).symlink_to(real / "mesonet" / name)
    (source / "manifest.csv").write_text("\n".join(listed) + "\n")

    weights = real / "mesonet" / "weights" / "Meso4_DF.h5"
    sha256 = "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5"
    study = with_images(
        with_weights(small_study, "meso4", 256, weights, sha256),
        datasets={"mesonet": Folder(source="mesonet", seed=0)},
    )
    stages.prepare_dataset(study, "mesonet")
    stages.make_checkpoint(study, "mesonet", "published")
    table = stages.table_of(study, Cell("mesonet", "published", "fgsm"))
    clean = table.query("epsilon == 0").sort_values(["label", "sample"])
    assert clean["label"].tolist() == [0, 0, 1, 1]
    assert sorted(1 - clean["p_clean"][clean["label"] == 0]) == pytest.approx([0.990, 0.997], abs=0.005)
    assert sorted(1 - clean["p_clean"][clean["label"] == 1]) == pytest.approx([0.020, 0.052], abs=0.005)
    attacked = table.query("epsilon > 0").sort_values(["label", "sample"])
    assert (attacked["p_attacked"].to_numpy() > clean["p_clean"].to_numpy()).tolist() == [True, True, False, False]


def test_a_probe_depends_on_the_seed_and_on_no_batch_size(trained):
    path = paths.probe_path("faces", "small")
    written = []
    for study in (trained, dataclasses.replace(trained, batch_size=1), dataclasses.replace(trained, seed=1)):
        stages.make_probe(study, "faces", "small")
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]


def test_a_probe_is_of_whole_groups_of_test_samples_at_the_highlight(trained):
    stages.make_probe(trained, "faces", "small")
    table = stages.read_probe("faces", "small")
    test = stages.load_test_set("faces", 32).table
    assert set(table["sample"]) == set(test["sample"])  # fewer than are asked for
    assert table.attrs["epsilon"] == trained.highlight.epsilon
    assert list(stages.read_probes(trained)) == [("faces", "small")]


def test_attacks_are_told_apart_by_what_they_are_and_not_by_their_names():
    names = {"a": "noise", "b": "fgsm", "c": "pgd", "d": "shift", "e": "cw_l2", "f": "square"}
    rules = {name: attacks.rule(kind) for name, kind in names.items()} | {"g": attacks.rule("pgd", steps=1)}
    assert stages.attack_kinds(rules) == {"noise": ["a"], "one_step": ["b", "g"], "iterated": ["c", "d", "e"]}
    renamed = {name.upper(): rule for name, rule in reversed(rules.items())}
    assert stages.attacks_digest(renamed) == stages.attacks_digest(rules)
    assert stages.attacks_digest(rules | {"h": attacks.rule("pgd", steps=2)}) != stages.attacks_digest(rules)
