"""Facts about what costs nothing any more: what was measured, and checkpoints that are given or made."""

import shutil
from pathlib import Path

import pytest

from rrlib import study
from rrlib.evaluation import Cell
from rrlib.plan import costs, done, timing, work
from rrlib.plan.make import make
from rrlib.plan.text import lines
from rrlib.study import paths

SMALL = {
    "kind": "synthetic",
    "seed": 0,
    "size": 32,
    "strength": 0.5,
    "images": {"train": 4, "validation": 2, "test": 4},
}
NOTHING = {"datasets": {}, "detectors": {}, "attacks": {}}
TRAINED = {"architecture": "resnet", "input_size": 32, "training": {"epochs": 1, "batch_size": 2}}
ATTACKS = {"fgsm": {"rule": "fgsm"}, "pgd": {"rule": "pgd", "steps": 2}}
ONE = timing.Timing(1, 1, 1, 1)


@pytest.fixture
def small(write):
    """small(**changes): the study of one drawn data set and one detector that is trained, with other keys."""

    def load(**changes: object) -> study.Study:
        keys = {
            "sources": {},
            "datasets": {"drawn": SMALL},
            "detectors": {"net": TRAINED},
            "attacks": ATTACKS,
            "video": NOTHING,
            "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "fgsm"},
        }
        return study.load(write(**keys | changes))

    return load


def run(found: study.Study) -> None:
    study.prepare_dataset(found, "drawn")
    study.make_checkpoint(found, "drawn", "net")
    study.measure(found, "drawn", "net")


def calls(found: study.Study) -> tuple[work.Calls | None, work.Calls | None]:
    """Of the checkpoint, and of the tables."""
    samples = work.samples_of(found, "drawn")
    return (
        costs.of_training(found, "drawn", "net", samples, ONE).calls,
        costs.of_measuring(found, "drawn", "net", samples, ONE).calls,
    )


def test_what_was_measured_costs_nothing_and_a_new_epsilon_or_attack_itself_alone(small):
    before = small()
    assert done.lacking(before, "drawn", "net") == {("fgsm", "pgd"): [0, 0.01, 0.1]}
    training, measuring = calls(before)
    assert training.gradients > 0
    assert measuring == work.calls_of_attacks(before.image.attacks.values(), (0, 0.01, 0.1), fold=True).times(4)
    run(before)
    assert calls(small()) == (work.NONE, work.NONE)
    (text,) = [line for line in lines(make(Path("mine.yaml"))) if line.startswith("  net ")]
    assert text.split()[-1] == "done"

    epsilon = small(epsilons=[0, 0.01, 0.05, 0.1])
    assert done.lacking(epsilon, "drawn", "net") == {("fgsm", "pgd"): [0.05]}
    assert calls(epsilon)[1] == work.calls_of_attacks(epsilon.image.attacks.values(), [0.05], fold=True).times(4)
    attack = small(attacks=ATTACKS | {"noise": {"rule": "noise"}, "again": {"rule": "fgsm"}})
    assert done.lacking(attack, "drawn", "net") == {("noise",): [0.01, 0.1]}
    assert done.lacking(small(distance="tv"), "drawn", "net") == {("fgsm", "pgd"): [0, 0.01, 0.1]}
    assert done.lacking(small(seed=7), "drawn", "net") == {("fgsm", "pgd"): [0, 0.01, 0.1]}


def test_what_a_plan_leaves_out_is_what_a_run_leaves_out(small, capsys):
    """A second run with one more ε measures just what the plan counted."""
    run(small())
    grown = small(epsilons=[0, 0.01, 0.05, 0.1])
    (epsilons,) = done.lacking(grown, "drawn", "net").values()
    pieces = set(paths.measured_folder("drawn", "net").glob("*.parquet"))
    study.measure(grown, "drawn", "net")
    added = set(paths.measured_folder("drawn", "net").glob("*.parquet")) - pieces
    assert len(added) == len(epsilons) * len(ATTACKS)


def test_tables_that_came_from_elsewhere_count_too(small):
    run(small())
    shutil.rmtree(paths.measured_folder("drawn", "net"))
    assert calls(small()) == (work.NONE, work.NONE)
    paths.table_path(Cell("drawn", "net", "pgd")).write_bytes(b"PAR1 damaged PAR1")
    assert done.lacking(small(), "drawn", "net") == {("pgd",): [0.01, 0.1]}


def test_a_checkpoint_of_another_recipe_has_to_be_made_again_and_all_measured(small):
    run(small())
    longer = small(detectors={"net": TRAINED | {"training": {"epochs": 2, "batch_size": 2}}})
    training, measuring = calls(longer)
    assert training == work.calls_of_training(longer.detectors["net"].training, work.samples_of(longer, "drawn"))
    assert measuring.gradients > 0


def test_a_given_checkpoint_costs_no_training_unless_it_is_asked_for_or_another(small):
    found = small()
    study.prepare_dataset(found, "drawn")
    study.make_checkpoint(found, "drawn", "net")
    given = paths.given_path("drawn", "net")
    given.parent.mkdir(parents=True)
    shutil.copy(paths.checkpoint_path("drawn", "net"), given)
    for there in (True, False):
        if not there:
            paths.checkpoint_path("drawn", "net").unlink()
        assert not study.trains(small(), "drawn", "net")
        assert study.trains(small(retrain=True), "drawn", "net")
        assert study.trains(small(detectors={"net": TRAINED | {"seed": 1}}), "drawn", "net")
    assert calls(small())[0] == work.NONE
