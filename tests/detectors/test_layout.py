"""Channels last where it helps and where the detector can do it; the same answers everywhere."""

import pytest
import torch
from torch import nn

from rrlib.detectors.catalogue import build
from rrlib.detectors.layout import batch_to_device, to_device
from rrlib.errors import InputError
from rrlib.evaluation import evaluate
from rrlib.evaluation.training import Recipe, train

SIZE = 16


class Flattening(nn.Module):
    """One convolution and a dense layer; `view`, which many networks call, does not run channels last."""

    def __init__(self, flatten: str):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4))
        self.dense = nn.Linear(4 * (SIZE // 4) ** 2, 2)
        self.flatten = flatten

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.features(x)
        return self.dense(getattr(features, self.flatten)(len(x), -1))


class OfClips(Flattening):
    """The same for the middle frame of a clip."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x[:, x.shape[1] // 2])


KINDS = pytest.mark.parametrize(("kind", "shape"), [(Flattening, (6, 3, SIZE, SIZE)), (OfClips, (6, 3, 3, SIZE, SIZE))])


def pixels(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@KINDS
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("attack", ["fgsm", "pgd", "cw_l2"])
def test_a_detector_that_calls_view_is_attacked_like_one_that_does_not(in_memory, kind, shape, fold, attack):
    samples = in_memory(pixels(*shape), [0, 1] * 3)
    found, expected = (
        evaluate(kind(flatten).eval(), samples, attack, [0, 0.01, 0.1], fold=fold) for flatten in ("view", "reshape")
    )
    assert found["p_attacked"].to_numpy() == pytest.approx(expected["p_attacked"].to_numpy(), abs=1e-5)


@KINDS
def test_a_detector_that_calls_view_can_be_trained(in_memory, kind, shape):
    samples = in_memory(pixels(*shape), [0, 1] * 3)
    report = train(kind("view"), samples, samples, Recipe(epochs=1, batch_size=4), seed=0)
    assert report["best_epoch"] == 1


@pytest.mark.parametrize(("flatten", "last"), [("reshape", True), ("view", False)])
def test_images_are_laid_out_as_the_detector_is(flatten, last):
    x = pixels(2, 3, SIZE, SIZE)
    detector = to_device(Flattening(flatten).eval(), "cpu", x[0])
    batch = batch_to_device(x, "cpu", detector)
    for tensor in (detector.features[0].weight, batch):
        assert tensor.is_contiguous(memory_format=torch.channels_last) == last
        assert tensor.is_contiguous() != last
    assert torch.equal(batch, x)


def test_nothing_is_rearranged_off_the_processor():
    detector = to_device(build("resnet", 32, seed=0), "meta", torch.zeros(3, 32, 32))
    assert all(weight.is_contiguous() for weight in detector.parameters())
    assert batch_to_device(pixels(2, 3, 32, 32), "meta", detector).is_contiguous()


def test_being_placed_changes_no_mode_and_no_statistics():
    detector = Flattening("reshape").train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    to_device(detector, "cpu", pixels(3, SIZE, SIZE))
    assert detector.training
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_another_fault_of_a_detector_is_told_as_it_is(in_memory):
    class Broken(Flattening):
        def forward(self, x):
            raise RuntimeError("a part is missing")

    data = in_memory(pixels(2, 3, SIZE, SIZE), [0, 1])
    with pytest.raises(RuntimeError, match=r"^a part is missing$"):
        evaluate(Broken("view").eval(), data, "fgsm", [0.1], tried=True)
    with pytest.raises(InputError, match=r"^Broken raised RuntimeError \(a part is missing\) as it looks at shape"):
        evaluate(Broken("view").eval(), data, "fgsm", [0.1])


class Fussy(Flattening):
    """A kernel of one's own: it wants contiguous features, and says so in its own way."""

    def __init__(self, error: type[Exception]):
        super().__init__("reshape")
        self.error = error

    def forward(self, x):
        if not self.features[0](x).is_contiguous():
            raise self.error("contiguous input, please")
        return super().forward(x)


@pytest.mark.parametrize("error", [AssertionError, ValueError, NotImplementedError, TypeError])
def test_a_detector_that_wants_contiguous_features_gets_them(in_memory, error):
    samples = in_memory(pixels(6, 3, SIZE, SIZE), [0, 1] * 3)
    found, expected = (
        evaluate(each.eval(), samples, "pgd", [0, 0.01]) for each in (Fussy(error), Flattening("reshape"))
    )
    assert found["p_attacked"].to_numpy() == pytest.approx(expected["p_attacked"].to_numpy(), abs=1e-5)
