"""The attacks against torchattacks and foolbox, which were written by others."""

import foolbox
import pytest
import torch
import torchattacks

from rrlib.attacks import rule, sweep
from rrlib.detectors.catalogue import build


def batch(n=16, size=64):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(n, 3, size, size, generator=generator), torch.arange(n) % 2


@pytest.mark.parametrize("architecture", ["resnet", "meso4"])
def test_fgsm_equals_torchattacks_bit_for_bit(architecture):
    # In float64 the cross-entropy's factor softmax(z)_wrong cannot change the sign of a gradient by rounding.
    detector = build(architecture, 64, seed=0).double().eval()
    x, labels = batch()
    x = x.double()
    for epsilon in (0.01, 0.05, 0.2):
        (ours,) = sweep("fgsm", detector, x, labels, [epsilon])
        assert torch.equal(ours.images, torchattacks.FGSM(detector, eps=epsilon)(x, labels))


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_pgd_without_random_start_agrees_with_torchattacks_step_for_step(steps):
    detector = build("resnet", 64, seed=0).double().eval()
    x, labels = batch()
    x, epsilon = x.double(), 0.03
    (ours,) = sweep(rule("pgd", steps=steps, random_start=False), detector, x, labels, [epsilon])
    alpha = 2.5 * epsilon / steps
    theirs = torchattacks.PGD(detector, eps=epsilon, alpha=alpha, steps=steps, random_start=False)(x, labels)
    assert torch.equal(ours.images, theirs)


def test_fgsm_and_pgd_agree_with_foolbox():
    detector = build("resnet", 64, seed=0).double().eval()
    x, labels = batch()
    x = x.double()
    model = foolbox.PyTorchModel(detector, bounds=(0, 1))
    attacks = [
        ("fgsm", foolbox.attacks.LinfFastGradientAttack(random_start=False)),
        (
            rule("pgd", steps=10, random_start=False),
            foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=10, random_start=False),
        ),
    ]
    for ours, theirs in attacks:
        _, clipped, _ = theirs(model, x, labels, epsilons=[0.02])
        (attacked,) = sweep(ours, detector, x, labels, [0.02])
        # foolbox returns float64 results of its own order of operations
        assert torch.allclose(attacked.images, clipped[0], atol=1e-9)
