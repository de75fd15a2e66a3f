"""Facts about samples and work, before anything runs and against what runs."""

from pathlib import Path

import pytest
import torch
from torch import nn

from rrlib.attacks import rule
from rrlib.datasets import catalogue
from rrlib.detectors.catalogue import build
from rrlib.evaluation import evaluate, training
from rrlib.evaluation.adversarial import Madry, Trades
from rrlib.evaluation.training import Recipe
from rrlib.plan import work
from rrlib.plan.work import Calls, Samples
from rrlib.study import load
from rrlib.study.paths import dataset_folder

PLACED = 2  # the first sample is shown to the detector twice, to see how it may be laid out; no plan counts it


class Counting(nn.Module):
    """A detector that counts samples: those it was asked for with a gradient, and those without."""

    def __init__(self, detector: nn.Module, counts: dict):
        super().__init__()
        self.detector, self.counts = detector, counts

    def __deepcopy__(self, memo):
        return Counting(self.detector, self.counts)

    def forward(self, x):
        self.counts["gradients" if x.requires_grad else "weights" if torch.is_grad_enabled() else "forwards"] += len(x)
        return self.detector(x)


ATTACKS = {
    "noise": rule("noise"),
    "fgsm": rule("fgsm"),
    "pgd": rule("pgd"),
    "restarts": rule("pgd", restarts=2),
    "one_batch": rule("pgd", restarts=2, one_batch=True),
    "cw": rule("cw"),
    "from_clean": rule("cw", random_start=False),
    "shift": rule("shift"),
    "shift_one_batch": rule("shift", one_batch=True),
}


def counted(in_memory, count: int, rules: dict, epsilons: list[float]) -> Calls:
    """How often a detector was really called for so many samples."""
    counts = dict.fromkeys(("gradients", "weights", "forwards"), 0)
    detector = Counting(build("resnet", 32, seed=0).eval(), counts)
    pixels = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    evaluate(
        detector, in_memory(pixels, [0, 1, 0, 1, 0][:count]), rules, epsilons, batch_size=2, fold=False, tried=True
    )
    return Calls(counts["gradients"], counts["forwards"])


@pytest.mark.parametrize("names", [*([name] for name in ATTACKS), ["fgsm", "pgd", "cw"], list(ATTACKS)], ids=str)
def test_measuring_costs_what_the_plan_says(in_memory, names):
    """Of five samples instead of two; the few looks before the first batch, at its layout, are no part of a plan."""
    rules = {name: ATTACKS[name] for name in names}
    two, five = (counted(in_memory, count, rules, [0, 0.01, 0.1]) for count in (2, 5))
    calls = work.calls_of_attacks(rules.values(), (0, 0.01, 0.1), fold=False)
    assert (five.gradients, two.gradients) == (5 * calls.gradients, 2 * calls.gradients)
    assert five.forwards - two.forwards == 3 * calls.forwards


def test_clean_rows_cost_one_forward(in_memory):
    rules = {"fgsm": ATTACKS["fgsm"]}
    two, five = (counted(in_memory, count, rules, [0]) for count in (2, 5))
    assert work.calls_of_attacks(rules.values(), [0], fold=False) == Calls(0, 1)
    assert (five.gradients, five.forwards - two.forwards) == (0, 3)


@pytest.mark.parametrize("adversarial", [None, Madry(0.01, 2), Trades(0.01, 2, beta=1), Trades(0.01, 2, beta=0)])
def test_training_costs_what_the_plan_says(separable, adversarial):
    recipe = Recipe(epochs=2, batch_size=4, adversarial=adversarial)
    counts = dict.fromkeys(("gradients", "weights", "forwards"), 0)
    training.train(Counting(build("resnet", 32, seed=0), counts), separable(8), separable(4), recipe, seed=0)
    calls = work.calls_of_training(recipe, Samples(8, 4, 0, ""))
    tried = 2  # samples that the detector sees in train mode before the first step
    assert calls.gradients == work.TRAINING_STEP * (counts["weights"] - tried) + counts["gradients"]
    # after the last epoch the validation set is looked at once more, for the temperature
    forwards = counts["forwards"] - PLACED
    assert forwards - 4 <= calls.forwards <= forwards


def test_an_attack_that_cannot_say_is_not_guessed():
    assert work.calls_of_attacks([rule("fgsm"), rule("torchattacks:PGD")], (0, 0.1), fold=True) is None


def test_samples_of_an_absent_data_set_are_those_that_were_published(write):
    found = work.samples_of(load(write()), "faces")
    assert (found.train, found.validation, found.test, found.exact) == (288, 72, 40, False)
    assert found.origin == "published: 100 real, 300 fake"
    assert work.samples_of(load(write()), "other") is None
    assert work.samples_of(load(write()), "talks") is None


def test_samples_of_a_prepared_data_set_are_those_that_it_has(write, some_faces):
    entry = {"kind": "folder", "source": "own", "seed": 0}
    study = load(write(datasets={"faces": entry}))
    counted = work.samples_of(study, "faces")
    assert (counted.train, counted.validation, counted.test) == (10, 2, 4)
    catalogue.prepare("faces", entry, dataset_folder("faces"))
    prepared = work.samples_of(study, "faces")
    assert prepared.exact
    splits = [len(catalogue.load(dataset_folder("faces"), split, 8)) for split in ("train", "validation", "test")]
    assert [prepared.train, prepared.validation, prepared.test] == splits


def test_samples_of_a_folder_that_is_not_linked_yet_are_counted_there(write, some_faces):
    study = load(write(sources={"faces": {}, "other": {"folder": "own"}, "weights": {}, "model": {}}))
    assert work.samples_of(study, "other") == Samples(10, 2, 4, "files there, dealt out")


def test_samples_that_are_drawn_or_listed_are_known_exactly(write, repository):
    drawn = {"kind": "synthetic", "seed": 0, "size": 32, "strength": 0.5, "images": {"train": 8, "test": 4}}
    Path("list.csv").write_text("path,label,split\na.png,0,test\nb.png,1,test\nc.png,0,train\n")
    listed = {"kind": "folder", "source": "list.csv", "seed": 0}
    study = load(write(datasets={"drawn": drawn, "listed": listed}))
    assert work.samples_of(study, "drawn") == Samples(8, 0, 4, "drawn", exact=True)
    assert work.samples_of(study, "listed") == Samples(1, 0, 2, "listed", exact=True)


def test_a_clip_is_a_video_or_a_folder_of_frames(write):
    for name in ("real/a", "fake/b"):
        Path("talks", name).mkdir(parents=True)
        for number in range(4):
            Path("talks", name, f"{number}.png").touch()
    Path("talks/real/c.mp4").touch()
    assert work._counted(Path("talks"), 1, videos=True) == Samples(2, 0, 1, "files there, dealt out")
    assert work._counted(Path("talks"), 1, videos=False).train == round(8 * 0.6)


def test_work_adds_and_multiplies():
    assert (Calls(1, 2) + Calls(3, 4, at_most=True)).times(2) == Calls(8, 12, at_most=True)
