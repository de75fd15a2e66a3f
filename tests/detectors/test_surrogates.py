"""The copy with batch norms folded in says what the detector says, or it is not used."""

import copy

import pytest
import torch
import torch.nn.utils.prune as prune
from torch import nn

from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors.catalogue import ARCHITECTURES, build
from rrlib.detectors.surrogates import fold, surrogate
from rrlib.errors import InputError
from rrlib.evaluation import evaluate

NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def inputs(architecture: str, n: int = 4, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    shape = (n, 5, 3, 32, 32) if ARCHITECTURES[architecture].modality == "video" else (n, 3, 32, 32)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def used(architecture: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A detector whose batch norms have statistics, scales of both signs, and shifts."""
    detector = build(architecture, 32, seed=0).to(dtype)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for _ in range(5):
            detector(inputs(architecture, 8, dtype))
        for norm in detector.modules():
            if isinstance(norm, NORMS):
                norm.weight.copy_(torch.rand(len(norm.weight), generator=generator) * 2 - 0.5)
                norm.bias.copy_(torch.randn(len(norm.bias), generator=generator))
    return detector.eval()


LARGE = {"xception", "efficientnet-b4", "vit-b16"}  # folded in their own tests, where there is what to fold
SHARED = {"meso4-deepfakebench", "mesoinception4-deepfakebench"}  # a norm of two convolutions stays a norm


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in LARGE | SHARED])
def test_the_folded_copy_is_the_same_function(architecture):
    detector, x = used(architecture), inputs(architecture)
    folded, count = fold(detector, x[:1])
    assert count > 0
    with torch.no_grad():
        assert torch.allclose(folded(x), detector(x), rtol=1e-9, atol=1e-9)
    labels = torch.arange(len(x)) % 2
    for a, b in zip(margin_gradient(folded, x, labels), margin_gradient(detector, x, labels), strict=True):
        assert torch.allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("architecture", "left"),
    # Inception's blocks end in a concatenation, which no single convolution can take a norm over from
    [("meso4", 0), ("mesoinception4", 2), ("resnet", 0), ("frame-mean-resnet", 0), ("cnn-gru", 0), ("resnet3d", 0)],
)
def test_every_norm_behind_a_convolution_is_gone(architecture, left):
    folded, count = fold(used(architecture), inputs(architecture)[:1])
    norms = sum(isinstance(module, NORMS) for module in build(architecture, 32, seed=0).modules())
    assert sum(isinstance(module, NORMS) for module in folded.modules()) == left == norms - count


def test_frames_that_pass_in_parts_are_folded_too():
    detector = used("frame-mean-resnet")
    detector.frames_at_once = 2
    assert fold(detector, inputs("frame-mean-resnet")[:1])[1] == 9


def test_the_detector_itself_stays_as_it_was():
    detector = used("meso4").train().requires_grad_(True)
    before = copy.deepcopy(detector.state_dict())
    surrogate(detector, inputs("meso4"))
    assert detector.training
    assert all(parameter.requires_grad for parameter in detector.parameters())
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())


class UsedTwice(nn.Module):
    """Its convolution's output goes to a batch norm, and past it: folding would change the answer."""

    def __init__(self, norms: int):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.convolution = nn.Conv2d(3, 2, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(2) for _ in range(norms))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(3 * torch.randn(parameter.shape, generator=generator))

    def forward(self, x):
        z = self.convolution(x)
        return (sum(norm(z) for norm in self.norms) - z).mean(dim=(2, 3))


@pytest.mark.parametrize("norms", [1, 2])
def test_a_copy_that_differs_is_not_used_and_the_description_says_so(norms):
    detector, x = UsedTwice(norms).eval(), inputs("resnet", dtype=torch.float32)
    found, description = surrogate(detector, x)
    assert description.startswith("the detector itself: a copy with ")
    assert "batch norms folded differed by up to " in description
    with torch.no_grad():
        assert torch.equal(found(x), detector(x))


def test_a_used_copy_says_how_far_it_is_from_the_detector():
    detector, x = used("resnet", torch.float32), inputs("resnet", dtype=torch.float32)
    found, description = surrogate(detector, x)
    with torch.no_grad():
        difference = (found(x).softmax(1) - detector(x).softmax(1)).abs().max()
    assert difference < 1e-5
    assert description.startswith("a copy with 9 batch norms folded into convolutions; on the first batch its")


def test_without_batch_norm_there_is_nothing_to_fold():
    detector = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    description = surrogate(detector, inputs("resnet", dtype=torch.float32)).description
    assert description == "the detector itself: it has no batch norm to fold into a convolution"


def test_a_detector_that_breaks_its_contract_is_named():
    with pytest.raises(InputError, match=r"^mine returned one logit per sample"):
        surrogate(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1)), inputs("resnet", 2, torch.float32), "mine")


