"""Weights that number their classes otherwise: the option `labels`, and a warning where it was forgotten."""

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from brightness import dark_and_bright
from PIL import Image
from small import FEW
from torch import nn

from rrlib import study as stages
from rrlib.__main__ import main
from rrlib.detectors import build, checkpoints
from rrlib.errors import InputError
from rrlib.evaluation import Cell, tables
from rrlib.report import swapped
from rrlib.study import paths

FAKE_FIRST = ["fake", "real"]


def bright_is_fake() -> nn.Module:
    """A small network whose P(fake) grows with the brightness of the picture."""
    net = build("resnet", 32, seed=0).eval()
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    seen = []
    hook = last.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    grey = torch.linspace(0.2, 0.8, 20).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    with torch.no_grad():
        net(grey)
        hook.remove()
        features = seen[0] - seen[0].mean(dim=0)
        direction = features.T @ (grey[:, 0, 0, 0] - 0.5)
        last.weight.copy_(torch.stack([-direction, direction]) / direction.norm())
        last.bias.copy_(last.weight @ -seen[0].mean(dim=0))
    return net


@pytest.fixture
def repository(tmp_path, monkeypatch) -> dict:
    """Forty dark real and forty bright fake images, weights that tell them apart, and a study of both."""
    monkeypatch.chdir(tmp_path)
    dark_and_bright(40)
    checkpoints.save(Path("given.safetensors"), bright_is_fake(), {"architecture": "resnet", "input_size": 32})
    return FEW | {
        "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
        "detectors": {
            "published": {
                "architecture": "resnet",
                "input_size": 32,
                "weights": "given.safetensors",
                "sha256": hashlib.sha256(Path("given.safetensors").read_bytes()).hexdigest(),
            }
        },
        "epsilons": [0, 0.01],
        "attacks": {"pgd": {"rule": "noise"}},
        "video": {"datasets": {}, "detectors": {}, "attacks": {}},
    }


def study_of(given: dict, **changes: object) -> stages.Study:
    detectors = {"published": given["detectors"]["published"] | changes}
    Path("params.yaml").write_text(yaml.safe_dump(given | {"detectors": detectors}))
    return stages.load()


def p_clean(study: stages.Study) -> pd.Series:
    stages.make_checkpoint(study, "faces", "published")
    return stages.clean_table(study, "faces", "published").set_index("sample")["p_clean"]


def test_labels_turn_the_classes_of_weights_round(repository, capsys):
    study = study_of(repository)
    stages.prepare_dataset(study, "faces")
    before = p_clean(study)
    assert (before.filter(like="fake") > before.filter(like="real").max()).all()
    assert capsys.readouterr().err.count("labels may be swapped") == 0
    turned = study_of(repository, labels=FAKE_FIRST)
    assert not stages.has_checkpoint(turned, "faces", "published")
    assert p_clean(turned).to_numpy() == pytest.approx(1 - before.to_numpy(), abs=1e-6)
    assert stages.has_checkpoint(turned, "faces", "published")
    assert not stages.has_checkpoint(study, "faces", "published")


def test_swapped_labels_are_told_by_checkpoint_page_and_check(repository, capsys):
    study = study_of(repository, labels=FAKE_FIRST)
    stages.prepare_dataset(study, "faces")
    assert main(["checkpoint", "faces", "published"]) == 0
    said = capsys.readouterr().err
    assert re.search(
        r"^faces: published: labels may be swapped: the clean AUC of 12 samples is 0\.000, with an interval up to "
        r"0\.390, below ½; if the weights number their classes otherwise, write labels: \[fake, real\], or check which "
        r"label of the data set is which$",
        said,
        re.MULTILINE,
    )
    assert main(["measure", "faces", "published"]) == 0
    table = tables.read(paths.table_path(Cell("faces", "published", "pgd")))
    note = swapped.note(table, study.detectors["published"])
    assert note.startswith(
        "> **Warning.** Labels may be swapped: the clean AUC of 20 samples is 0.000, with an interval"
    )
    capsys.readouterr()
    assert main(["check"]) == 0
    assert "warning: faces: published: labels may be swapped: the clean AUC of 20 samples is" in capsys.readouterr().err
    right = table.assign(p_clean=1 - table["p_clean"])
    assert swapped.note(right, study.detectors["published"]) == ""


def test_a_coin_is_no_warning(repository, capsys):
    """Of data sets whose labels are drawn, at most one in forty would be told; of these six, none is."""
    study = study_of(repository)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        folder = Path(f"coin{seed}")
        folder.mkdir()
        for number in range(24):
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        rows = "".join(f"{number}.png,{number % 2},test\n" for number in range(24))
        (folder / "manifest.csv").write_text("path,label,split\n" + rows)
        given = dataclasses.replace(study.datasets["faces"], source=str(folder))
        coin = dataclasses.replace(study, image=dataclasses.replace(study.image, datasets={"faces": given}))
        stages.prepare_dataset(coin, "faces")
        stages.make_checkpoint(coin, "faces", "published")
    assert "swapped" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"labels": ["fake", "fake"]},
            "labels is ['fake', 'fake']; of given weights it is [real, fake] or [fake, real]",
        ),
        (
            {"labels": {"real": "REAL", "fake": "FAKE"}},
            "labels is {'fake': 'FAKE', 'real': 'REAL'}; of given weights it is [real, fake] or [fake, real]",
        ),
    ],
)
def test_an_order_that_is_none_is_refused(repository, change, message):
    with pytest.raises(InputError, match="^" + re.escape(f"params.yaml: detectors.published: {message}") + "$"):
        study_of(repository, **change)


def test_what_is_trained_here_has_no_order(repository):
    entry = {"architecture": "resnet", "input_size": 32, "training": {"epochs": 1}, "labels": FAKE_FIRST}
    Path("params.yaml").write_text(yaml.safe_dump(repository | {"detectors": {"own": entry}}))
    message = "params.yaml: detectors.own: labels is for given weights and for hub: alone; leave it out"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        stages.load()
