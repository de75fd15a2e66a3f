"""A detector from a module of one's own: what it may be, and the sentence for everything that it may not."""

import re
import sys
from pathlib import Path

import pytest
import torch

from rrlib import study as stages
from rrlib.detectors import catalogue, checkpoints
from rrlib.detectors.own import factory, make
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.study import paths

GOOD = '''
import torch
from torch import nn

class Linear(nn.Module):
    """Logits that are linear in the pixels, of images or of clips of three frames."""

    def __init__(self, inputs):
        super().__init__()
        self.dropout = nn.Dropout()
        self.classifier = nn.Linear(inputs, 2)

    def forward(self, x):
        return self.classifier(self.dropout(x.flatten(1) - 0.5))

def make(input_size):
    return Linear(3 * input_size**2)

def make_clip(input_size):
    return Linear(9 * input_size**2)

make_clip.modality = "video"
make_clip.frames = 3
'''


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write(text): the module mine.model of that text in the current directory."""
    monkeypatch.chdir(tmp_path)

    def to_file(text: str) -> None:
        Path("mine").mkdir(exist_ok=True)
        Path("mine/model.py").write_text(text)

    yield to_file
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def test_a_factory_of_the_current_directory_is_found_and_the_path_stays_as_it_was(write, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(Path.cwd()))])
    write(GOOD)
    before = list(sys.path)
    assert make("mine.model:make", 8)(torch.rand(2, 3, 8, 8)).shape == (2, 2)
    assert sys.path == before


def test_a_factory_of_an_installed_package_is_found():
    assert make("rrlib.detectors.resnet:ResNet", 32)(torch.rand(2, 3, 32, 32)).shape == (2, 2)


def test_modes_stay_as_the_factory_left_them(write):
    write(GOOD + "\ndef half(input_size):\n    made = make(input_size)\n    made.dropout.eval()\n    return made\n")
    detector = make("mine.model:half", 8)
    assert (detector.training, detector.dropout.training) == (True, False)


def test_weights_depend_on_the_seed_alone(write):
    write(GOOD)
    state = torch.random.get_rng_state()
    first, again, other = (catalogue.build("python:mine.model:make", 8, seed).classifier.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_numpy_and_python_draw_from_the_seed_too(write):
    write(
        GOOD
        + """
import random
import numpy as np

def drawn(input_size):
    made = make(input_size)
    made.classifier.bias.data = torch.tensor([np.random.rand(), random.random()], dtype=torch.float32)
    return made
"""
    )
    first, again, other = (catalogue.build("python:mine.model:drawn", 8, seed).classifier.bias for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).all()


def test_state_outside_the_checkpoint_is_found_before_anything_is_trained(write):
    write(
        GOOD
        + """
class Projected(Linear):
    def __init__(self, input_size):
        super().__init__(16)
        self.register_buffer("projection", torch.randn(3 * input_size**2, 16) / input_size, persistent=False)

    def forward(self, x):
        return self.classifier(torch.cos(x.flatten(1) @ self.projection))
"""
    )
    assert catalogue.try_architecture("python:mine.model:make", 8) == ()
    with pytest.raises(
        InputError, match=r"^python:mine\.model:Projected answers otherwise after a save and a load, by "
    ):
        catalogue.try_architecture("python:mine.model:Projected", 8)


def test_a_factory_says_its_modality(write):
    write(GOOD)
    assert catalogue.architecture("python:mine.model:make").modality == "image"
    assert catalogue.architecture("python:mine.model:make_clip").modality == "video"
    assert make("mine.model:make_clip", 8)(torch.rand(2, 3, 3, 8, 8)).shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.model", " names no factory; write python:PACKAGE.MODULE:FACTORY"),
        (":make", " names no factory; write python:PACKAGE.MODULE:FACTORY"),
        ("mine.modell:make", ": there is no module mine.modell in {here} or among the installed packages; correct"),
        ("yours.model:make", ": there is no module yours.model in {here} or among the installed packages; correct"),
        ("mine.model:mak", ": {here}/mine/model.py has no mak; define it there or correct the name"),
        ("mine.model:number", " is a int; name a function or class that takes input_size"),
        ("mine.model:sound", ": its attribute modality is 'sound'; set it to image or video"),
        ("mine.model:raises", " raised ZeroDivisionError (division by zero) for input_size 8; correct it"),
        ("mine.model:nothing", " returned a NoneType; return a torch.nn.Module"),
        ("mine.model:misfit", ": its detector raised RuntimeError ("),
        ("mine.model:one", ": its detector returned one logit per sample (shape (2, 1)) where two, [real, fake], are"),
        (
            "mine.model:three",
            ": its detector returned shape (2, 3); a detector returns (2, 2), the logits [real, fake]",
        ),
        (
            "mine.model:nan",
            ": its detector returned NaN or infinite logits for an ordinary picture of shape (2, 3, 8, 8); check",
        ),
    ],
)
def test_each_failure_is_one_sentence(write, name, message):
    write(
        GOOD
        + """
