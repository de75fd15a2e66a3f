import re

import pytest
import torch
from torch import nn

from rrlib.detectors.contract import Calibrated, OneLogit, check_logits, frozen
from rrlib.errors import InputError


def test_good_logits_come_back_as_they_are():
    logits = torch.tensor([[0.5, -1.0], [0.0, 3.0]])
    assert check_logits(logits, 2, "resnet") is logits


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_gets_the_remedy(shape):
    message = (
        f"mine returned one logit per sample (shape {shape}) where two, [real, fake], are needed; "
        "wrap it in rrlib.detectors.contract.OneLogit"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_logits(torch.zeros(shape), 4, "mine")


@pytest.mark.parametrize("shape", [(4, 3), (3, 2), (4, 2, 1), (2, 4), ()])
def test_any_other_shape_is_named_with_the_one_allowed(shape):
    message = f"mine returned shape {shape}; a detector returns (4, 2), the logits [real, fake] of 4 samples"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_logits(torch.zeros(shape), 4, "mine")


def test_an_output_object_is_not_logits():
    message = "mine returned a dict; a detector returns a tensor of shape (4, 2), the logits [real, fake]"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_logits({"logits": torch.zeros(4, 2)}, 4, "mine")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_logits_are_counted_by_sample_and_located(value):
    logits = torch.zeros(5, 2)
    logits[2] = value
    logits[4, 1] = value
    message = (
        "mine returned NaN or infinite logits for 2 of 5 samples, the first at index 2; "
        "check its weights and that its input is finite and in [0, 1]"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        check_logits(logits, 5, "mine")


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_logit_becomes_zero_and_z_so_that_softmax_is_the_sigmoid(shape):
    z = torch.tensor([-2.0, 0.0, 5.0])
    logits = OneLogit(nn.Identity())(z.reshape(shape))
    assert logits.tolist() == [[0.0, -2.0], [0.0, 0.0], [0.0, 5.0]]
    torch.testing.assert_close(logits.softmax(1)[:, 1], z.sigmoid())


def test_one_logit_refuses_a_detector_with_two():
    message = (
        "OneLogit wraps a detector with one logit per sample, but this one returned shape (3, 2) for 3 samples; "
        "use it unwrapped if it returns [real, fake]"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        OneLogit(nn.Identity())(torch.zeros(3, 2))


def test_temperature_divides_the_logits_and_keeps_the_label():
    logits = torch.tensor([[1.0, 4.0], [3.0, -3.0]])
    calibrated = Calibrated(nn.Identity(), temperature=4)
    assert calibrated(logits).tolist() == [[0.25, 1.0], [0.75, -0.75]]
    assert "temperature" in calibrated.state_dict()
    assert not list(calibrated.parameters())


@pytest.mark.parametrize("temperature", [0, -1.5, float("nan"), float("inf"), "2", None])
def test_temperature_is_a_finite_number_above_zero(temperature):
    message = f"the temperature {temperature!r} is not allowed; give a finite number above 0"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Calibrated(nn.Identity(), temperature)


def half_frozen() -> nn.Module:
    """A detector with mixed flags, as in fine-tuning: one submodule in eval mode, one parameter fixed."""
    detector = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2))
    detector[1].eval()
    detector[0].weight.requires_grad_(False)
    detector[3].weight.grad = torch.full((2, 3), 7.0)
    return detector


def flags(detector: nn.Module) -> tuple[list[bool], list[bool]]:
    return [m.training for m in detector.modules()], [p.requires_grad for p in detector.parameters()]


def test_frozen_inside_is_eval_mode_without_parameter_gradients():
    detector = half_frozen()
    with frozen(detector) as inside:
        assert inside is detector
        modes, gradients = flags(detector)
        assert not any(modes)
        assert not any(gradients)


def test_frozen_restores_every_flag():
    detector = half_frozen()
    before = flags(detector)
    with frozen(detector):
        pass
    assert flags(detector) == before


def test_frozen_restores_every_flag_after_an_exception():
    detector = half_frozen()
    before = flags(detector)
    with pytest.raises(KeyError), frozen(detector):
        raise KeyError
    assert flags(detector) == before


def test_frozen_leaves_grad_alone_while_pixels_get_theirs():
    detector = half_frozen()
    x = torch.ones(4, 2, requires_grad=True)
    with frozen(detector):
        detector(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert detector[3].weight.grad.unique().tolist() == [7.0]
    assert detector[0].bias.grad is None
