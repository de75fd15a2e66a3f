"""EfficientNet-B4 and ViT-B/16: their size, their gradients, and what they cannot be built for."""

import re

import pytest
import torch
from torch import nn

from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors import catalogue
from rrlib.detectors.backbones import efficientnet_b4, vit_b16
from rrlib.detectors.surrogates import fold
from rrlib.errors import InputError


@pytest.mark.parametrize(
    ("make", "size", "parameters"), [(efficientnet_b4, 380, 17_552_202), (vit_b16, 224, 85_800_194)]
)
def test_parameters_are_as_many_as_published_with_two_outputs(make, size, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in make(size).parameters()) == parameters


@pytest.mark.parametrize("architecture", ["efficientnet-b4", "vit-b16"])
def test_a_network_to_be_trained_keeps_the_contract(architecture, images):
    detector, x = catalogue.build(architecture, 32, seed=0), images(2, 32)
    assert detector.training
    _, gradient = margin_gradient(detector, x, torch.tensor([0, 1]))
    assert gradient.isfinite().all()
    assert (gradient != 0).double().mean() > 0.9


def test_every_norm_of_efficientnet_is_folded(images):
    detector, x = catalogue.build("efficientnet-b4", 32, seed=0), images(1, 32)
    assert fold(detector, x)[1] == sum(isinstance(module, nn.BatchNorm2d) for module in detector.modules())


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("efficientnet-b4", "efficientnet-b4 cannot be built for input_size 20; choose 32 or more"),
        ("vit-b16", "vit-b16 cannot be built for input_size 20; choose a positive multiple of 16"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(architecture, message):
    with pytest.raises(InputError, match=f"^here: {re.escape(message)}$"):
        catalogue.check(architecture, 20, "here")
