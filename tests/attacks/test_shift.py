"""`shift` moves the probabilities as far as they go, in whichever direction that is."""

import math
import re

import pytest
import torch
from torch import nn

from rrlib.attacks import rule, sweep
from rrlib.attacks.shift import log_shift
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError


class Linear(nn.Module):
    """z_fake − z_real = scale · (w · (x − ½)) + bias, float64: where every corner of the ball is known."""

    def __init__(self, scale: float = 1.0, bias: float = 0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(3 * 8 * 8, generator=generator, dtype=torch.float64) / 10
        self.scale, self.bias = scale, bias

    def forward(self, x):
        z = self.scale * ((x.flatten(1) - 0.5) @ self.weight) + self.bias
        return torch.stack([torch.zeros_like(z), z], dim=1)


def batch(n=12, size=8):
    x = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[0], x[1], x[2, :, :3] = 0, 1, 0
    return x, torch.arange(n) % 2


def fake(detector, x):
    with torch.no_grad():
        return detector.eval()(x).softmax(1)[:, 1]


def shifts(detector, x, images):
    return (fake(detector, images) - fake(detector, x)).abs()


def corners(detector, x, epsilon):
    """The images with the largest and the smallest z_fake − z_real."""
    direction = detector.weight.sign().view(1, 3, 8, 8)
    return [(x + sign * epsilon * direction).clamp(0, 1) for sign in (1, -1)]


SCHEDULE = pytest.mark.parametrize("schedule", ["fixed", "apgd"])


@SCHEDULE
@pytest.mark.parametrize("bias", [-2.0, 0.0, 3.0])
def test_on_a_linear_detector_the_shift_is_that_of_the_better_corner(bias, schedule):
    detector, (x, labels) = Linear(bias=bias), batch()
    for attacked in sweep(rule("shift", schedule=schedule), detector, x, labels, [0.01, 0.05, 0.2]):
        best = torch.maximum(*(shifts(detector, x, corner) for corner in corners(detector, x, attacked.epsilon)))
        assert torch.allclose(shifts(detector, x, attacked.images), best, rtol=0, atol=1e-12)


@pytest.mark.parametrize("other", ["noise", "fgsm", "pgd", "cw"])
@pytest.mark.parametrize("architecture", ["linear", "resnet"])
def test_no_attack_on_the_same_way_shifts_a_sample_further(architecture, other):
    detector, size = (Linear(), 8) if architecture == "linear" else (build("resnet", 32, seed=0).double(), 32)
    x, labels = batch(size=size)
    epsilons = [0.01, 0.05, 0.2]
    for ours, theirs in zip(
        sweep("shift", detector, x, labels, epsilons, seed=3),
        sweep(other, detector, x, labels, epsilons, seed=3),
        strict=True,
    ):
        assert (shifts(detector, x, ours.images) >= shifts(detector, x, theirs.images)).all()


@pytest.mark.parametrize("other", ["noise", "fgsm"])
def test_with_adaptive_steps_the_start_and_the_single_steps_count_as_well(other):
    detector, (x, labels) = build("resnet", 32, seed=0).double(), batch(size=32)
    ours = sweep(rule("shift", schedule="apgd"), detector, x, labels, [0.01, 0.05, 0.2], seed=3)
    for each, theirs in zip(ours, sweep(other, detector, x, labels, [0.01, 0.05, 0.2], seed=3), strict=True):
        assert (shifts(detector, x, each.images) >= shifts(detector, x, theirs.images)).all()


def test_a_random_start_that_shifts_more_than_what_follows_is_kept():
    x, labels = batch()
    (noise,) = sweep("noise", Linear(), x, labels, [0.2])

    class Peak(nn.Module):
        """Sure of fake near the random start, and nowhere else."""

        def forward(self, images):
            z = 10 * torch.exp(-1000 * (images - noise.images - 1e-3).flatten(1).square().mean(1))
            return torch.stack([-z, z], dim=1)

    (attacked,) = sweep(rule("shift", steps=1), Peak(), x, labels, [0.2])
    assert torch.equal(attacked.images, noise.images)


def test_one_large_step_counts_where_it_beats_many_small_ones():
    x, labels = batch()
    direction = Linear().weight.sign().view(1, 3, 8, 8)

    class Well(nn.Module):
        """Fake in the corner that the gradient at x points to, with a slope that leads back from all in between."""

        def forward(self, images):
            far = ((images - x) * direction).flatten(1).mean(1) / 0.2
            z = torch.where(far > 0.9, 10 + 0 * far, torch.where(far > 0, -far, far))
            return torch.stack([-z, z], dim=1)

    x = x.clamp(0.3, 0.7)
    options = {"steps": 10, "random_start": False}
    (fgsm,) = sweep("fgsm", Well(), x, torch.zeros_like(labels), [0.2])
    (pgd,) = sweep(rule("pgd", **options), Well(), x, torch.zeros_like(labels), [0.2])
    (shift,) = sweep(rule("shift", **options), Well(), x, labels, [0.2])
    assert (shifts(Well(), x, fgsm.images) > 0.4).all()
    assert (shifts(Well(), x, pgd.images) < 0.3).all()
    assert torch.equal(shift.images, fgsm.images)


def test_an_answer_that_is_wrong_already_is_moved_where_pgd_leaves_it():
    detector, (x, _) = Linear(bias=6.0), batch()
    labels = torch.zeros(len(x), dtype=torch.long)
    assert (fake(detector, x) > 0.95).all()  # wrong, and sure of it
    (pgd,) = sweep("pgd", detector, x, labels, [0.5])
    (shift,) = sweep("shift", detector, x, labels, [0.5])
    assert (shifts(detector, x, pgd.images) < 0.05).all()
    assert (shifts(detector, x, shift.images) > 5 * shifts(detector, x, pgd.images)).all()


@SCHEDULE
def test_the_label_plays_no_part(schedule):
    detector, (x, labels) = build("resnet", 32, seed=0).double(), batch(size=32)
    (one,) = sweep(rule("shift", schedule=schedule), detector, x, labels, [0.05])
    (other,) = sweep(rule("shift", schedule=schedule), detector, x, 1 - labels, [0.05])
    assert torch.equal(one.images, other.images)


def test_restarts_never_lower_the_shift_and_raise_some():
    detector, (x, labels) = build("resnet", 32, seed=0).double(), batch(size=32)
    (once,) = sweep(rule("shift", steps=3), detector, x, labels, [0.1])
    (often,) = sweep(rule("shift", steps=3, restarts=3), detector, x, labels, [0.1])
    gain = shifts(detector, x, often.images) - shifts(detector, x, once.images)
    assert (gain >= 0).all()
    assert (gain > 0).any()


def test_a_saturated_detector_is_still_moved_towards_its_border():
    detector, (x, labels) = Linear(scale=100, bias=1500.0), batch()
    (attacked,) = sweep("shift", detector, x, labels, [0.05])
    assert (shifts(detector, x, attacked.images) == 0).all()  # both probabilities round to 1 …
    assert torch.allclose(attacked.images, corners(detector, x, 0.05)[1])  # … and the smaller z is known all the same


def test_an_epsilon_takes_one_gradient_less_than_an_ascent_and_a_descent_and_two_single_steps():
    detector, (x, labels) = nn.Sequential(Linear()), batch()
    gradients, forwards = [], []
    detector.register_full_backward_hook(lambda *_: gradients.append(1))
    detector.register_forward_hook(lambda *_: forwards.append(1))
    list(sweep(rule("shift", steps=4), detector, x, labels, [0.01, 0.1]))
    assert len(gradients) == 1 + 2 * (2 * 4 - 1)  # the clean image once
    assert len(forwards) == len(gradients) + 2 * (2 + 2)  # both last iterates, and both single steps


def test_without_a_gradient_the_random_start_is_all_that_moves_and_the_sample_is_reported():
    class Steps(nn.Module):
        def forward(self, x):
            z = (x.flatten(1).sum(1) * 100).floor() + 0 * x.flatten(1)[:, 0]
            return torch.stack([-z, z], dim=1)

    x, labels = batch()
    (attacked,) = sweep("shift", Steps(), x, labels, [0.05])
    assert not attacked.has_gradient.any()


def test_log_shift_is_the_logarithm_of_the_shift():
    z = torch.linspace(-20, 20, 41, dtype=torch.float64)
    a, b = torch.meshgrid(z, z + 0.5, indexing="ij")
    direct = (a.sigmoid() - b.sigmoid()).abs().log()
    near = (a.abs() < 10) & (b.abs() < 10)  # farther out the direct difference loses its digits
    assert torch.allclose(log_shift(a, b)[near], direct[near], rtol=0, atol=1e-10)


def test_log_shift_does_not_saturate():
    z = torch.tensor([1000.0, -1000.0, 5.0], dtype=torch.float64)
    moved = torch.tensor([1001.0, -1001.0, 5.0], dtype=torch.float64)
    expected = [math.log1p(-math.exp(-1)) - 1000] * 2 + [-math.inf]
    assert log_shift(z, moved).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0; it is a whole number ≥ 1"),
        ({"schedule": "cosine"}, "schedule is 'cosine'; choose from fixed, apgd"),
        ({"restarts": 1.5}, "restarts is 1.5; it is a whole number ≥ 1"),
        (
            {"confidence": 1},
            "shift has no option confidence; "
            "its options are steps, random_start, restarts, one_batch, schedule, refine, frames",
        ),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        rule("shift", **options)
