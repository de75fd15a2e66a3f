"""How near `shift` comes to the largest shift in the ball: adaptive steps, and a black box beside them."""

import re

import pytest
import torch
from torch import nn

from rrlib.attacks import Clean, rule, shift, sweep
from rrlib.attacks.refining import _size, refined
from rrlib.attacks.schedules import Iterate, apgd, checkpoints, start
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError


class Used(nn.Module):
    """A network that has seen images, its logits stretched so that probabilities move, float64."""

    def __init__(self, architecture: str, middle: float = 0.0):
        super().__init__()
        self.network, self.middle = build(architecture, 32, seed=0).double(), middle
        with torch.no_grad():
            for _ in range(10):
                self.network(batch(32)[0])
        self.network.eval()
        self.register_buffer("mean", self.network(batch(32)[0]).detach().mean(dim=0))

    def forward(self, x):
        z = 30 * (self.network(x) - self.mean)
        return z + torch.tensor([0.0, self.middle], dtype=z.dtype)


def batch(n=12):
    x = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, torch.arange(n) % 2


def shifts(detector, x, labels, epsilon, name="shift", **options):
    (attacked,) = sweep(rule(name, **options), detector, x, labels, [epsilon])
    with torch.no_grad():
        return (detector(attacked.images).softmax(1) - detector(x).softmax(1))[:, 1].abs()


@pytest.mark.parametrize("middle", [-3.0, 0.0])
@pytest.mark.parametrize("architecture", ["resnet", "meso4"])
def test_adaptive_steps_shift_as_far_as_fixed_ones_of_as_many_gradients(architecture, middle):
    detector, (x, labels) = Used(architecture, middle).eval(), batch()
    for epsilon in (0.002, 0.01):
        fixed, adaptive = (shifts(detector, x, labels, epsilon, schedule=each) for each in ("fixed", "apgd"))
        assert adaptive.mean() >= fixed.mean() - 0.002
        for tolerance in (0.05, 0.1, 0.2, 0.5):
            # one sample of 12 may fall on the other side of a tolerance
            assert (adaptive <= tolerance).double().mean() <= (fixed <= tolerance).double().mean() + 1.5 / 12


def test_a_longer_search_gains_little():
    detector, (x, labels) = Used("resnet").eval(), batch()
    short = shifts(detector, x, labels, 0.005, steps=10, schedule="apgd")
    long = shifts(detector, x, labels, 0.005, steps=40, schedule="apgd")
    assert (short - long).max() < 1e-3
    assert (long - short).mean() < 0.02


@pytest.mark.parametrize("architecture", ["resnet", "meso4"])
def test_refining_only_adds_and_comes_near_a_longer_search(architecture):
    detector, (x, labels) = Used(architecture).eval(), batch()
    plain, refined = (shifts(detector, x, labels, 0.01, refine=more) for more in (0, 12))
    longer = shifts(detector, x, labels, 0.01, steps=40, schedule="apgd")
    assert (refined >= plain).all()
    assert (longer - plain).mean() > 0.005
    assert (longer - refined).mean() < (longer - plain).mean() / 2


def test_what_is_saturated_is_left_where_it_is():
    detector, (x, labels) = Used("resnet").eval(), batch()
    with torch.no_grad():
        p = detector(x).softmax(1)[:, 1]
    plain, refined = (
        next(iter(sweep(rule("shift", refine=more), detector, x, labels, [0.05]))).images for more in (0, 6)
    )
    with torch.no_grad():
        left = torch.maximum(p, 1 - p) - (detector(plain).softmax(1)[:, 1] - p).abs()
    same = (plain == refined).flatten(1).all(1)
    assert (left < 1e-3).any()
    assert same[left < 1e-3].all()


