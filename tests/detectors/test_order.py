"""Classes change places, in every architecture that is built in, and in nothing else."""

import copy
import re

import pytest
import torch
from torch import nn

from rrlib.detectors import ARCHITECTURES, build, pictures, swap_classes
from rrlib.errors import InputError

SMALL = [name for name in ARCHITECTURES if name not in ("xception", "efficientnet-b4", "vit-b16")]


@pytest.mark.parametrize("name", SMALL)
def test_the_probability_of_fake_becomes_that_of_real(name):
    modality = ARCHITECTURES[name].modality
    net = build(name, 32, seed=0).eval()
    x = pictures(32, None if modality == "image" else 3)
    with torch.no_grad():
        before = net(x).softmax(dim=1)
        swap_classes(net, 32, modality, name)
        assert torch.allclose(net(x).softmax(dim=1), before.flip(1), atol=1e-6)
    assert not torch.allclose(before, before.flip(1), atol=1e-3)


class Late(nn.Module):
    """What comes after its last linear layer does not turn round with it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x.mean(dim=(2, 3))).cumsum(dim=1)


def test_a_detector_that_does_not_end_in_a_linear_layer_is_left_as_it_is():
    net = Late()
    before = copy.deepcopy(net.state_dict())
    message = "late does not end in a linear layer of one or two outputs, so its classes cannot be swapped; leave out "
    with pytest.raises(InputError, match="^" + re.escape(message)):
        swap_classes(net, 8, name="late")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net.training
    assert not net.linear._forward_hooks
