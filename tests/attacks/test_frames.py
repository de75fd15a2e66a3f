"""Attacks on clips: every rule works over time, and an attacker may be allowed some of the frames only."""

import re

import pytest
import torch
from torch import nn

from rrlib.attacks import rule, sweep
from rrlib.attacks.frames import TouchedFrames
from rrlib.attacks.gradients import margin
from rrlib.attacks.rules import PGD
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError

ATTACKS = {
    "noise": {},
    "fgsm": {},
    "pgd": {"steps": 3, "restarts": 2},
    "cw": {"steps": 3},
    "cw_l2": {"steps": 8, "search_steps": 3, "initial_c": 1.0},
    "shift": {"steps": 3},
    "square": {"queries": 40},
    "torchattacks:FGSM": {},
    "torchattacks:PGD": {"steps": 3},
    "torchattacks:CW": {"c": 100, "steps": 10, "lr": 0.05},
}
EACH = pytest.mark.parametrize("name", ATTACKS)
EPSILONS = [0, 0.01, 0.1]
FRAMES = 5


class Weighted(nn.Module):
    """z_fake is a sum over frames of weight · mean pixel: whose frame counts for how much is known."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights))

    def forward(self, x):
        z = (x - 0.5).mean(dim=(2, 3, 4)) @ self.weights
        return torch.stack([-z, z], dim=1)


def clips(n=3, size=32, dtype=torch.float32):
    x = torch.rand(n, FRAMES, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return x * 0.8 + 0.1, torch.arange(n) % 2


@pytest.fixture(scope="module")
def detector():
    """A GRU that has seen clips, so that frames count, and to a different degree."""
    detector = build("cnn-gru", 32, seed=0)
    with torch.no_grad():
        for _ in range(20):
            detector(clips()[0])
    return detector.eval().double()


def as_predicted(detector, x):
    """Labels that make every clean answer right, so that no attack stands still."""
    return detector(x).argmax(dim=1)


def attacked(attack, detector, x, labels, epsilons=EPSILONS, **keywords):
    return [step.images for step in sweep(attack, detector, x, labels, epsilons, **keywords)]


def changed(images, x):
    """(N, T) bool: which frames differ from the clean ones."""
    return (images != x).flatten(2).any(dim=2)


@pytest.mark.parametrize("architecture", ["frame-mean-resnet", "cnn-gru", "resnet3d"])
@EACH
def test_every_attack_moves_clips_within_the_ball(name, architecture):
    x, labels = clips()
    detector = build(architecture, 32, seed=0)
    for epsilon, images in zip(EPSILONS, attacked(rule(name, **ATTACKS[name]), detector, x, labels), strict=True):
        assert images.shape == x.shape
        assert (images - x).abs().max() <= epsilon + 1e-6
        assert images.min() >= 0
        assert images.max() <= 1


@EACH
def test_every_attack_moves_every_frame_unless_told_otherwise(name, detector):
    x, _ = clips(dtype=torch.float64)
    labels = as_predicted(detector, x)
    assert changed(attacked(rule(name, **ATTACKS[name]), detector, x, labels)[-1], x).all()


def test_fgsm_on_a_clip_is_the_hand_written_one():
    x, labels = clips()
    detector = build("frame-mean-resnet", 32, seed=0).eval()
    pixels = x.clone().requires_grad_()
    logits = detector(pixels).double()
    wrong_lead = torch.where(labels == 1, logits[:, 0] - logits[:, 1], logits[:, 1] - logits[:, 0])
    wrong_lead.sum().backward()
    for epsilon, images in zip([0.01, 0.1], attacked("fgsm", detector, x, labels, [0.01, 0.1]), strict=True):
        assert torch.equal(images, (x + epsilon * pixels.grad.sign()).clamp(0, 1))


@pytest.mark.parametrize("frames", [1, 3])
@EACH
def test_exactly_so_many_frames_change(name, frames, detector):
    x, _ = clips(dtype=torch.float64)
    labels = as_predicted(detector, x)
    chosen = []
    for epsilon, images in zip(
        EPSILONS, attacked(rule(name, frames=frames, **ATTACKS[name]), detector, x, labels), strict=True
    ):
        assert (images - x).abs().max() <= epsilon + 1e-12
        assert images.min() >= 0
        assert images.max() <= 1
        if epsilon:
            chosen.append(changed(images, x))
            assert chosen[-1].sum(dim=1).tolist() == [frames] * len(x)
    assert torch.equal(*chosen)


@EACH
def test_the_frames_are_those_of_the_largest_gradient(name, detector):
    x, _ = clips(dtype=torch.float64)
    labels = as_predicted(detector, x)
    expected = torch.zeros(len(x), FRAMES, dtype=torch.bool)
    for number in range(len(x)):
        pixels = x[number : number + 1].clone().requires_grad_()
        logits = detector(pixels)[0]
        (logits[0] - logits[1]).backward()
        norms = [pixels.grad[0, frame].abs().sum().item() for frame in range(FRAMES)]
        for frame in sorted(range(FRAMES), key=lambda frame: -norms[frame])[:2]:
            expected[number, frame] = True
    images = attacked(rule(name, frames=2, **ATTACKS[name]), detector, x, labels)[-1]
    assert torch.equal(changed(images, x), expected)


def test_clips_of_one_batch_may_differ_in_their_frames():
    class ByBrightness(nn.Module):
        """Looks at the last frame of dark clips and at the first of bright ones."""

        def forward(self, x):
            mean = x.mean(dim=(2, 3, 4))
            z = torch.where(mean.mean(dim=1) < 0.5, mean[:, -1], mean[:, 0])
            return torch.stack([-z, z], dim=1)

    x = torch.stack([torch.full((3, 3, 8, 8), 0.2), torch.full((3, 3, 8, 8), 0.7)])
    (images,) = attacked(rule("fgsm", frames=1), ByBrightness(), x, torch.tensor([0, 0]), [0.1])
    assert changed(images, x).tolist() == [[False, False, True], [True, False, False]]


def test_of_equal_frames_the_earlier_are_touched():
    x, labels = clips(size=8)
    (images,) = attacked(rule("fgsm", frames=3), Weighted([1.0, -2.0, 1.0, 2.0, 1.0]), x, labels, [0.1])
    assert changed(images, x).tolist() == [[True, True, False, True, False]] * len(x)


def test_without_any_gradient_the_first_frames_are_touched_and_the_sample_says_so():
    x, labels = clips(size=8)
    detector = Weighted([0.0] * FRAMES)
    (noise,) = sweep(rule("noise", frames=2), detector, x, labels, [0.1])
    assert changed(noise.images, x).tolist() == [[True, True, False, False, False]] * len(x)
    assert noise.has_gradient is None
    for name in ("fgsm", "pgd", "cw", "cw_l2", "shift"):
        (step,) = sweep(rule(name, frames=2), detector, x, labels, [0.1])
        assert not step.has_gradient.any()
        assert not changed(step.images, x)[:, 2:].any()


@EACH
def test_with_all_frames_to_touch_it_is_the_attack_itself(name):
    x, labels = clips()
    detector = build("cnn-gru", 32, seed=0)
    plain = list(sweep(rule(name, **ATTACKS[name]), detector, x, labels, EPSILONS, seed=5))
    touched = list(sweep(rule(name, frames=FRAMES, **ATTACKS[name]), detector, x, labels, EPSILONS, seed=5))
    for a, b in zip(plain, touched, strict=True):
        assert torch.equal(a.images, b.images)
        assert (a.has_gradient is None and b.has_gradient is None) or torch.equal(a.has_gradient, b.has_gradient)


@pytest.mark.parametrize("name", ["noise", "fgsm", "pgd", "cw", "shift"])
def test_where_frames_do_not_interact_the_touched_ones_are_attacked_as_without_the_limit(name):
    x, labels = clips(size=8, dtype=torch.float64)
    detector = Weighted([0.3, 3.0, 0.2, 2.0, 0.1]).double()
    options = {"confidence": 1e9} if name == "cw" else {}  # goes on, whatever the other frames achieve
    plain = attacked(rule(name, **options), detector, x, labels, seed=3)[-1]
    touched = attacked(rule(name, frames=2, **options), detector, x, labels, seed=3)[-1]
    assert torch.equal(touched[:, [1, 3]], plain[:, [1, 3]])
    assert torch.equal(touched[:, [0, 2, 4]], x[:, [0, 2, 4]])


@EACH
def test_a_clip_is_attacked_alike_in_any_batch(name, detector):
    x, _ = clips(dtype=torch.float64)
    labels, attack = as_predicted(detector, x), rule(name, frames=2, **ATTACKS[name])
    together = attacked(attack, detector, x, labels, seed=5)
    picked = torch.tensor([2, 0])
    apart = attacked(attack, detector, x[picked], labels[picked], seed=5, samples=picked)
    for whole, some in zip(together, apart, strict=True):
        assert torch.equal(whole[picked], some)


def test_more_frames_never_hurt_the_attacker_on_a_linear_detector():
    x, labels = clips(size=8, dtype=torch.float64)
    detector = Weighted([0.3, -3.0, 0.2, 2.0, 0.1]).double()
    margins = [
        margin(detector, attacked(rule("fgsm", frames=k), detector, x, labels, [0.1])[0], labels)
        for k in range(1, FRAMES + 1)
    ]
    gains = torch.stack(margins).diff(dim=0)
    assert (gains > 0).all()
    assert (gains.diff(dim=0) < 0).all()  # the most influential first


def test_the_detector_is_as_before_between_epsilons_and_after():
    detector = build("cnn-gru", 32, seed=0).train()
    state = {key: value.clone() for key, value in detector.state_dict().items()}
    for _ in sweep(rule("pgd", frames=2, steps=2), detector, *clips(), EPSILONS):
        assert all(module.training for module in detector.modules())
        assert all(parameter.requires_grad for parameter in detector.parameters())
    assert all(torch.equal(value, state[key]) for key, value in detector.state_dict().items())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_runs_inside_no_grad_and_inference_mode(context):
    x, labels = clips()
    detector, attack = build("resnet3d", 32, seed=0), rule("pgd", frames=2, steps=2)
    expected = attacked(attack, detector, x, labels)
    with context():
        inside = attacked(attack, detector, x.clone(), labels)
    assert all(torch.equal(a, b) for a, b in zip(expected, inside, strict=True))


def test_frames_are_one_more_option_of_every_rule():
    assert rule("pgd", frames=3, steps=10) == TouchedFrames(PGD(steps=10), frames=3)
    assert str(rule("noise", frames=3)) == "TouchedFrames(rule=Noise(), frames=3)"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pgd", {"frames": 0}, "frames is 0; it is a whole number ≥ 1"),
        ("pgd", {"frames": 2.0}, "frames is 2.0; it is a whole number ≥ 1"),
        ("noise", {"frames": None}, "frames is None; it is a whole number ≥ 1"),
        ("pgd", {"frames": 3, "steps": 0}, "steps is 0; it is a whole number ≥ 1"),
        ("fgsm", {"frames": 3, "steps": 2}, "fgsm has no option steps; its options are frames"),
        ("torchattacks:FGSM", {"frames": "2"}, "frames is '2'; it is a whole number ≥ 1"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        rule(name, **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (2, 3, 8, 8),
            "frames is 3, but the batch of shape (2, 3, 8, 8) holds images; "
            "attack clips (N, T, 3, H, W) or leave frames out",
        ),
        ((2, 2, 3, 8, 8), "frames is 3, but these clips have 2; choose from 1 to 2"),
    ],
)
def test_images_and_clips_that_are_too_short_are_refused(shape, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        attacked(rule("noise", frames=3), Weighted([1.0, 1.0]), torch.full(shape, 0.5), torch.tensor([0, 1]))