def test_refining_searches_from_three_corners_and_then_from_the_best_point_of_all(monkeypatch):
    begun = []
    for name in ("apgd_from", "refined"):
        search = getattr(shift, name)

        def told(clean, epsilon, steps, *given, search=search, name=name):
            begun.append((name, steps, given[-1].clone()))
            return search(clean, epsilon, steps, *given)

        monkeypatch.setattr(shift, name, told)
    detector, (x, labels) = Used("resnet").eval(), batch()
    plain = shifts(detector, x, labels, 0.01)
    single = shifts(detector, x, labels, 0.01, "fgsm"), shifts(detector, x, 1 - labels, 0.01, "fgsm")
    assert not begun
    further = shifts(detector, x, labels, 0.01, refine=40)
    assert [each[:2] for each in begun] == [("apgd_from", 16)] * 3 + [("refined", 40)]
    assert all(len(images) == 12 for *_, images in begun)  # none is spared, so that all are in the order of the batch
    drawn = (begun[2][2] - x) / 0.01
    inside = ((x > 0.01) & (x < 0.99)).all(0)
    assert torch.allclose(drawn.abs()[:, inside], torch.ones(()).double(), rtol=0, atol=1e-9)
    assert torch.allclose(drawn[:, inside], drawn[:1, inside], rtol=0, atol=1e-9)
    assert abs(drawn[0].mean()) < 0.1
    with torch.no_grad():
        before = detector(x).softmax(1)[:, 1]
        one, other, third, last = [(detector(each).softmax(1)[:, 1] - before).abs() for *_, each in begun]
    # the two single steps, up and down the margin
    assert torch.allclose(one, single[0], rtol=0, atol=1e-9)
    assert torch.allclose(other, single[1], rtol=0, atol=1e-9)
    # the best of what was found so far
    assert (last > plain + 1e-3).any()
    assert (last >= torch.stack([plain - 1e-12, one, other, third]).amax(0)).all()
    assert (further >= last).all()


def test_the_label_plays_no_part_in_refining():
    detector, (x, labels) = Used("resnet").eval(), batch()
    one, other = (
        next(iter(sweep(rule("shift", refine=5), detector, x, each, [0.005]))).images for each in (labels, 1 - labels)
    )
    assert torch.equal(one, other)


def test_a_refined_way_reaches_the_corner_at_once_and_its_steps_shrink_to_a_hundredth_of_the_radius():
    detector, (x, labels) = Affine(), batch()
    inside = 0.4 + 0.2 * x  # away from 0 and 1
    clean = Clean(detector, inside, labels)
    sign = torch.where(labels == 1, -1.0, 1.0).double()  # up z, whatever the label
    seen = [each.images.clone() for each in refined(clean, 0.1, 5, sign, inside)]
    up = detector.weight.sign().view(1, 3, 32, 32)
    assert all(torch.allclose(each, inside + 0.1 * up, rtol=0, atol=1e-12) for each in seen)
    assert [round(_size(number, 5), 4) for number in (1, 5)] == [2.0, 0.01]