number = 3
def sound(input_size): return make(input_size)
sound.modality = "sound"
def raises(input_size): return 1 / 0
def nothing(input_size): return None
def misfit(input_size): return Linear(5)
def one(input_size): return nn.Sequential(nn.Flatten(), nn.Linear(3 * input_size**2, 1))
def three(input_size): return nn.Sequential(nn.Flatten(), nn.Linear(3 * input_size**2, 3))
def nan(input_size):
    made = make(input_size)
    nn.init.constant_(made.classifier.bias, float("nan"))
    return made
"""
    )
    with pytest.raises(InputError, match="^" + re.escape(f"python:{name}{message.format(here=Path.cwd())}")) as caught:
        make(name, 8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_package", "mine.model needs no_such_package, which is not installed; install it"),
        ("1 / 0", "mine.model raised ZeroDivisionError (division by zero) as it was imported; correct it"),
        ("def make(:", "mine.model raised SyntaxError ("),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(write, text, message):
    write(text)
    with pytest.raises(InputError, match="^" + re.escape(f"python:mine.model:make: {message}")):
        factory("mine.model:make")


@pytest.fixture
def study_with(study_of):
    """study_with(**entry): a study whose one detector is mine.model:make, at 24 px."""
    entry = {"architecture": "python:mine.model:make", "input_size": 24}
    return lambda **changes: study_of({"own": entry | changes})


@pytest.mark.parametrize("training", [None, {"epochs": 1, "batch_size": 4}])
def test_ones_own_detector_runs_the_whole_study_path(write, training, study_with):
    write(GOOD)
    found = study_with(**({"training": training} if training else {}))
    stages.prepare_dataset(found, "faces")
    stages.make_checkpoint(found, "faces", "own")
    table = stages.table_of(found, Cell("faces", "own", "pgd"))
    assert (table.query("epsilon > 0")["shift"] > 0).all()
    _, metadata = checkpoints.read(paths.checkpoint_path("faces", "own"))
    assert metadata["architecture"] == "python:mine.model:make"
    assert (metadata["report"] is None) == (training is None)


def test_a_checkpoint_is_refused_once_its_module_has_changed(write, study_with):
    write(GOOD)
    found = study_with()
    stages.check_inputs(found)  # no checkpoint yet
    stages.make_checkpoint(found, "faces", "own")
    stages.check_inputs(found)
    stages.load_detector(found, "faces", "own")
    write(GOOD.replace("x.flatten(1) - 0.5", "x.flatten(1)"))  # the weights would still fit
    message = (
        "the module of python:mine.model:make has changed since outputs/checkpoints/faces/own.safetensors was made; "
        "run `dvc repro --force --downstream checkpoint@faces-own`"
    )
    for act in (lambda: stages.check_inputs(found), lambda: stages.load_detector(found, "faces", "own")):
        with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
            act()


def test_a_checkpoint_of_another_architecture_is_left_to_dvc(write, study_with):
    write(GOOD)
    stages.make_checkpoint(study_with(), "faces", "own")
    write(GOOD + "\nother = make")
    del sys.modules["mine.model"]
    stages.check_inputs(study_with(architecture="python:mine.model:other"))


def test_the_frames_that_a_factory_needs_are_those_of_the_data_set(write, study_of):
    write(GOOD)
    message = (
        "params.yaml: video.detectors.own takes clips of 3 frames, but the data set moving has 4; write frames: 3 there"
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        study_of({}, {"own": {"architecture": "python:mine.model:make_clip", "input_size": 24}})


def test_a_clip_detector_belongs_to_video(write, study_with):
    write(GOOD)
    message = "params.yaml: detectors.own is for clips, but stands among what is for images; move it to video"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        study_with(architecture="python:mine.model:make_clip")


def test_a_module_that_is_absent_is_named_with_its_place(write, study_with):
    write(GOOD)
    message = f"params.yaml: detectors.own: python:mine.other:make: there is no module mine.other in {Path.cwd()} or"
    with pytest.raises(InputError, match="^" + re.escape(message)):
        study_with(architecture="python:mine.other:make")


def test_check_tries_what_others_have_written(write, study_with):
    write(GOOD + "\nclass Drawn(Linear):\n    def __init__(self, size):\n        super().__init__(3 * size**2)\n")
    stages.check_inputs(study_with(architecture="python:mine.model:Drawn"))
    write(
        GOOD
        + """
class Drawn(Linear):
    def __init__(self, size):
        super().__init__(3 * size**2)
        self.mask = torch.rand(size, size)

    def forward(self, x):
        return super().forward(x * self.mask)
"""
    )
    del sys.modules["mine.model"]
    message = "python:mine.model:Drawn answers otherwise after a save and a load, by "
    with pytest.raises(InputError, match="^" + re.escape(message)):
        stages.check_inputs(study_with(architecture="python:mine.model:Drawn"))
