"""`cw_l2` finds the smallest perturbation that errs, sample by sample, once for all epsilons."""

import math
import re

import foolbox
import pytest
import torch
from torch import nn

from rrlib.attacks import rule, sweep
from rrlib.attacks.ball import project
from rrlib.attacks.gradients import margin
from rrlib.attacks.l2 import EDGE, Search, to_pixels, to_tanh_space
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError


class Affine(nn.Module):
    """z_fake − z_real = w · (x − ½) + bias, float64: its border lies |z| / ‖w‖ from x."""

    def __init__(self, bias: float = 0.0, size: int = 8):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(3 * size * size, generator=generator, dtype=torch.float64)
        self.bias = bias

    def forward(self, x):
        z = (x.flatten(1) - 0.5) @ self.weight + self.bias
        return torch.stack([torch.zeros_like(z), z], dim=1)


def batch(n=12, low=0.2, high=0.8, size=8):
    x = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return low + (high - low) * x


def predicted(detector, x):
    with torch.no_grad():
        return detector.eval()(x).argmax(1)


def nearest(detector, x, labels, **options):
    """What the attack finds when no ball clips it, with its L2 norms."""
    (attacked,) = sweep(rule("cw_l2", **options), detector, x, labels, [1.0])
    return attacked, (attacked.images - x).flatten(1).norm(dim=1)


def test_on_an_affine_detector_it_finds_the_distance_to_the_border():
    detector, x = Affine(), batch()
    labels = predicted(detector, x)
    attacked, norms = nearest(detector, x, labels, steps=100, search_steps=9)
    z = detector(x)[:, 1]
    distances = z.abs() / detector.weight.norm()
    assert (predicted(detector, attacked.images) != labels).all()
    assert (norms >= distances).all()
    assert (norms <= 1.05 * distances).all()


def test_black_and_white_images_are_led_across_the_border_inside_the_picture():
    x = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)]).double()
    detector = Affine()
    detector.bias = 0.5 * torch.tensor([1.0, -1.0], dtype=torch.float64) - detector(x)[:, 1]
    labels = predicted(detector, x)
    attacked, norms = nearest(detector, x, labels)
    assert (predicted(detector, attacked.images) != labels).all()
    assert attacked.images.min() >= 0
    assert attacked.images.max() <= 1
    reachable = detector.weight.clamp(max=0).norm()  # a black pixel can only rise, a white one only fall
    assert (norms >= 0.5 / reachable).all()
    assert (norms <= 1.05 * 0.5 / reachable).all()


def test_a_sample_that_is_wrong_to_begin_with_stays():
    detector, x = Affine(), batch()
    labels = predicted(detector, x)
    labels[::2] = 1 - labels[::2]
    for attacked in sweep("cw_l2", detector, x, labels, [0.01, 0.2]):
        assert torch.equal(attacked.images[::2], x[::2])
        assert (attacked.images[1::2] != x[1::2]).flatten(1).any(dim=1).all()
        assert attacked.has_gradient.all()


def test_a_sample_for_which_nothing_is_found_stays():
    detector, x = Affine(bias=1000.0), batch()
    attacked, norms = nearest(detector, x, torch.ones(len(x), dtype=torch.long), steps=5)
    assert (norms == 0).all()
    assert attacked.has_gradient.all()


def test_a_sample_without_gradient_is_reported():
    class Flat(nn.Module):
        def forward(self, x):
            return torch.stack([x.new_ones(len(x)), 0 * x.flatten(1).sum(1)], dim=1)

    x = batch()
    (attacked,) = sweep(rule("cw_l2", steps=3), Flat(), x, torch.zeros(len(x), dtype=torch.long), [0.1])
    assert torch.equal(attacked.images, x)
    assert not attacked.has_gradient.any()


def test_each_ball_gets_the_same_image_clipped_to_it():
    detector, x = Affine(bias=2.0), batch()
    labels = predicted(detector, x)
    free, _ = nearest(detector, x, labels)
    for attacked in sweep("cw_l2", detector, x, labels, [0.002, 0.01, 0.1]):
        assert torch.equal(attacked.images, project(free.images, x, attacked.epsilon))


@pytest.mark.parametrize("search_steps", [1, 3])
def test_all_epsilons_together_take_search_steps_times_steps_gradients_at_most(search_steps):
    detector, x = nn.Sequential(Affine()), batch()
    gradients, forwards = [], []
    detector.register_full_backward_hook(lambda *_: gradients.append(1))
    detector.register_forward_hook(lambda *_: forwards.append(1))
    attack = rule("cw_l2", steps=50, search_steps=search_steps)
    list(sweep(attack, detector, x, predicted(detector, x), [0.002, 0.005, 0.01, 0.02, 0.05]))
    labelling = 1
    assert len(gradients) == 1 + search_steps * 49 <= search_steps * 50
    assert len(forwards) - labelling == len(gradients)


