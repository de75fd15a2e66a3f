"""What is measured once: pieces by key, gradients counted where they are computed."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from torch import nn

from rrlib.attacks import rule
from rrlib.errors import InputError
from rrlib.evaluation import Basis, code, store, tables

COUNTS = {"gradients": 0, "samples": 0}
EPSILONS = [0, 0.05, 0.1]


class _Count(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        COUNTS["samples"] += len(x)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        COUNTS["gradients"] += len(gradient)
        return gradient


class Counting(nn.Module):
    """P(fake) grows with the mean pixel; forward and backward passes are counted, sample by sample."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(8.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.slope * (_Count.apply(x).flatten(1).mean(dim=1) - 0.5)
        return torch.stack([torch.zeros_like(z), z], dim=1)


@pytest.fixture
def measure(tmp_path, separable):
    """measure(rules, epsilons, **basis): the tables, and how many gradients and forwards of a sample they took."""
    dataset = separable(6)
    basis = Basis(samples="s", detector="d", distance="linf", seed=0, fold=False, compiled=False)

    def run(rules: dict, epsilons: list[float] = EPSILONS, **changes: object):
        COUNTS.update(gradients=0, samples=0)
        changed = dataclasses.replace(basis, **changes)
        found = store.measure(
            Counting(), dataset, rules, epsilons, changed, tmp_path / "measured", tmp_path / "unfinished",
            batch_size=4, dataset_name="drawn", detector_name="counting",
        )  # fmt: skip
        return found, COUNTS["gradients"] / 6, COUNTS["samples"] / 6

    return run


PGD = {"pgd": rule("pgd", steps=5)}


def test_what_was_measured_is_not_measured_again(measure):
    first, gradients, _ = measure(PGD)
    assert gradients == 10  # five steps at two epsilons
    again, gradients, forwards = measure(PGD)
    assert (gradients, forwards) == (0, 0)
    pd.testing.assert_frame_equal(first["pgd"], again["pgd"])


def test_a_new_epsilon_costs_that_epsilon(measure):
    measure(PGD)
    more, gradients, _ = measure(PGD, [0, 0.02, 0.05, 0.1])
    assert gradients == 5
    whole, *_ = measure(PGD, [0, 0.02, 0.05, 0.1], code="as if the code were another")
    pd.testing.assert_frame_equal(more["pgd"], whole["pgd"])


def test_a_new_attack_costs_that_attack_and_one_less_costs_nothing(measure):
    measure(PGD)
    rules = {**PGD, "longer": rule("pgd", steps=7)}
    assert measure(rules)[1] == 14
    assert measure({"longer": rules["longer"]}, [0, 0.1])[1] == 0


def test_another_name_costs_nothing_and_stands_in_the_table(measure):
    measure(PGD)
    found, gradients, _ = measure({"madry": PGD["pgd"]})
    assert gradients == 0
    assert set(found["madry"]["attack"]) == {"madry"}


@pytest.mark.parametrize(
    "changes",
    [{"samples": "t"}, {"detector": "e"}, {"distance": "tv"}, {"seed": 1}, {"fold": True}, {"code": "other"}],
)
def test_another_basis_is_measured(measure, changes):
    measure(PGD)
    assert measure(PGD, **changes)[1] == 10


def test_a_damaged_piece_is_measured_again_and_said(measure, tmp_path, capsys):
    before, *_ = measure(PGD)
    key = json.loads(before["pgd"].attrs["keys"])["0.05"]
    (tmp_path / "measured" / f"{key}.parquet").write_bytes(b"")
    after, gradients, _ = measure(PGD)
    assert gradients == 5
    assert f"{key}.parquet is not a whole result table" in capsys.readouterr().err
    pd.testing.assert_frame_equal(before["pgd"], after["pgd"])


def test_a_table_tells_what_it_is_of(measure, tmp_path):
    found, *_ = measure(PGD)
    tables.write(tmp_path / "pgd.parquet", found["pgd"])
    read = tables.read(tmp_path / "pgd.parquet")
    basis = Basis(samples="s", detector="d", distance="linf", seed=0, fold=False, compiled=False)
    assert store.is_of(read, basis, PGD["pgd"], EPSILONS)
    assert not store.is_of(read, basis, PGD["pgd"], EPSILONS[:2])
    assert not store.is_of(read, dataclasses.replace(basis, seed=1), PGD["pgd"], EPSILONS)


def test_a_table_from_elsewhere_is_adopted_and_not_measured_again(measure, tmp_path):
    found, *_ = measure(PGD)
    tables.write(tmp_path / "pgd.parquet", found["pgd"])
    for path in (tmp_path / "measured").glob("*.parquet"):
        path.unlink()
    store.adopt(tmp_path / "pgd.parquet", tmp_path / "measured")
    again, gradients, _ = measure(PGD)
    assert gradients == 0
    pd.testing.assert_frame_equal(found["pgd"], again["pgd"])


@pytest.mark.parametrize("keys", ['{"0.1": "../beside"}', '{"x": "a"}', "[]", "{", '{"0.1": 3}', '{"0.1": null}'])
def test_keys_that_are_none_become_no_files(measure, tmp_path, keys):
    found, *_ = measure(PGD)
    found["pgd"].attrs["keys"] = keys
    tables.write(tmp_path / "pgd.parquet", found["pgd"])
    with pytest.raises(InputError, match=r"pgd\.parquet .*; evaluate the cell again$"):
        store.adopt(tmp_path / "pgd.parquet", tmp_path / "adopted" / "here")
    assert not (tmp_path / "adopted").exists()


def test_a_piece_that_is_not_there_is_named(tmp_path):
    basis = Basis(samples="s", detector="d", distance="linf", seed=0, fold=False, compiled=False)
    with pytest.raises(InputError, match=r"measured has nothing of pgd at ε = 0\.1; measure it with `dvc repro`$"):
        store.table(PGD["pgd"], "pgd", [0.1], basis, tmp_path / "measured", {})


def test_words_about_the_code_change_no_key_and_statements_do(tmp_path):
    plain = "def f(x):\n    return x + 1\n"
    worded = '"""A module."""\n\n\ndef f(x):\n    """Adds one."""\n    return x + 1  # one\n'
    assert code.statements(plain) == code.statements(worded)
    assert code.statements(plain) != code.statements(plain.replace("1", "2"))
    assert code.statements("x = '# no comment'") == "x = '# no comment'"
