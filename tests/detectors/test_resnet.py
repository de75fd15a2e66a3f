import re

import pytest
import torch
from torch import nn

from rrlib.detectors.resnet import ResNet
from rrlib.errors import InputError


def multiply_adds(detector: nn.Module, x: torch.Tensor) -> int:
    """Counted from the shapes that pass through convolutions and dense layers, for one sample."""
    total = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in detector.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    detector(x)
    return total


def test_costs_twelve_million_multiply_adds_at_64_px(images):
    assert 11.5e6 < multiply_adds(ResNet(64).eval(), images(1, 64)) < 12.6e6


def test_has_about_78_thousand_weights():
    # stem 432 + 32; stage 1 4,608 + 64; stage 2 14,336 + 192; stage 3 57,344 + 384; dense 130
    assert sum(p.numel() for p in ResNet().parameters()) == 77_522


@pytest.mark.parametrize("input_size", [32, 50, 64, 224])
def test_takes_any_size_from_32(input_size, images):
    assert ResNet(input_size).eval()(images(2, input_size)).shape == (2, 2)


@pytest.mark.parametrize("input_size", [31, 0, -64, 64.0, "64"])
def test_takes_no_other_size(input_size):
    message = f"ResNet cannot be built for input_size {input_size!r}; choose 32 or more"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        ResNet(input_size)


def test_normalises_pixels_inside():
    detector = ResNet().eval()
    seen = []
    detector.stem[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    detector(torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1).expand(1, 3, 64, 64))
    assert seen[0][0, :, 0, 0].tolist() == [-2.0, 0.0, 2.0]


def test_a_block_whose_residual_is_zero_passes_its_positive_input_through():
    block = ResNet().eval().stages[0]
    block.residual[-1].weight.data.zero_()  # batch norm's gain; its bias and running mean start at zero
    x = torch.linspace(0, 1, 16 * 8 * 8).reshape(1, 16, 8, 8)
    assert torch.equal(block(x), x)