class Affine(nn.Module):
    """z_fake − z_real = w · (x − ½) + bias: every step of known size and effect."""

    def __init__(self, bias=0.0):
        super().__init__()
        self.weight = torch.randn(3 * 32 * 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 100
        self.bias = bias

    def forward(self, x):
        z = (x.flatten(1) - 0.5) @ self.weight + self.bias
        return torch.stack([torch.zeros_like(z), z], dim=1)


def iterates(detector, x, labels, steps, epsilon=0.1) -> list[Iterate]:
    """Copies of what APGD shows, from the clean image."""
    clean, found = Clean(detector, x, labels), []
    for iterate in apgd(clean, epsilon, steps, start(clean, epsilon, None)):
        iterate.margins()
        found.append(iterate)
    return found


def test_the_first_step_is_twice_the_radius_and_reaches_the_corner():
    detector, (x, _) = Affine(-1.0), batch()
    labels = (detector(x)[:, 1] > 0).long()  # all right, so that the first run goes up the margin
    first = iterates(detector, x, labels, 4)[0]
    wrong = torch.where(labels == 1, -1, 1).view(-1, 1, 1, 1) * detector.weight.sign().view(1, 3, 32, 32)
    assert torch.equal(first.images, (x + 0.2 * wrong).clamp(x - 0.1, x + 0.1).clamp(0, 1))


def test_a_sample_whose_other_direction_cannot_win_spends_all_steps_in_the_first():
    x, labels = batch()[0] * 0.2 + 0.4, torch.zeros(12, dtype=torch.long)
    sure, even = Affine(-6.0), Affine(0.0)
    up = sure.weight.sign().view(1, 3, 32, 32)
    for detector, both in ((sure, False), (even, True)):
        seen = [(each.images - x).flatten(1) @ up.flatten() for each in iterates(detector, x, labels, 4)]
        assert all(((each > 0).any() and (each < 0).any()) == both for each in [torch.cat(seen)])


def test_a_step_that_overshoots_is_halved():
    class Tent(nn.Module):
        """Sure of fake at a brightness that lies between two fixed steps, and of real on either side."""

        def forward(self, images):
            z = 10 - 8000 * ((images - 0.5).flatten(1).mean(1) - 1.5 * 2.5 * 0.1 / 40).abs()
            return torch.stack([torch.zeros_like(z), z], dim=1)

    x = torch.full((2, 3, 8, 8), 0.5, dtype=torch.float64)
    labels = torch.tensor([0, 1])
    fixed, adaptive = (
        shifts(Tent(), x, labels, 0.1, steps=40, random_start=False, schedule=each) for each in ("fixed", "apgd")
    )
    assert (fixed < 0.01).all()
    assert (adaptive > 0.9).all()


def test_the_checkpoints_are_those_of_the_paper():
    shares = [0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99]
    assert checkpoints(1000) == [round(1000 * share) for share in shares]
    assert checkpoints(10) == [3, 5, 6, 7, 8, 9, 10]
    assert checkpoints(1) == [1]


@pytest.mark.parametrize(
    ("name", "options"),
    [("shift", {"schedule": "apgd", "steps": 20}), ("shift", {"refine": 6}), ("square", {"queries": 40})],
)
def test_a_sample_is_attacked_alike_bit_for_bit_whoever_stands_beside_it(name, options):
    detector, (x, labels) = Used("resnet").eval(), batch()
    attack = rule(name, **options)
    (together,) = sweep(attack, detector, x, labels, [0.01], seed=5)
    for rows in (torch.arange(12).flip(0), torch.tensor([3, 3, 7, 7, 1, 1, 0, 2, 4, 5, 6, 8])):
        (other,) = sweep(attack, detector, x[rows], labels[rows], [0.01], seed=5, samples=rows)
        assert torch.equal(other.images, together.images[rows])
    for size in (1, 5):
        parts = [
            next(iter(sweep(attack, detector, *(each[part] for each in (x, labels)), [0.01], seed=5, samples=part)))
            for part in torch.arange(12).split(size)
        ]
        assert torch.equal(torch.cat([part.images for part in parts]), together.images)


def test_a_black_box_is_no_stronger_than_gradients_and_stronger_than_noise():
    detector, (x, labels) = Used("resnet").eval(), batch()
    noise, square, shift = (
        shifts(detector, x, labels, 0.005, **options)
        for options in ({"name": "noise"}, {"name": "square", "queries": 150}, {"schedule": "apgd"})
    )
    assert (square > noise).double().mean() > 0.9
    assert (square <= shift + 1e-9).all()


def test_a_black_box_needs_no_gradient():
    class Rounded(nn.Module):
        def forward(self, x):
            z = ((x.flatten(1) - 0.5) @ Affine().weight * 50).round() / 50 + 0 * x.flatten(1).sum(1)
            return torch.stack([torch.zeros_like(z), z], dim=1)

    x, labels = batch()
    blind, seeing = shifts(Rounded(), x, labels, 0.05), shifts(Rounded(), x, labels, 0.05, "square", queries=200)
    assert seeing.mean() > 2 * blind.mean() > 0
    (attacked,) = sweep(rule("square", queries=3), Rounded(), x, labels, [0.05])
    assert attacked.has_gradient is None


def test_more_queries_come_nearer_to_the_optimum():
    detector, (x, labels) = Affine(), batch()
    best = Affine().weight.abs().sum() * 0.05
    found = [shifts(detector, x, labels, 0.05, "square", queries=queries).mean() for queries in (1, 20, 400)]
    assert found[0] < found[1] < found[2] < best


@pytest.mark.parametrize("queries", [0, 2.5, True])
def test_wrong_numbers_of_queries_are_refused(queries):
    with pytest.raises(InputError, match=re.escape(f"queries is {queries!r}; it is a whole number ≥ 1")):
        rule("square", queries=queries)