def test_a_batch_that_is_wrong_altogether_takes_one_gradient():
    detector, x = nn.Sequential(Affine()), batch()
    labels = 1 - predicted(detector, x)
    forwards = []
    detector.register_forward_hook(lambda *_: forwards.append(1))
    (attacked,) = sweep("cw_l2", detector, x, labels, [0.1])
    assert torch.equal(attacked.images, x)
    assert len(forwards) == 1


def test_adding_a_constant_to_both_logits_changes_nothing():
    class Lower(nn.Module):
        def forward(self, x):
            return Affine()(x) - 100

    x = batch(low=0, high=1)
    x[0, :, :2], x[1, :, :2] = 0, 1
    labels = torch.arange(len(x)) % 2
    plain, _ = nearest(Affine(), x, labels)
    lower, _ = nearest(Lower(), x, labels)
    assert torch.allclose(plain.images, lower.images, rtol=0, atol=1e-9)


def test_confidence_asks_for_a_lead_of_the_wrong_answer():
    detector, x = Affine(), batch()
    labels = predicted(detector, x)
    attacked, norms = nearest(detector, x, labels, confidence=2.0, search_steps=9)
    margins = margin(detector, attacked.images, labels)
    assert (margins > 2).all()
    assert (margins < 2.5).all()
    assert (norms > nearest(detector, x, labels, search_steps=9)[1]).all()


def test_the_search_for_c_shortens_what_one_c_finds():
    detector, x = Affine(), batch()
    labels = predicted(detector, x)
    fixed, searched = (nearest(detector, x, labels, initial_c=10.0, search_steps=n)[1] for n in (1, 6))
    assert (searched <= fixed).all()
    assert searched.mean() < 0.8 * fixed.mean()


class Centred(nn.Module):
    """An untrained network whose border runs through the middle of a batch."""

    def __init__(self, batch):
        super().__init__()
        self.network = build("resnet", 32, seed=0).double().eval()
        self.middle = self.network(batch).detach().mean(dim=0)

    def forward(self, x):
        return 100 * (self.network(x) - self.middle)


def test_norms_are_no_larger_than_those_of_foolbox():
    x = batch(4, 0, 1, size=32)
    detector = Centred(x).eval()
    labels = predicted(detector, x)
    theirs = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=5, steps=50, stepsize=0.01, initial_const=0.01, abort_early=False
    )
    _, adversarial, success = theirs(foolbox.PyTorchModel(detector, bounds=(0, 1)), x, labels, epsilons=None)
    attacked, norms = nearest(detector, x, labels)
    assert success.all()
    assert (predicted(detector, attacked.images) != labels).all()
    assert (norms <= 1.1 * (adversarial - x).flatten(1).norm(dim=1)).all()


def test_the_change_of_variables_reaches_every_pixel_value_and_back():
    x = torch.linspace(0, 1, 256, dtype=torch.float64)
    assert torch.allclose(to_pixels(to_tanh_space(x)), x, rtol=0, atol=1e-12)


def test_its_steps_are_those_of_torchs_adam_through_the_change_of_variables():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, 9, dtype=torch.float64)
    theirs = to_tanh_space(x).requires_grad_()
    optimiser, ours = torch.optim.Adam([theirs], lr=0.1), Search(x, 0.1)
    for _ in range(10):
        gradient = torch.randn(9, generator=generator, dtype=torch.float64)
        pixels = theirs.tanh() / (2 * math.tanh(EDGE)) + 0.5  # without the clamp, whose derivative is 0 at 0 and 1
        (theirs.grad,) = torch.autograd.grad(pixels, theirs, gradient)
        optimiser.step()
        with torch.no_grad():
            theirs.clamp_(-EDGE, EDGE)
        ours.step(gradient / 2)
        assert torch.allclose(ours.w, theirs, rtol=0, atol=1e-12)
        assert torch.allclose(ours.x, to_pixels(theirs), rtol=0, atol=1e-12)


def test_black_and_white_pixels_can_move():
    x = torch.tensor([0.0, 1.0], dtype=torch.float64)
    search = Search(x, 0.01)
    search.step(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert (search.x - x).abs().min() > 3e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1}, "steps is 1; it is a whole number ≥ 2"),
        ({"search_steps": 0}, "search_steps is 0; it is a whole number ≥ 1"),
        ({"learning_rate": 0}, "learning_rate is 0; it is a finite number > 0"),
        ({"initial_c": "1"}, "initial_c is '1'; it is a finite number > 0"),
        ({"confidence": -1}, "confidence is -1; it is a finite number of logits ≥ 0"),
        (
            {"c": 1},
            "cw_l2 has no option c; its options are steps, learning_rate, initial_c, search_steps, confidence, frames",
        ),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        rule("cw_l2", **options)
