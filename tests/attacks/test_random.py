"""Random numbers belong to a sample."""

import torch
from scipy import stats

from rrlib.attacks import random
from rrlib.attacks.random import _GOLDEN, _mix, uniform


def test_a_sample_has_the_same_numbers_in_any_batch():
    together = uniform((5, 3, 8, 8), seed=3, samples=torch.arange(5))
    alone = torch.cat([uniform((1, 3, 8, 8), seed=3, samples=torch.tensor([i])) for i in range(5)])
    assert torch.equal(together, alone)


def test_numbers_computed_piece_by_piece_are_the_same(monkeypatch):
    whole = uniform((3, 3, 8, 8), seed=3, samples=torch.arange(3))
    monkeypatch.setattr(random, "AT_ONCE", 21)
    assert torch.equal(uniform((3, 3, 8, 8), seed=3, samples=torch.arange(3)), whole)


def test_numbers_are_uniform_on_minus_one_to_one():
    numbers = uniform((50, 2000), seed=0, samples=torch.arange(50)).flatten().double()
    assert numbers.min() >= -1
    assert numbers.max() < 1
    assert stats.kstest(numbers.numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_neighbouring_samples_and_seeds_are_uncorrelated():
    samples = uniform((200, 1000), seed=0, samples=torch.arange(200)).double()
    seeds = torch.cat([uniform((1, 1000), seed=s, samples=torch.tensor([0])) for s in range(200)]).double()
    for numbers in (samples, seeds):
        off_diagonal = torch.corrcoef(numbers)[~torch.eye(200, dtype=torch.bool)]
        assert off_diagonal.abs().max() < 6 / 1000**0.5


def test_a_restart_takes_up_the_numbers_of_a_sample_where_the_last_one_left_them():
    samples = torch.tensor([4, 9])
    restarts = [uniform((2, 3, 8, 8), seed=3, samples=samples, restart=restart).flatten(1) for restart in range(3)]
    assert torch.equal(torch.cat(restarts, dim=1), uniform((2, 3 * 3 * 8 * 8), seed=3, samples=samples))


def test_splitmix64_gives_its_published_first_outputs():
    # the first number of the sequence with seed 0, as in Java's SplittableRandom
    first = int(_mix(torch.tensor(_GOLDEN))) % 2**64
    assert first == 0xE220A8397B1DCDAF
