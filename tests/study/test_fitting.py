"""A batch that is too large for the memory is halved until it fits, and the tables are the same."""

import pytest
import torch

from rrlib import detectors
from rrlib.attacks import rule
from rrlib.errors import InputError
from rrlib.evaluation import Basis, labelled, store
from rrlib.study.fitting import halving, ran_out


class Greedy(torch.nn.Module):
    """A detector that asks torch for a petabyte when it is given more than so many samples."""

    def __init__(self, most: int):
        super().__init__()
        self.inner = detectors.build("meso4", 32, seed=0)
        self.most = most

    def forward(self, x):
        if len(x) > self.most:
            torch.empty(2**50, dtype=torch.uint8)
        return self.inner(x)


def tables(tmp_path, detector, batch_size):
    generator = torch.Generator().manual_seed(0)
    data = labelled((torch.rand(12, 3, 32, 32, generator=generator), torch.arange(12) % 2))

    def measured(size):
        basis = Basis("samples", "detector", "linf", 0, fold=False, compiled=False, code="code")
        where = {"folder": tmp_path / "measured", "unfinished": tmp_path / "unfinished"}
        return store.measure(detector, data, {"pgd": rule("pgd", steps=2)}, [0, 0.01], basis, **where, batch_size=size)

    return halving(measured, batch_size, "drawn/greedy")["pgd"]


def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same_table(tmp_path, capsys):
    fits = tables(tmp_path / "fits", Greedy(1000), 3)
    capsys.readouterr()
    halved = tables(tmp_path / "halved", Greedy(3), 12)
    said = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert said == [f"drawn/greedy: out of memory; again with {size} sample(s) at a time" for size in (6, 3)]
    assert halved.equals(fits)


def test_one_sample_that_does_not_fit_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="drawn/greedy: one sample at a time takes more memory than there is"):
        tables(tmp_path, Greedy(0), 2)


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("MPS backend out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("expected 3 channels"), False),
    ],
)
def test_only_what_says_that_memory_ran_out_is_tried_again(error, known):
    assert ran_out(error) is known
