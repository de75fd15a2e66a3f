import re

import pytest
import torch

from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.errors import InputError

BOTH = pytest.mark.parametrize("architecture", [Meso4, MesoInception4])


@pytest.mark.parametrize(("architecture", "weights"), [(Meso4, 27_977), (MesoInception4, 28_615)])
def test_trainable_weights_are_as_many_as_published(architecture, weights):
    assert sum(p.numel() for p in architecture().parameters()) == weights


@BOTH
@pytest.mark.parametrize("input_size", [32, 64, 96, 256])
def test_every_multiple_of_32_is_an_input_size(architecture, input_size, images):
    detector = architecture(input_size).eval()
    assert detector(images(2, input_size)).shape == (2, 2)
    assert detector.classifier[1].in_features == 16 * (input_size // 32) ** 2


@BOTH
@pytest.mark.parametrize("input_size", [0, -32, 33, 100, 64.0, None])
def test_no_other_input_size_is(architecture, input_size):
    message = f"{architecture.__name__} cannot be built for input_size {input_size!r}; choose a positive multiple of 32"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        architecture(input_size)


@BOTH
def test_images_of_another_size_are_refused(architecture):
    message = (
        f"{architecture.__name__} was built for images (3, 64, 64), not (3, 96, 64); "
        "resize the images or build it for their size"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        architecture(64)(torch.zeros(1, 3, 96, 64))


@BOTH
def test_first_logit_is_zero(architecture, images):
    assert not architecture(32)(images(4, 32))[:, 0].any()


@BOTH
def test_features_are_flattened_row_by_row_with_channels_last(architecture, images):
    detector = architecture(64).eval()
    x = images(1, 64)
    weight = detector.classifier[1].weight
    with torch.no_grad():
        features = detector.features(x)  # (1, 16, 2, 2)
        row, column, channel = 1, 0, 5
        weight.zero_()
        weight[0, (row * 2 + column) * 16 + channel] = 1
        detector.classifier[1].bias.zero_()
        detector.classifier[4].weight.fill_(1)
        detector.classifier[4].bias.zero_()
        expected = torch.nn.functional.leaky_relu(features[0, channel, row, column], 0.1)
        torch.testing.assert_close(detector(x)[0, 1], expected)
