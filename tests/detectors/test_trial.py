"""What a trial finds, each of several kinds in one sentence; what it lets pass; what it leaves as it was."""

import copy
import random
import re
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune as prune
from torch import nn

from rrlib.detectors import ARCHITECTURES, Calibrated, OneLogit, try_out
from rrlib.detectors.catalogue import build
from rrlib.detectors.temporal import FrameMean
from rrlib.detectors.trial import pictures
from rrlib.errors import InputError

LARGE = {"xception", "efficientnet-b4", "vit-b16"}
SIZE = 32


class Net(nn.Module):
    """Convolution, batch norm, dense; what a case changes is `before`, `middle` or `after`."""

    def __init__(self, outputs: int = 2, seed: int | None = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            self.convolution = nn.Conv2d(3, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.dense = nn.Linear(128, outputs)
        with torch.no_grad():
            self.dense.weight.mul_(8)

    def before(self, x):
        return x

    def middle(self, x):
        return x

    def after(self, x):
        return x

    def forward(self, x):
        x = self.norm(self.convolution(self.before(x))).relu()
        return self.after(self.dense(self.middle(F.adaptive_avg_pool2d(x, 4).flatten(1))))


def net(outputs: int = 2, **parts) -> Net:
    made = Net(outputs)
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def fails(detector: nn.Module, message: str, **options) -> None:
    with pytest.raises(InputError, match="^" + re.escape(f"mine{message}")) as caught:
        try_out(detector, SIZE, name="mine", **options)
    assert "\n" not in str(caught.value)


# What passes


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in LARGE])
def test_every_built_in_architecture_passes_trained_or_not(architecture):
    modality = ARCHITECTURES[architecture].modality
    detector = build(architecture, SIZE, seed=0)
    again = partial(build, architecture, SIZE, seed=1)
    assert try_out(detector, SIZE, modality, again=again) == ()
    detector(pictures(SIZE, 3 if modality == "video" else None))  # statistics that no new detector has
    assert try_out(detector, SIZE, modality, frames=3, again=again) == ()


