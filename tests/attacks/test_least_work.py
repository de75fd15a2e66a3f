"""How often a sweep asks the detector, counted by hooks: never more than its gradients need."""

import pytest
import torch
from torch import nn

from rrlib.attacks import Clean, rule, sweep
from rrlib.detectors.catalogue import build
from rrlib.evaluation import evaluate

EPSILONS = [0.002, 0.005, 0.01, 0.05, 0.2]
THREE = {"fgsm": {}, "pgd": {"steps": 10, "random_start": False}, "cw_l2": {"steps": 50, "search_steps": 1}}


class Counted(nn.Module):
    """A detector that counts: how often it was asked with and without a gradient."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.detector, self.counts = detector, {"gradients": 0, "forwards": 0}
        self.register_full_backward_hook(lambda *_: self._add("gradients"))
        self.register_forward_hook(lambda *_: None if torch.is_grad_enabled() else self._add("forwards"))

    def _add(self, what: str) -> None:
        self.counts[what] += 1

    def __deepcopy__(self, memo):
        copied = Counted(self.detector)
        copied.counts = self.counts
        return copied

    def forward(self, x):
        return self.detector(x)


def batch(n=4):
    x = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(n) % 2


def used() -> nn.Module:
    """A detector that tells images apart, so that CW has samples to work on."""
    detector = build("resnet", 32, seed=0)
    with torch.no_grad():
        for _ in range(10):
            detector(batch(16)[0])
    return detector.eval()


def test_three_attacks_of_one_batch_share_the_clean_gradient():
    detector = Counted(used())
    x, _ = batch()
    labels = detector.detector(x).argmax(dim=1)
    clean = Clean(detector, x, labels)
    clean.gradient()
    clean.logits()
    for name, options in THREE.items():
        for attacked in sweep(rule(name, **options), detector, x, labels, EPSILONS, clean=clean):
            with torch.no_grad():
                detector(attacked.images)
    # the clean gradient serves fgsm, the first of pgd's ten steps at each ε and of cw_l2's fifty
    assert detector.counts == {"gradients": 1 + 5 * 9 + 49, "forwards": 15}


@pytest.mark.parametrize(("attack", "gradients"), [("noise", 0), ("fgsm", 1), ("pgd", 1 + 5 * 9), ("cw_l2", 50)])
def test_a_cell_asks_for_one_forward_an_epsilon_and_no_clean_one(in_memory, attack, gradients):
    detector = Counted(used())
    x, _ = batch()
    labels = detector.detector(x).argmax(dim=1).tolist()
    evaluate(detector, in_memory(x, labels), rule(attack, **THREE.get(attack, {})), [0, *EPSILONS], fold=False)
    clean_forward = 1 if attack == "noise" else 0  # noise asks for no gradient that could bring it along
    assert detector.counts == {"gradients": gradients, "forwards": 5 + clean_forward}


def test_a_random_start_costs_its_step_at_every_epsilon(in_memory):
    detector = Counted(used())
    evaluate(detector, in_memory(batch()[0], [0, 1, 0, 1]), rule("pgd", steps=10), EPSILONS, fold=False)
    assert detector.counts == {"gradients": 5 * 10, "forwards": 5 + 1}


@pytest.mark.parametrize("name", ["pgd", "cw", "shift"])
@pytest.mark.parametrize("random_start", [True, False])
def test_all_epsilons_in_one_batch_give_the_same_images_from_a_fifth_of_the_calls(name, random_start):
    x, labels = batch()
    x, detector = x.double(), Counted(used().double())
    options = {"steps": 4, "random_start": random_start}
    apart = list(sweep(rule(name, **options), detector, x, labels, EPSILONS, seed=3))
    calls = detector.counts["gradients"]
    together = list(sweep(rule(name, one_batch=True, **options), detector, x, labels, EPSILONS, seed=3))
    for a, b in zip(apart, together, strict=True):
        assert a.epsilon == b.epsilon
        assert torch.equal(a.gradient, b.gradient)
        assert torch.allclose(a.images, b.images, rtol=0, atol=1e-12)
    shared = 0 if random_start and name != "shift" else 1  # the clean gradient
    assert detector.counts["gradients"] - calls - shared == (calls - shared) // 5


def test_fgsm_costs_the_same_for_any_number_of_epsilons():
    x, labels = batch()
    for epsilons in (EPSILONS[:1], EPSILONS):
        detector = Counted(used())
        list(sweep("fgsm", detector, x, labels, epsilons))
        assert detector.counts == {"gradients": 1, "forwards": 0}


def test_no_gradient_of_a_weight_is_computed():
    detector = used().requires_grad_(True)
    x, labels = batch()
    for name in ("fgsm", "pgd", "cw", "cw_l2", "shift"):
        list(sweep(name, detector, x, labels, EPSILONS[:1]))
    assert all(parameter.grad is None for parameter in detector.parameters())
