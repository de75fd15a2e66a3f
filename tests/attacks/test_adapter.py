"""Each trap of torchattacks 3.5.1, shown where it stands and closed by the adapter."""

import re
import sys

import pytest
import torch
import torchattacks
from torch import nn

from rrlib.attacks import rule, sweep
from rrlib.errors import InputError


class Linear(nn.Module):
    def __init__(self, shift=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layer = nn.Linear(3 * 8 * 8, 2)
        self.layer.weight.data = torch.randn(2, 3 * 8 * 8, generator=generator) * 0.3
        self.layer.bias.data = torch.full((2,), shift)

    def forward(self, x):
        return self.layer(x.flatten(1) - 0.5)


def batch(n=6):
    x = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1
    return x, Linear()(x).argmax(1)  # labels as predicted: nothing is wrong to begin with


def images(attack, detector, x, labels, epsilons, **keywords):
    return [attacked.images for attacked in sweep(attack, detector, x, labels, epsilons, **keywords)]


def predictions(detector, x):
    return detector(x).argmax(1)


def test_cw_of_torchattacks_ignores_epsilon_and_the_adapter_does_not():
    x, labels = batch()
    detector = Linear().eval()
    raw = torchattacks.CW(detector, c=10, steps=50, lr=0.05)(x, labels)
    assert (raw - x).abs().max() > 0.02
    for epsilon, attacked in zip(
        [0.005, 0.02], images("torchattacks:CW", detector, x, labels, [0.005, 0.02]), strict=True
    ):
        assert (attacked - x).abs().max() <= epsilon + 1e-6


def test_cw_of_torchattacks_depends_on_the_batch_and_the_adapter_does_not():
    x, labels = batch()
    detector = Linear().eval()
    options = {"c": 1, "steps": 50, "lr": 0.2}
    raw = torchattacks.CW(detector, **options)
    alone = torch.cat([raw(x[i : i + 1], labels[i : i + 1]) for i in range(len(x))])
    assert not torch.equal(raw(x, labels), alone)
    attack = rule("torchattacks:CW", **options)
    (together,) = images(attack, detector, x, labels, [1.0])
    apart = [images(attack, detector, x[i : i + 1], labels[i : i + 1], [1.0])[0] for i in range(len(x))]
    assert torch.equal(together, torch.cat(apart))


def test_cw_of_torchattacks_does_nothing_to_negative_logits_and_the_adapter_does():
    x, labels = batch()
    detector = Linear(shift=-100.0).eval()
    options = {"c": 10, "steps": 50, "lr": 0.05}
    raw = torchattacks.CW(detector, **options)(x, labels)
    assert (predictions(detector, raw) == labels).all()
    (adapted,) = sweep(rule("torchattacks:CW", **options), detector, x, labels, [0.2])
    assert (predictions(detector, adapted.images) != labels).all()
    assert adapted.has_gradient.all()


def test_torchattacks_leaves_the_detector_in_train_mode_and_the_adapter_does_not():
    class Wrapped(nn.Module):
        def __init__(self, detector):
            super().__init__()
            self.detector = detector

        def forward(self, x):
            return self.detector(x)

    x, labels = batch()
    detector = Linear().eval()
    torchattacks.FGSM(Wrapped(detector), eps=0.01)(x, labels)
    assert detector.training
    detector.eval()
    images("torchattacks:FGSM", detector, x, labels, [0.01])
    assert not detector.training


def test_a_one_logit_detector_passes_torchattacks_and_not_the_adapter():
    class One(nn.Module):
        def forward(self, x):
            return x.flatten(1).mean(1, keepdim=True)

    x, _ = batch()
    labels = torch.zeros(len(x), dtype=torch.long)
    raw = torchattacks.FGSM(One(), eps=0.1)(x, labels)
    assert torch.equal(raw, x)  # no gradient, no error: RA would be 1
    with pytest.raises(InputError, match=re.escape("One returned one logit per sample (shape (1, 1))")):
        images("torchattacks:FGSM", One(), x, labels, [0.1])


def test_torchattacks_clamps_pixels_silently_and_the_adapter_refuses_them():
    x, labels = batch()
    raw = torchattacks.FGSM(Linear().eval(), eps=0.1)(x * 255, labels)
    assert raw.max() <= 1
    with pytest.raises(InputError, match="scale them to"):
        images("torchattacks:FGSM", Linear().eval(), x * 255, labels, [0.1])


def test_the_default_step_cannot_reach_the_ball_and_the_adapters_can():
    x, labels = batch()
    x = x * 0.2 + 0.4
    detector = Linear().eval()
    raw = torchattacks.PGD(detector, eps=0.2, random_start=False)(x, labels)
    assert (raw - x).abs().max() < 0.1
    (adapted,) = images(rule("torchattacks:PGD", random_start=False), detector, x, labels, [0.2])
    assert (adapted - x).abs().max() == pytest.approx(0.2, abs=1e-6)


def test_torchattacks_fails_inside_no_grad_and_the_adapter_does_not():
    x, labels = batch()
    detector = Linear().eval().requires_grad_(False)
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="does not require grad"):
            torchattacks.FGSM(detector, eps=0.1)(x, labels)
        (adapted,) = images("torchattacks:FGSM", detector, x, labels, [0.1])
    assert torch.equal(adapted, images("torchattacks:FGSM", detector, x, labels, [0.1])[0])


def test_random_starts_belong_to_the_sample():
    x, labels = batch()
    detector = Linear().eval()
    attack = rule("torchattacks:PGD", steps=1)
    state = torch.get_rng_state()
    (together,) = images(attack, detector, x, labels, [0.1], seed=4)
    (last,) = images(attack, detector, x[5:], labels[5:], [0.1], seed=4, samples=torch.tensor([5]))
    assert torch.equal(together[5:], last)
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(InputError, match=re.escape("torchattacks:FGSN is not known; choose from APGD, ")):
        rule("torchattacks:FGSN")
    with pytest.raises(InputError, match=re.escape("torchattacks:FGSM has no option steps; its options are none")):
        rule("torchattacks:FGSM", steps=3)


def test_an_attack_that_needs_more_classes_says_so():
    x, labels = batch(1)
    with pytest.raises(InputError, match=re.escape("torchattacks:APGDT fails on a detector with two logits")):
        images(rule("torchattacks:APGDT", n_classes=2), Linear().eval(), x, labels, [0.1])


def test_an_option_of_the_wrong_type_says_so():
    x, labels = batch(1)
    with pytest.raises(InputError, match=re.escape("torchattacks:PGD fails on a detector with two logits (TypeError")):
        images(rule("torchattacks:PGD", steps="many"), Linear().eval(), x, labels, [0.1])


def test_without_torchattacks_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    with pytest.raises(InputError, match=r"needs torchattacks, .* `pip install --no-deps torchattacks==3\.5\.1`$"):
        rule("torchattacks:FGSM")
