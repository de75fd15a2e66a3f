"""How often a sweep asks the detector, counted by hooks: never more than its gradients need."""

import pytest
import torch
from torch import nn

from rrlib.attacks import Clean, rule, sweep, sweep_together
from rrlib.detectors.catalogue import build
from rrlib.evaluation.measuring import evaluate, measure, probabilities

EPSILONS = [0.002, 0.005, 0.01, 0.05, 0.2]
THREE = {
    "fgsm": {},
    "pgd": {"steps": 10, "random_start": False},
    "cw_l2": {"steps": 50, "search_steps": 1, "initial_c": 10},  # so large that it finds something in every ball
}
PLACED = 1  # an evaluation shows its first sample to the detector, to see how it may be laid out


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
    rules = {name: rule(name, **options) for name, options in THREE.items()}
    measure(sweep_together(rules, detector, x, labels, EPSILONS, clean=clean), detector, x)
    # the clean gradient serves fgsm, the first of pgd's ten steps at each ε and of cw_l2's fifty points
    assert detector.counts == {"gradients": 1 + 5 * 9 + 49, "forwards": 15}


@pytest.mark.parametrize(("attack", "gradients"), [("noise", 0), ("fgsm", 1), ("pgd", 1 + 5 * 9), ("cw_l2", 50)])
def test_a_cell_asks_for_one_forward_an_epsilon_and_no_clean_one(in_memory, attack, gradients):
    detector = Counted(used())
    x, _ = batch()
    labels = detector.detector(x).argmax(dim=1).tolist()
    chosen = rule(attack, **THREE.get(attack, {}))
    evaluate(detector, in_memory(x, labels), chosen, [0, *EPSILONS], fold=False, tried=True)
    clean_forward = 1 if attack == "noise" else 0  # noise asks for no gradient that could bring it along
    assert detector.counts == {"gradients": gradients, "forwards": PLACED + 5 + clean_forward}


def test_images_that_larger_epsilons_leave_as_they_are_are_looked_at_once():
    detector = Counted(used())
    x, _ = batch()
    wrong = 1 - detector.detector(x).argmax(dim=1)  # so that cw_l2 leaves every sample alone
    rules = {"cw_l2": rule("cw_l2")}
    found = measure(sweep_together(rules, detector, x, wrong, [0, *EPSILONS]), detector, x)["cw_l2"]
    assert detector.counts == {"gradients": 1, "forwards": 1}
    assert [each.epsilon for each in found] == [0, *EPSILONS]
    for each in found[1:]:
        assert torch.equal(each.p_attacked, probabilities(detector.detector(x)))
        assert torch.equal(each.linf, torch.zeros(len(x)))


def test_a_random_start_costs_its_step_at_every_epsilon(in_memory):
    detector = Counted(used())
    evaluate(detector, in_memory(batch()[0], [0, 1, 0, 1]), rule("pgd", steps=10), EPSILONS, fold=False, tried=True)
    assert detector.counts == {"gradients": 5 * 10, "forwards": PLACED + 5 + 1}


@pytest.mark.parametrize(("name", "more"), [("pgd", {}), ("cw", {}), ("shift", {}), ("shift", {"schedule": "apgd"})])
@pytest.mark.parametrize("random_start", [True, False])
def test_all_epsilons_in_one_batch_give_the_same_images_from_a_fifth_of_the_calls(name, more, random_start):
    x, labels = batch()
    x, detector = x.double(), Counted(used().double())
    options = {"steps": 4, "random_start": random_start} | more
    apart = list(sweep(rule(name, **options), detector, x, labels, EPSILONS, seed=3))
    calls = detector.counts["gradients"]
    together = list(sweep(rule(name, one_batch=True, **options), detector, x, labels, EPSILONS, seed=3))
    for a, b in zip(apart, together, strict=True):
        assert a.epsilon == b.epsilon
        assert torch.equal(a.has_gradient, b.has_gradient)
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


SAID = [
    ("noise", {}),
    ("fgsm", {}),
    ("pgd", {"steps": 3}),
    ("pgd", {"steps": 3, "random_start": False}),
    ("pgd", {"steps": 3, "restarts": 2}),
    ("cw", {"steps": 3}),
    ("cw", {"steps": 1, "random_start": False}),
    ("shift", {"steps": 3}),
    ("shift", {"steps": 1}),
    ("shift", {"steps": 3, "random_start": False}),
    ("shift", {"steps": 2, "restarts": 3}),
    ("shift", {"steps": 4, "schedule": "apgd"}),
    ("shift", {"steps": 3, "schedule": "apgd", "restarts": 2}),
    ("shift", {"steps": 3, "schedule": "apgd", "random_start": False}),
    ("shift", {"steps": 1, "schedule": "apgd"}),
    ("square", {"queries": 7}),
    ("cw_l2", {"steps": 3, "search_steps": 2}),
]


@pytest.mark.parametrize(("name", "options"), SAID)
@pytest.mark.parametrize("epsilons", [EPSILONS[:1], EPSILONS[:3]])
def test_a_rule_costs_what_it_says(name, options, epsilons):
    detector = Counted(used())
    x, _ = batch()
    labels = detector.detector(x).argmax(dim=1)  # all right, so that cw_l2 leaves none alone
    list(sweep(rule(name, **options), detector, x, labels, epsilons))
    work = rule(name, **options).work(len(epsilons))
    assert detector.counts == {"gradients": work.gradients, "forwards": work.forwards}


def test_l2_costs_less_for_samples_that_err_already_and_says_so():
    detector = Counted(used())
    x, _ = batch()
    wrong = 1 - detector.detector(x).argmax(dim=1)
    list(sweep("cw_l2", detector, x, wrong, EPSILONS))
    assert detector.counts["gradients"] == 1
    assert rule("cw_l2").work(5).at_most


@pytest.mark.parametrize(("name", "options", "more"), [("pgd", {"steps": 3}, 1), ("fgsm", {}, 0), ("noise", {}, 1)])
def test_choosing_frames_costs_the_clean_gradient_unless_the_rule_asks_for_it_anyway(name, options, more):
    clips = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    detector = Counted(build("frame-mean-resnet", 32, seed=0).eval())
    chosen = rule(name, frames=1, **options)
    list(sweep(chosen, detector, clips, torch.tensor([0, 1]), EPSILONS))
    assert detector.counts["gradients"] == chosen.work(5).gradients == rule(name, **options).work(5).gradients + more


def test_what_an_attack_of_torchattacks_costs_is_not_known():
    assert rule("torchattacks:PGD").work(5) is None
    assert rule("torchattacks:PGD", frames=1).work(5) is None
