"""What `check` says of a detector of one's own before anything is trained."""

import sys
from pathlib import Path

import pytest
import yaml
from small import FEW

from rrlib.__main__ import main

MODULE = """
import sys
import torch

class Net(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
    def forward(self, x):
        logits = self.linear(x.mean(dim=(2, 3)))
        return (logits, logits) if self.training else logits

def frozen(size):
    return Net(size).requires_grad_(False)

def ends(size):
    sys.exit("no licence found")

class Late(Net):
    def forward(self, x):
        sys.exit()
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """check(factory): what `python -m rrlib check` says of a study that trains what a factory of `theirs` makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    Path("theirs.py").write_text(MODULE)
    Path("rrlib/datasets/synthetic").mkdir(parents=True)

    def run(factory: str) -> str:
        entry = {"architecture": f"python:theirs:{factory}", "input_size": 16, "training": {"epochs": 1}}
        Path("params.yaml").write_text(yaml.safe_dump(FEW | {"detectors": {"mine": entry}}))
        assert main(["check"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_another_output_in_train_mode_is_told_before_training(check):
    assert check("Net").startswith("error: in train mode mine returned a tuple; a detector returns a tensor of shape ")


def test_weights_that_are_all_frozen_are_told_before_training(check):
    assert check("frozen").startswith(
        "error: mine has nothing to train: all weights are frozen (requires_grad is False);"
    )


@pytest.mark.parametrize("factory", ["ends", "Late"])
def test_a_module_that_ends_the_process_is_named_and_is_no_good_end(check, factory):
    """sys.exit() without a word has exit code 0: make would go on as if all had been checked."""
    code = {"ends": "'no licence found'", "Late": "None"}[factory]
    call = {"ends": 'sys.exit("no licence found")', "Late": "sys.exit()"}[factory]
    line = 1 + next(number for number, text in enumerate(MODULE.split("\n")) if call in text)
    said = f"error: theirs.py, line {line}, ended the process with sys.exit({code}); let it raise an error instead, "
    assert check(factory).startswith(said)


def test_one_that_ends_the_process_as_it_is_imported_too(check):
    Path("theirs.py").write_text("raise SystemExit")
    assert check("Net").startswith("error: theirs.py, line 1, ended the process with sys.exit(None); ")
