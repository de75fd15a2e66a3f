"""Every attack keeps to the ball, leaves the detector alone and does what its definition says."""

import re

import pytest
import torch
from torch import nn

from rrlib.attacks import rule, sweep
from rrlib.attacks.gradients import margin, margin_gradient
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError

ATTACKS = [
    "noise",
    "fgsm",
    "pgd",
    "cw",
    "shift",
    pytest.param(rule("shift", schedule="apgd"), id="apgd"),
    pytest.param(rule("cw_l2", steps=8, search_steps=2), id="cw_l2"),
    pytest.param(rule("square", queries=30), id="square"),
]
EPSILONS = [0, 0.01, 0.05, 0.2]


class Linear(nn.Module):
    """Logits linear in the pixels, so that the best attack is known in closed form."""

    def __init__(self, scale: float = 1.0, shift: float = 0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3 * 8 * 8, 2, generator=generator, dtype=torch.float64))
        self.scale, self.shift = scale, shift

    def forward(self, x):
        return self.scale * ((x.flatten(1) - 0.5).to(self.weight.dtype) @ self.weight) + self.shift


def batch(n=6, size=32, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(n, 3, size, size, generator=generator, dtype=dtype)
    x[0, :, : size // 4] = 0  # black and white borders: pixels that can move one way only
    x[1, :, : size // 4] = 1
    return x, torch.arange(n) % 2


@pytest.mark.parametrize("architecture", ["resnet", "meso4"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacked_images_stay_in_the_ball_and_in_the_picture(attack, architecture):
    x, labels = batch()
    for attacked in sweep(attack, build(architecture, 32, seed=0), x, labels, EPSILONS):
        assert attacked.images.shape == x.shape
        assert (attacked.images - x).abs().max() <= attacked.epsilon + 1e-6
        assert attacked.images.min() >= 0
        assert attacked.images.max() <= 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_epsilon_zero_is_the_clean_input_and_runs_no_attack(attack):
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return x.flatten(1)[:, :2]

    x, labels = batch()
    (clean,) = sweep(attack, Counting(), x, labels, [0])
    assert torch.equal(clean.images, x)
    assert clean.has_gradient is None
    assert Counting.calls == 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_detector_is_as_before_between_epsilons_and_after(attack):
    detector = build("meso4", 32, seed=0).train()
    detector.requires_grad_(True)
    weight = next(detector.parameters())
    weight.grad = torch.full_like(weight, 7.0)
    state = {key: value.clone() for key, value in detector.state_dict().items()}
    x, labels = batch()
    for _ in sweep(attack, detector, x, labels, EPSILONS):
        assert detector.training
        assert all(parameter.requires_grad for parameter in detector.parameters())
    assert (weight.grad == 7).all()
    assert all(torch.equal(value, state[key]) for key, value in detector.state_dict().items())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_sample_is_attacked_alike_in_any_batch(attack):
    detector = build("resnet", 32, seed=0).double()
    x, labels = batch(6, dtype=torch.float64)
    together = [a.images for a in sweep(attack, detector, x, labels, EPSILONS, seed=5)]
    for part in ([0, 1, 2, 3], [5, 4]):
        picked = torch.tensor(part)
        apart = sweep(attack, detector, x[picked], labels[picked], EPSILONS, seed=5, samples=picked)
        for whole, some in zip(together, apart, strict=True):
            assert torch.allclose(whole[picked], some.images, atol=1e-12)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_attacks_run_inside_no_grad_and_inference_mode(context):
    x, labels = batch()
    detector = build("resnet", 32, seed=0)
    expected = [a.images for a in sweep("pgd", detector, x, labels, EPSILONS)]
    with context():
        inside = [a.images for a in sweep("pgd", detector, x.clone(), labels, EPSILONS)]
    assert all(torch.equal(a, b) for a, b in zip(expected, inside, strict=True))


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_on_a_linear_detector_the_attack_is_the_best_there_is(attack):
    detector = Linear()
    x, labels = batch(size=8, dtype=torch.float64)
    (attacked,) = sweep(attack, detector, x, labels, [0.05])
    direction = (detector.weight[:, 1] - detector.weight[:, 0]).sign().view(1, 3, 8, 8)
    worst = (x + 0.05 * torch.where(labels == 1, -1, 1).view(-1, 1, 1, 1) * direction).clamp(0, 1)
    assert torch.allclose(attacked.images, worst, atol=1e-12)


def test_cw_stops_once_the_wrong_answer_leads():
    detector = Linear(scale=0.2)
    x, labels = batch(40, size=8, dtype=torch.float64)
    (pgd,) = sweep("pgd", detector, x, labels, [0.1])
    (cw,) = sweep("cw", detector, x, labels, [0.1])
    before, _ = margin_gradient(detector, x, labels)
    after_pgd, _ = margin_gradient(detector, pgd.images, labels)
    after_cw, _ = margin_gradient(detector, cw.images, labels)
    flipped = (before < 0) & (after_pgd > 0)
    assert flipped.sum() > 5
    assert (after_cw[flipped] > 0).all()
    assert (after_cw[flipped] < after_pgd[flipped]).all()
    wrong_before = before > 0.5  # stays put but for its random start
    assert wrong_before.any()
    assert torch.allclose(
        cw.images[wrong_before],
        next(iter(sweep(rule("noise"), detector, x, labels, [0.1]))).images[wrong_before],
    )


def test_confidence_makes_cw_go_on():
    detector = Linear(scale=0.2)
    x, labels = batch(40, size=8, dtype=torch.float64)
    (stops,) = sweep(rule("cw"), detector, x, labels, [0.1])
    (goes_on,) = sweep(rule("cw", confidence=1e9), detector, x, labels, [0.1])
    (pgd,) = sweep("pgd", detector, x, labels, [0.1])
    assert torch.equal(goes_on.images, pgd.images)
    assert not torch.equal(stops.images, pgd.images)


@pytest.mark.parametrize("attack", ["pgd", "cw"])
def test_restarts_never_lower_the_margin_and_raise_some(attack):
    detector = build("resnet", 32, seed=0).double()
    x, labels = batch(dtype=torch.float64)
    (once,) = sweep(attack, detector, x, labels, [0.05])
    (often,) = sweep(rule(attack, restarts=3), detector, x, labels, [0.05])
    gain = margin(detector.eval(), often.images, labels) - margin(detector.eval(), once.images, labels)
    assert (gain >= 0).all()
    assert (gain > 0).any()


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "cw"])
def test_adding_a_constant_to_both_logits_changes_nothing(attack):
    x, labels = batch(size=8, dtype=torch.float64)
    plain = [a.images for a in sweep(attack, Linear(), x, labels, EPSILONS)]
    shifted = [a.images for a in sweep(attack, Linear(shift=-100.0), x, labels, EPSILONS)]
    assert all(torch.equal(a, b) for a, b in zip(plain, shifted, strict=True))


def test_a_saturated_softmax_still_has_a_gradient():
    x, labels = batch(size=8)
    detector = Linear(scale=1e4)
    logits = detector(x)
    assert (logits.softmax(1).amax(1) == 1).all()
    (attacked,) = sweep("fgsm", detector, x, labels, [0.05])
    assert attacked.has_gradient.all()
    assert torch.equal(attacked.images, next(iter(sweep("fgsm", Linear(), x, labels, [0.05]))).images)


def test_a_sample_without_gradient_is_reported():
    class Half(nn.Module):
        """Looks at bright images only."""

        def forward(self, x):
            mean = x.flatten(1).mean(1)
            z = torch.where(mean > 0.5, mean, torch.zeros_like(mean))
            return torch.stack([-z, z], dim=1)

    x = torch.stack([torch.full((3, 8, 8), 0.3), torch.full((3, 8, 8), 0.7)])
    (attacked,) = sweep("fgsm", Half(), x, torch.tensor([1, 1]), [0.05])
    assert attacked.has_gradient.tolist() == [False, True]
    assert torch.equal(attacked.images[0], x[0])


def test_clips_are_attacked_over_all_frames():
    class MeanOfFrames(nn.Module):
        def forward(self, clip):
            return Linear()(clip.flatten(0, 1)).unflatten(0, clip.shape[:2]).mean(1)

    clips = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    (attacked,) = sweep("fgsm", MeanOfFrames(), clips, torch.tensor([0, 1]), [0.01])
    assert ((attacked.images - clips).abs().flatten(2).amax(2) > 0.009).all()


@pytest.mark.parametrize(
    ("epsilons", "message"),
    [
        ([0, 1.5], "epsilons: 1.5 is given; epsilon is a number of pixel units in [0, 1]"),
        ([-0.1], "epsilons: -0.1 is given; epsilon is a number of pixel units in [0, 1]"),
        ([float("nan")], "epsilons: nan is given; epsilon is a number of pixel units in [0, 1]"),
        ([0.1, 0.1], "epsilons: 0.1 follows 0.1; list them in increasing order"),
        ([], "epsilons: [] is given; list at least one number in [0, 1]"),
    ],
)
def test_wrong_epsilons_are_refused(epsilons, message):
    with pytest.raises(InputError, match=re.escape(message)):
        sweep("fgsm", Linear(), *batch(size=8), epsilons)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "pdg",
            {},
            "attack pdg is not known; choose from noise, fgsm, pgd, cw, cw_l2, shift, square, torchattacks:NAME",
        ),
        ("fgsm", {"steps": 3}, "fgsm has no option steps; its options are frames"),
        ("pgd", {"steps": 0}, "steps is 0; it is a whole number ≥ 1"),
        ("pgd", {"random_start": "no"}, "random_start is 'no'; it is true or false"),
        ("pgd", {"restarts": 0}, "restarts is 0; it is a whole number ≥ 1"),
        (
            "cw",
            {"restarts": 3, "random_start": False},
            "restarts is 3 without random_start, so that all would start alike; "
            "set restarts to 1 or random_start to true",
        ),
        ("cw", {"confidence": -1}, "confidence is -1; it is a finite number of logits ≥ 0"),
    ],
)
def test_wrong_attacks_are_refused(name, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        rule(name, **options)


def test_pixels_outside_the_unit_interval_are_refused():
    x, labels = batch(size=8)
    with pytest.raises(InputError, match=re.escape("pixels lie in [0, 255]; scale them to [0, 1]")):
        sweep("fgsm", Linear(), x * 255, labels, [0.1])
    x[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="scale them to"):
        sweep("fgsm", Linear(), x, labels, [0.1])


def test_labels_other_than_zero_and_one_are_refused():
    x, _ = batch(2, size=8)
    message = "labels of shape (2,) with values [0, 2] are given; one of 0 (real) or 1 (fake) per sample is needed"
    with pytest.raises(InputError, match=re.escape(message)):
        sweep("fgsm", Linear(), x, torch.tensor([0, 2]), [0.1])


def test_a_detector_with_one_logit_is_refused():
    class One(nn.Module):
        def forward(self, x):
            return x.flatten(1).mean(1, keepdim=True)

    with pytest.raises(InputError, match=re.escape("One returned one logit per sample (shape (6, 1))")):
        list(sweep("fgsm", One(), *batch(size=8), [0.1]))
