"""Several rules in one pass: each gives what it gives alone, and the gradients are asked for once."""

import gc

import pytest
import torch
from torch import nn

from rrlib.attacks import Clean, rule, sweep, sweep_together, work_together
from rrlib.detectors.catalogue import build

EPSILONS = [0.002, 0.005, 0.01, 0.05, 0.2]
PAPER = {
    "noise": rule("noise"),
    "fgsm": rule("fgsm"),
    "pgd": rule("pgd", steps=10),
    "cw": rule("cw", steps=10),
}
FIVE = PAPER | {"shift": rule("shift", steps=10)}
MIXED = {
    "shift": rule("shift", steps=4),
    "shift, three starts": rule("shift", steps=4, restarts=3),
    "cw": rule("cw", steps=4),
    "cw, sure": rule("cw", steps=4, confidence=0.02),
    "cw, two starts": rule("cw", steps=4, restarts=2),
    "pgd": rule("pgd", steps=4),
    "pgd, two starts": rule("pgd", steps=4, restarts=2),
    "pgd, more steps": rule("pgd", steps=5),
    "pgd, from x": rule("pgd", steps=4, random_start=False),
    "cw, from x": rule("cw", steps=4, random_start=False),
    "shift, from x": rule("shift", steps=4, random_start=False),
    "pgd, one batch": rule("pgd", steps=4, one_batch=True),
    "shift, one batch": rule("shift", steps=4, one_batch=True),
    "shift, apgd": rule("shift", steps=4, schedule="apgd"),
    "shift, apgd, two starts": rule("shift", steps=4, schedule="apgd", restarts=2),
    "shift, refined": rule("shift", steps=4, refine=4),
    "shift, refined, one batch": rule("shift", steps=4, refine=3, one_batch=True),
    "square": rule("square", queries=5),
    "noise": rule("noise"),
    "fgsm": rule("fgsm"),
    "cw_l2": rule("cw_l2", steps=4, search_steps=2, initial_c=10.0),
    "torchattacks": rule("torchattacks:PGD", steps=2),
}