# Detectors that run, though they cannot be folded, copied or rearranged


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.dense = nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, x):
        x = self.norm(self.first(x)).relu()
        return self.dense(self.other(self.second(self.check(x))).relu().mean((2, 3)))

    def check(self, x):
        return x


def changed(change) -> nn.Module:
    made = Small()
    change(made)
    with torch.no_grad():
        made.eval()(torch.rand(1, 3, 32, 32))
    return made


class Scaled(nn.Conv2d):
    """A convolution that standardises its weight in each forward."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


def standardised(made: Small) -> None:
    made.first = Scaled(3, 4, 3, padding=1)


HOOKED = {
    "spectral norm": lambda made: nn.utils.spectral_norm(made.first),
    "weight norm": lambda made: nn.utils.weight_norm(made.first),
    "pruning": lambda made: prune.l1_unstructured(made.first, "weight", amount=0.5),
    "spectral norm, as a parametrization": lambda made: nn.utils.parametrizations.spectral_norm(made.first),
    "weight norm, as a parametrization": lambda made: nn.utils.parametrizations.weight_norm(made.first),
    "standardised weight": standardised,
    "a forward hook": lambda made: made.first.register_forward_hook(lambda module, x, y: 2 * y),
}


@pytest.mark.parametrize("kind", HOOKED)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_that_is_computed_keeps_its_norm_and_the_other_is_folded(kind):
    detector, x = changed(HOOKED[kind]), inputs("resnet", dtype=torch.float32)
    found, description = surrogate(detector, x)
    assert description.startswith("a copy with 1 batch norms folded into convolutions; on the first batch its")
    with torch.no_grad():
        torch.testing.assert_close(found(x), detector(x), rtol=1e-4, atol=1e-4)


class Handle:
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle '_thread.lock' object")


def with_handle(made: Small) -> None:
    made.handle = Handle()


def with_history(made: Small) -> None:
    made.seen = made.dense.weight * 2  # a tensor with a history, as a forward outside no_grad leaves it in a hook


@pytest.mark.parametrize(
    ("change", "why"),
    [(with_handle, "TypeError (cannot pickle '_thread.lock' object)"), (with_history, "RuntimeError (Only Tensors")],
)
def test_a_detector_that_cannot_be_copied_is_attacked_itself(change, why, in_memory):
    detector, x = Small().train(), inputs("resnet", dtype=torch.float32)
    change(detector)
    found, description = surrogate(detector, x)
    assert found is detector
    assert description.startswith(f"the detector itself: it cannot be copied: {why}")
    table = evaluate(detector, in_memory(x, [0, 1, 0, 1]), "pgd", [0, 0.01])
    assert table.attrs["attacked"].startswith(f"the detector itself: it cannot be copied: {why}")
    same = evaluate(Small(), in_memory(x, [0, 1, 0, 1]), "pgd", [0, 0.01])
    assert table["p_attacked"].to_numpy() == pytest.approx(same["p_attacked"].to_numpy(), abs=1e-4)
    assert detector.training
    assert all(parameter.requires_grad for parameter in detector.parameters())


def test_a_fold_that_does_not_run_is_not_used():
    class Asking(Small):
        def forward(self, x):
            if not isinstance(self.norm, nn.BatchNorm2d):
                raise AttributeError("my norm is gone")
            return super().forward(x)

    detector, x = Asking().eval(), inputs("resnet", dtype=torch.float32)
    found, description = surrogate(detector, x)
    assert description == (
        "the detector itself: a copy with batch norms folded does not run: AttributeError (my norm is gone)"
    )
    with torch.no_grad():
        assert torch.equal(found(x), detector(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compile", [torch.jit.script, lambda made: torch.jit.trace(made, torch.rand(4, 3, 32, 32))])
def test_torchscript_is_attacked_like_the_module_that_it_comes_from(compile, in_memory):
    x = inputs("resnet", dtype=torch.float32)
    detector = build("resnet", 32, seed=0).eval()
    samples = in_memory(x, [0, 1, 0, 1])
    found = evaluate(compile(detector), samples, "pgd", [0, 0.01])
    assert found.attrs["attacked"].startswith("the detector itself: ")
    expected = evaluate(detector, samples, "pgd", [0, 0.01])
    assert found["p_attacked"].to_numpy() == pytest.approx(expected["p_attacked"].to_numpy(), abs=1e-5)