class Handle:
    """Of a file, a lock or another program: what cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle '_io.TextIOWrapper' object")


def standardised(x):
    return (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)


def stretched(x):
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)


def with_handle():
    made = Net()
    made.handle = Handle()
    return made


def spectral():
    made = Net()
    nn.utils.spectral_norm(made.convolution)
    return made


def pruned():
    made = Net()
    prune.l1_unstructured(made.convolution, "weight", amount=0.5)
    return made


def constant():
    made = Net()
    nn.init.zeros_(made.dense.weight)
    return made


PASSING = {
    "log-probabilities": lambda: net(after=lambda x: x.log_softmax(1)),
    "one logit": lambda: OneLogit(Net(1)),
    "small logits": lambda: OneLogit(net(1, after=lambda x: 0.1 + 0.001 * x)),
    "calibrated": lambda: Calibrated(Net(), 4.0),
    "standardised": lambda: net(before=standardised),
    "stretched": lambda: net(before=stretched),
    "log-spectrum": lambda: net(before=lambda x: torch.fft.fft2(x).abs().log()),
    "wavelet": lambda: net(before=lambda x: (x - F.avg_pool2d(x, 3, 1, 1)).abs().log1p()),
    "standardised logits": lambda: net(before=lambda x: torch.logit(x)),
    "a last layer that is not trained yet": constant,
    "a handle": with_handle,
    "spectral norm": spectral,
    "pruned": pruned,
    "TorchScript, scripted": lambda: torch.jit.script(build("resnet", SIZE, seed=0).eval()),
    "TorchScript, traced": lambda: torch.jit.trace(Net().eval(), torch.rand(2, 3, SIZE, SIZE)),
    "double inside": lambda: net(before=lambda x: (x.double() ** 2).float()),
    "half": lambda: net(after=lambda x: x.bfloat16()),
}


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_is_right_passes(kind):
    said = try_out(PASSING[kind](), SIZE)
    assert said == ("a save and a load were not tried: the detector cannot be built a second time here",)


# Probabilities and labels

SUMS = " returns probabilities, in [0, 1] and with the sum 1, where logits are due; leave out its softmax or return"
ENDS = " returns a probability, as it ends in a sigmoid or softmax, where a logit is due; leave that step out"


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (lambda: net(after=lambda x: x.softmax(1)), SUMS),
        (lambda: net(after=lambda x: x.softmax(1).clamp(1e-6, 1 - 1e-6)), SUMS),
        (lambda: net(1, after=lambda x: torch.cat([1 - x.sigmoid(), x.sigmoid()], dim=1)), SUMS),
        (lambda: net(1, after=lambda x: torch.cat([1 / (1 + x.exp()), 1 / (1 + (-x).exp())], dim=1)), SUMS),
        (lambda: net(after=lambda x: x.sigmoid()), ENDS),
        (lambda: net(3, after=lambda x: x.softmax(1)[:, 1:]), ENDS),
        (lambda: OneLogit(net(1, after=lambda x: x.sigmoid())), ": what its OneLogit wraps" + ENDS),
        (lambda: OneLogit(nn.Sequential(Net(1), nn.Sigmoid())), ": what its OneLogit wraps" + ENDS),
        (lambda: OneLogit(net(1, after=lambda x: torch.sigmoid(x).squeeze(1))), ": what its OneLogit wraps" + ENDS),
        (lambda: OneLogit(net(2, after=lambda x: x.softmax(1)[:, 1])), ": what its OneLogit wraps" + ENDS),
        (lambda: OneLogit(net(1, after=F.hardsigmoid)), ": what its OneLogit wraps" + ENDS),
        (lambda: Calibrated(net(after=lambda x: x.softmax(1)), 2.0), ": what its Calibrated wraps" + SUMS),
        (lambda: Calibrated(OneLogit(net(1, after=torch.sigmoid)), 2.0), ": what its OneLogit wraps" + ENDS),
    ],
)
def test_probabilities_are_told_from_logits(detector, message):
    found = detector()
    with pytest.raises(InputError, match="^" + re.escape(f"mine{message}")):
        try_out(found, SIZE, name="mine")


def test_probabilities_of_frames_are_found_too():
    softmax = FrameMean(net(after=lambda x: x.softmax(1)))
    fails(softmax, ": what its FrameMean wraps", modality="video")
    sigmoid = FrameMean(OneLogit(net(1, after=torch.sigmoid)), frames_at_once=2)
    fails(sigmoid, ": what its OneLogit wraps" + ENDS, modality="video")


def test_labels_are_not_logits():
    one_hot = net(after=lambda x: F.one_hot(x.argmax(1), 2).float())
    fails(one_hot, " returns labels, a 0 and a 1, where logits are due; return what their argmax is of")
    whole = net(after=lambda x: F.one_hot(x.argmax(1), 2))
    fails(whole, " returned torch.int64; a detector returns logits, floating-point numbers")


# One answer to one picture


class Counting(Net):
    """It remembers how often it was asked."""

    def before(self, x):
        self.asked = getattr(self, "asked", 0) + 1
        return x * (1 + 0.01 * self.asked)


class Seldom(Net):
    """Half of the time a part is left out, of all samples alike: two looks are often the same."""

    def middle(self, x):
        return x if torch.rand(()) < 0.5 else x * 0.5


@pytest.mark.parametrize(
    "detector",
    [
        lambda: net(middle=lambda x: F.dropout(x, 0.5)),
        lambda: net(before=lambda x: x + 0.01 * torch.randn_like(x)),
        lambda: net(before=lambda x: x + 0.01 * float(np.random.default_rng().normal())),
        lambda: net(before=lambda x: x * (1 + 0.01 * random.random())),
        lambda: net(before=lambda x: x.roll(int(torch.randint(1, 9, ())), dims=2)),
        Counting,
        Seldom,
    ],
)
def test_two_answers_to_one_picture_are_found(detector):
    torch.manual_seed(0)
    fails(detector(), " gives two answers to one picture, ")


class AlwaysTraining(Net):
    def train(self, mode: bool = True):
        return super().train(True)


def without_statistics():
    made = Net()
    made.norm = nn.BatchNorm2d(8, track_running_stats=False)
    return made


def test_batch_norm_in_train_mode_is_named_and_its_statistics_stay():
    detector = AlwaysTraining()
    before = copy.deepcopy(detector.state_dict())
    fails(detector, " answers otherwise alone than in a batch, by ")
    with pytest.raises(InputError, match=r"\(a batch norm: it updates norm\.running_mean, norm\.running_var, "):
        try_out(detector, SIZE)
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


@pytest.mark.parametrize(
    "detector",
    [
        without_statistics,
        lambda: net(before=lambda x: x - x.mean()),
        lambda: net(middle=lambda x: (x - x.mean(0)) / (x.std(0, correction=0) + 1e-3)),
        lambda: net(after=lambda x: x / x.norm()),
    ],
)
def test_an_answer_that_depends_on_the_batch_is_found(detector):
    fails(detector(), " answers otherwise alone than in a batch, by ")


# The input, and the gradient


def shifted(x):
    x -= 0.5
    return x


@pytest.mark.parametrize("change", [shifted, lambda x: x.sub_(0.5).div_(0.5), lambda x: x.clamp_(0.2, 0.8)])
def test_an_input_that_is_changed_in_place_is_found(change):
    fails(net(before=change), " changes its input in place, by up to 0.")


@pytest.mark.parametrize(
    "wrap",
    [torch.no_grad, torch.inference_mode],
)
def test_a_forward_without_gradients_is_found(wrap):
    class Without(Net):
        def forward(self, x):
            with wrap():
                return super().forward(x)

    fails(Without(), " has no gradient to the pixels, which attacks need; its forward may use no no_grad, inference")


@pytest.mark.parametrize(
    "before",
    [
        lambda x: x.detach(),
        lambda x: torch.from_numpy(x.detach().numpy() * 1.0),
        lambda x: (x * 255).byte().float() / 255,
        lambda x: (x > 0.5).float(),
    ],
)
def test_pixels_that_are_cut_off_are_found(before):
    fails(net(before=before), " has no gradient to the pixels")


def test_numpy_that_torch_refuses_is_told():
    fails(
        net(before=lambda x: torch.from_numpy(np.asarray(x.numpy() * 1.0))),
        " raised RuntimeError (Can't call numpy() on Tensor that requires grad",
    )


@pytest.mark.parametrize("before", [lambda x: (x * 255).round() / 255, lambda x: (8 * x).floor() / 8])
def test_a_gradient_that_is_zero_is_found(before):
    fails(net(before=before), " has a gradient of 0 at every pixel of two pictures that it tells apart; leave out what")


def test_a_gradient_that_is_not_finite_is_found():
    fails(net(before=lambda x: x + (x * 0).sqrt()), " has a NaN or infinite gradient at an ordinary picture; check")


# What is returned, and what is raised


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (lambda: net(1), " returned one logit per sample (shape (2, 1)) where two, [real, fake], are needed; wrap"),
        (lambda: net(1, after=lambda x: x[:, 0]), " returned one logit per sample (shape (2,)) where two"),
        (lambda: net(3), " returned shape (2, 3); a detector returns (2, 2), the logits [real, fake] of 2 samples"),
        (lambda: net(after=lambda x: x[0]), " returned one logit per sample (shape (2,)) where two"),
        (lambda: net(after=lambda x: {"logits": x}), " returned a dict; a detector returns a tensor of shape (2, 2)"),
        (lambda: net(after=lambda x: (x, x)), " returned a tuple; a detector returns a tensor of shape (2, 2)"),
        (lambda: net(after=lambda x: [x]), " returned a list; a detector returns a tensor of shape (2, 2)"),
        (lambda: net(after=lambda x: None), " returned a NoneType; a detector returns a tensor of shape (2, 2)"),
        (lambda: net(after=lambda x: x * float("nan")), " returned NaN or infinite logits for an ordinary picture of"),
        (lambda: net(after=lambda x: x.exp().exp().exp().exp()), " returned NaN or infinite logits for an ordinary"),
        (lambda: net(before=lambda x: x[:, :1]), " raised RuntimeError (Given groups=1, weight of size"),
        (lambda: net(before=lambda x: 1 / 0), " raised ZeroDivisionError (division by zero) as it looks at shape (2"),
        (lambda: net(before=lambda x: x.reshape(1, 3, SIZE, SIZE)), " raised RuntimeError (shape '[1, 3, 32, 32]' is"),
    ],
)
def test_what_is_no_pair_of_logits_is_told_in_a_sentence(detector, message):
    fails(detector(), message)


def test_clips_are_for_detectors_of_video():
    fails(build("resnet3d", SIZE, 0), ": ResNet3D takes clips (N, T, 3, H, W), not (2, 3, 32, 32); give each sample")
    fails(build("resnet", SIZE, 0), " raised RuntimeError (Expected 3D (unbatched) or 4D", modality="video")


# After a save and a load


class Projected(nn.Module):
    """Logits of random features; `keep` says where the projection is kept."""

    def __init__(self, keep: str) -> None:
        super().__init__()
        projection = torch.randn(3 * SIZE**2, 64) / 20
        if keep in ("persistent", "lost"):
            self.register_buffer("projection", projection, persistent=keep == "persistent")
        elif keep == "parameter":
            self.projection = nn.Parameter(projection, requires_grad=False)
        elif keep == "numpy":
            self.held = np.random.default_rng().normal(size=(3 * SIZE**2, 64)) / 20
        elif keep == "list":
            self.held = [projection]
        else:
            self.projection = projection
        self.dense = nn.Linear(64, 2)

    def forward(self, x):
        held = getattr(self, "projection", None)
        if held is None:
            held = torch.as_tensor(self.held[0] if isinstance(self.held, list) else self.held, dtype=x.dtype)
        return self.dense(torch.cos((x - 0.5).flatten(1) @ held))


@pytest.mark.parametrize("keep", ["lost", "attribute", "numpy", "list"])
def test_state_that_is_not_in_the_checkpoint_is_found(keep):
    torch.manual_seed(0)
    fails(Projected(keep), " answers otherwise after a save and a load, by ", again=partial(Projected, keep))


def test_the_lost_tensor_is_named():
    with pytest.raises(InputError, match=re.escape("(perhaps projection) is not in its state_dict; make it a")):
        try_out(Projected("lost"), SIZE, again=partial(Projected, "lost"))


@pytest.mark.parametrize("keep", ["persistent", "parameter"])
def test_state_in_the_checkpoint_passes(keep):
    assert try_out(Projected(keep), SIZE, again=partial(Projected, keep)) == ()


def test_a_constant_that_every_detector_has_may_stay_out():
    class Constant(Net):
        def __init__(self) -> None:
            super().__init__(seed=None)
            self.register_buffer("mean", torch.full((3, 1, 1), 0.4), persistent=False)

        def before(self, x):
            return x - self.mean

    assert try_out(Constant(), SIZE, again=Constant) == ()


def test_weights_that_do_not_fit_a_second_detector_are_told():
    widths = count(3)

    class Grows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(3 * SIZE**2, next(widths))

        def forward(self, x):
            return self.dense(x.flatten(1))[:, :2]

    fails(Grows(), " cannot be loaded again: its weights do not fit a new one (RuntimeError (", again=Grows)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_detector_that_cannot_be_written_is_told():
    def quantised():
        return torch.ao.quantization.quantize_dynamic(Net().eval(), {nn.Linear})

    fails(quantised(), " cannot be written: dense._packed_params.dtype is a dtype, and a checkpoint", again=quantised)


def test_a_second_detector_that_cannot_be_built_is_said():
    (said,) = try_out(Net(), SIZE, again=lambda: 1 / 0)
    assert said == (
        "a save and a load were not tried: a second detector could not be built (ZeroDivisionError (division by zero))"
    )


# What a trial leaves as it was, and what it costs


def test_nothing_is_changed():
    detector = build("resnet", SIZE, seed=0).train()
    detector.stem[1].eval()
    detector.classifier.bias.requires_grad_(False)
    before = copy.deepcopy(detector.state_dict())
    flags = [module.training for module in detector.modules()], [p.requires_grad for p in detector.parameters()]
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    try_out(detector, SIZE, again=partial(build, "resnet", SIZE, seed=1))
    assert flags == ([m.training for m in detector.modules()], [p.requires_grad for p in detector.parameters()])
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert all(parameter.grad is None for parameter in detector.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]  # noqa: NPY002


def test_a_trial_takes_six_forwards_and_one_gradient():
    asked = []

    class Counted(Net):
        def before(self, x):
            asked.append((len(x), x.requires_grad))
            return x

    try_out(Counted(), SIZE)
    assert asked == [(2, False), (2, False), (2, False), (1, False), (1, False), (2, True)]


@pytest.mark.parametrize("size", [1, 8, 33, 256])
@pytest.mark.parametrize("frames", [None, 1, 5])
def test_pictures_are_like_photographs_and_the_same_in_every_run(size, frames):
    found = pictures(size, frames)
    assert found.shape == (2, *([frames] if frames else []), 3, size, size)
    assert torch.equal(found, pictures(size, frames))
    assert torch.equal(found, (found * 255).round() / 255)
    assert found.min() > 0
    assert found.max() < 1
    if size < 8:
        return
    for picture in found if frames is None else found[:, 0]:
        neighbours = torch.stack([picture[:, :, 1:].flatten(), picture[:, :, :-1].flatten()])
        assert 0.05 < picture.std() < 0.3
        if size > 8:
            assert torch.corrcoef(neighbours)[0, 1] > 0.8  # white noise has 0, a flat picture none
    if frames and frames > 1:
        assert not torch.equal(found[:, 0], found[:, 1])