class Counted(nn.Module):
    """A detector that counts the samples it was asked for, with a gradient and without."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.detector, self.gradients, self.forwards = detector, 0, 0
        self.register_full_backward_hook(self._backward)
        self.register_forward_hook(self._forward)

    def _backward(self, module, into, out) -> None:
        self.gradients += len(out[0])

    def _forward(self, module, into, out) -> None:
        self.forwards += 0 if torch.is_grad_enabled() else len(out)

    def forward(self, x):
        return self.detector(x)


def batch(n=6, dtype=torch.float32):
    x = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=dtype)
    x[0, :, :8], x[1, :, :8] = 0, 1
    return x, torch.arange(n) % 2


def used(architecture="resnet", dtype=torch.float32) -> nn.Module:
    """A detector that tells images apart, about half of them rightly."""
    detector = build(architecture, 32, seed=0).to(dtype)
    with torch.no_grad():
        for _ in range(10):
            detector(batch(16, dtype)[0])
    return detector.eval()


def asked(rules, epsilons=EPSILONS):
    """(gradients, forwards) per sample, of a pass of several rules."""
    detector, (x, labels) = Counted(used()), batch()
    list(sweep_together(rules, detector, x, labels, epsilons))
    assert detector.gradients % len(x) == detector.forwards % len(x) == 0
    return detector.gradients // len(x), detector.forwards // len(x)


def assert_equal(ours, alone):
    assert ours.epsilon == alone.epsilon
    assert torch.equal(ours.images, alone.images)
    if alone.has_gradient is None:
        assert ours.has_gradient is None
    else:
        assert torch.equal(ours.has_gradient, alone.has_gradient)


@pytest.mark.parametrize(("architecture", "size"), [("resnet", 1), ("resnet", 5), ("meso4", 4), ("meso4", 6)])
def test_each_rule_gives_bit_for_bit_what_it_gives_alone(architecture, size):
    detector, (x, labels), samples = used(architecture), batch(), torch.arange(6) + 40
    for begin in range(0, len(x), size):
        part = slice(begin, begin + size)
        options = {"seed": 3, "samples": samples[part]}
        together = list(sweep_together(MIXED, detector, x[part], labels[part], [0, 0.01, 0.05], **options))
        assert [epsilon for epsilon, _ in together] == [0, 0.01, 0.05]
        for name, each in MIXED.items():
            alone = sweep(each, detector, x[part], labels[part], [0, 0.01, 0.05], **options)
            for (_, ours), theirs in zip(together, alone, strict=True):
                assert list(ours) == list(MIXED)
                assert_equal(ours[name], theirs)


def test_a_sample_is_attacked_alike_in_any_batch():
    detector, (x, labels) = used(dtype=torch.float64), batch(dtype=torch.float64)
    together = list(sweep_together(MIXED, detector, x, labels, [0.01, 0.05], seed=5))
    for part in ([0, 1, 2, 3], [5, 4]):
        picked = torch.tensor(part)
        apart = sweep_together(MIXED, detector, x[picked], labels[picked], [0.01, 0.05], seed=5, samples=picked)
        for (_, whole), (_, some) in zip(together, apart, strict=True):
            for name in MIXED:
                assert torch.allclose(whole[name].images[picked], some[name].images, rtol=0, atol=1e-12)


def test_the_attacks_of_the_paper_cost_the_gradients_of_pgd():
    (alone, _), (gradients, forwards) = asked({"pgd": PAPER["pgd"]}), asked(PAPER)
    assert (alone, gradients, forwards) == (50, 51, 0)
    assert gradients <= 1.05 * alone


def test_beside_a_shift_of_as_many_steps_the_four_others_cost_nothing():
    assert asked(FIVE) == asked({"shift": FIVE["shift"]}) == (1 + 5 * 19, 5 * 4)


def sure(bias: float) -> nn.Module:
    """A linear detector that is sure of real where `bias` is far below 0."""

    class Line(nn.Module):
        def forward(self, x):
            z = 4 * (x.flatten(1).mean(1) - 0.5) + bias
            return torch.stack([torch.zeros_like(z), z], dim=1)

    return Line()


@pytest.mark.parametrize(("bias", "ways"), [(0.0, 2), (-8.0, 1)])
def test_a_right_sample_whose_other_way_cannot_win_is_spared_it(bias, ways):
    x, labels = (
        torch.full((6, 3, 32, 32), 0.5),
        torch.zeros(6, dtype=torch.long),
    )  # all real, so that the ascent raises p from near 0
    detector = Counted(sure(bias))
    # from p = 3e-4 a z higher by 2 gains more than all that is left below; from p = ½ it does not
    list(sweep_together({"shift": rule("shift", steps=4), "pgd": rule("pgd", steps=4)}, detector, x, labels, [1.0]))
    assert detector.gradients == 6 * (1 + 1 + ways * 3)
    assert work_together([rule("shift", steps=4)], 1).at_most


def test_refining_asks_nothing_of_who_is_saturated_or_linear():
    x, labels = batch()
    for detector in (sure(0.0), nn.Sequential(sure(0.0), nn.Linear(2, 2, bias=False).requires_grad_(False))):
        plain, refined = (Counted(detector), Counted(detector))
        for counted, more in ((plain, 0), (refined, 9)):
            list(sweep_together({"": rule("shift", steps=4, refine=more)}, counted, x, labels, [0.05]))
        assert plain.gradients == refined.gradients


def test_refining_costs_no_more_than_it_says():
    rules = {"shift": rule("shift", steps=4, refine=4), "pgd": rule("pgd", steps=4)}
    detector, (x, labels) = Counted(used()), batch()
    list(sweep_together(rules, detector, x, labels, EPSILONS[:3]))
    work = work_together(rules.values(), 3)
    assert (work.gradients, work.forwards, work.at_most) == (1 + 3 * (7 + 3 * 1 + 4), 3 * 8, True)
    assert detector.gradients <= len(x) * work.gradients
    assert detector.forwards <= len(x) * work.forwards


def test_fewer_restarts_are_part_of_more():
    many = {"shift": rule("shift", steps=4, restarts=3)}
    assert asked(many | {"pgd": rule("pgd", steps=4), "cw": rule("cw", steps=4, restarts=2)}) == asked(many)


def test_without_a_random_start_the_first_step_is_shared_too():
    from_x = {name: rule(name, steps=4, random_start=False) for name in ("pgd", "cw", "shift")}
    assert asked(from_x) == asked({"shift": from_x["shift"]}) == (1 + 5 * 2 * 3, 5 * 4)


def test_the_clean_probabilities_come_with_the_clean_gradient():
    detector, (x, labels) = Counted(used()), batch()
    clean = Clean(detector, x, labels)
    list(sweep_together(PAPER, detector, x, labels, EPSILONS, clean=clean))
    before = detector.forwards
    clean.logits()
    assert detector.forwards == before


TOGETHER = [
    PAPER,
    FIVE,
    {"noise": rule("noise")},
    {name: each for name, each in MIXED.items() if name not in ("torchattacks", "cw_l2") and "batch" not in name}
    | {"shift, refined": rule("noise")},
    {"one": rule("pgd", steps=4, restarts=2), "other": rule("cw", steps=4)},
    {"one": rule("cw", steps=3), "other": rule("cw", steps=4)},
    {"one": rule("square", queries=3), "other": rule("square", queries=4)},
    {"one": rule("square", queries=3), "other": rule("fgsm")},
]


@pytest.mark.parametrize("rules", TOGETHER)
@pytest.mark.parametrize("epsilons", [EPSILONS[:1], EPSILONS[:3]])
def test_rules_measured_together_cost_what_is_said(rules, epsilons):
    work = work_together(rules.values(), len(epsilons))
    assert asked(rules, epsilons) == (work.gradients, work.forwards)


@pytest.mark.parametrize("each", [rule for rule in MIXED.values() if rule.work(2)])
def test_the_work_of_one_rule_is_its_own(each):
    assert work_together([each], 3) == each.work(3)


def test_where_one_cannot_say_nobody_can():
    assert work_together([rule("pgd"), rule("torchattacks:PGD")], 5) is None


def test_clips_of_which_some_frames_may_be_touched_choose_them_by_one_gradient():
    clips = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1])
    rules = {name: rule(name, frames=1, **options) for name, options in {"noise": {}, "pgd": {"steps": 3}}.items()}
    detector = Counted(build("frame-mean-resnet", 32, seed=0).eval())
    together = list(sweep_together(rules, detector, clips, labels, EPSILONS))
    assert detector.gradients == 2 * work_together(rules.values(), 5).gradients == 2 * (1 + 5 * 3)
    for name, each in rules.items():
        for (_, ours), alone in zip(together, sweep(each, detector, clips, labels, EPSILONS), strict=True):
            assert_equal(ours[name], alone)


def test_the_detector_is_as_before_between_epsilons_and_after():
    detector, (x, labels) = used("meso4").train().requires_grad_(True), batch()
    for _ in sweep_together(FIVE, detector, x, labels, [0, 0.01, 0.05]):
        assert all(module.training for module in detector.modules())
        assert all(parameter.requires_grad for parameter in detector.parameters())


def test_memory_does_not_grow_with_steps_or_restarts():
    """Counted in copies of the batch that are alive when the detector is asked."""

    class Watching(nn.Module):
        most = 0

        def forward(self, x):
            alive = [each for each in gc.get_objects() if type(each) is torch.Tensor and each.shape == x.shape]
            Watching.most = max(Watching.most, len({each.data_ptr() for each in alive}))
            z = x.flatten(1).mean(1)
            return torch.stack([-z, z], dim=1)

    x, labels, found = *batch(), []
    for steps in (3, 9):
        rules = {name: rule(name, steps=steps) for name in ("pgd", "cw", "shift")}
        Watching.most = 0
        for attacked in sweep_together(rules, Watching(), x, labels, [0.01]):
            del attacked  # a result that is held would be counted with the next ones
        found.append(Watching.most)
    assert found[1] == found[0] <= 12


def test_whether_a_rule_seeks_to_do_harm_is_its_own_word():
    assert not rule("noise").adversarial
    assert not rule("noise", frames=2).adversarial
    for name in ("fgsm", "pgd", "cw", "cw_l2", "shift", "torchattacks:PGD"):
        assert rule(name).adversarial
        assert rule(name, frames=2).adversarial


class Sum(nn.Module):
    """Its gradient is one number for all pixels, which torch holds once, so that it cannot be written to."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = x.flatten(1).sum(dim=1) - x[0].numel() / 2
        return torch.stack([torch.zeros_like(z), z], dim=1)


@pytest.mark.parametrize(
    "name", ["fgsm", "pgd", "cw", "shift", "shift, from x", "shift, apgd", "shift, refined", "cw_l2"]
)
def test_a_gradient_that_is_one_number_for_all_pixels_is_followed(name):
    x, epsilon = torch.full((2, 3, 8, 8), 0.5), 0.05
    labels = torch.tensor([0, 1])
    (attacked,) = sweep(MIXED.get(name) or FIVE[name], Sum(), x, labels, [epsilon], seed=0)
    moved = (attacked.images - x).flatten(1).mean(dim=1)
    assert moved[0] > 0 > moved[1] if "shift" not in name else (moved.abs() > 0.9 * epsilon).all()
