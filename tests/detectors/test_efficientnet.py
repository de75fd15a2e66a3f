"""The first stages of EfficientNet-Lite0 against a reference line by line, and what its loader takes and leaves."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from batch_norms import normed, with_statistics
from torch import Tensor, nn

from rrlib.detectors import catalogue
from rrlib.detectors.efficientnet import BLOCKS, NAME, EfficientNetLite, load_efficientnet
from rrlib.errors import InputError


@pytest.fixture(scope="module")
def used() -> EfficientNetLite:
    """One whose batch norms have statistics, so that its answers differ from image to image."""
    return with_statistics(EfficientNetLite, 64)


def published(network: nn.Module) -> dict[str, Tensor]:
    """The same weights as efficientnet_lite_pytorch names them, with something of what stands behind stage 5."""
    found = {
        ".".join(part if part.isdigit() or part == last else f"_{part}" for part in name.split(".")): tensor
        for name, tensor in network.state_dict().items()
        for last in [name.split(".")[-1]]
    }
    behind = {"_conv_head.weight": torch.ones(1280, 320, 1, 1), "_fc.weight": torch.ones(1000, 1280)}
    return found | behind | {"_fc.bias": torch.ones(1000)}


def same(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """TensorFlow's "same": as many outputs as inputs by strides, and of the padding the smaller half before."""
    size, kernel = x.shape[-1], weight.shape[-1]
    over = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return F.conv2d(F.pad(x, [over // 2, over - over // 2] * 2), weight, stride=stride, groups=groups)


def reference(w: dict[str, Tensor], x: Tensor) -> Tensor:
    def norm(x, name):
        return normed(w, x, name, 1e-3)

    x = norm(same((x * 255 - 127) / 128, w["conv_stem.weight"], 2), "bn0").clamp(0, 6)
    for number, (width, _, stride, expansion) in enumerate(BLOCKS):
        name, y = f"blocks.{number}", x
        if expansion > 1:
            y = norm(F.conv2d(y, w[f"{name}.expand_conv.weight"]), f"{name}.bn0").clamp(0, 6)
        y = norm(same(y, w[f"{name}.depthwise_conv.weight"], stride, y.shape[1]), f"{name}.bn1").clamp(0, 6)
        y = norm(F.conv2d(y, w[f"{name}.project_conv.weight"]), f"{name}.bn2")
        x = x + y if stride == 1 and x.shape[1] == width else y
    values = x.flatten(2)
    pooled = torch.cat([values.mean(2), (values.var(2, correction=0) + 1e-6).sqrt()], dim=1)
    return pooled @ w["fc.weight"].T + w["fc.bias"]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_each_layer_does_what_the_paper_says(used, images, size):
    exact = copy.deepcopy(used).double()
    with torch.no_grad():
        found, expected = (run(images(3, size).double()) for run in (exact, partial(reference, exact.state_dict())))
    assert (expected[0] - expected[1]).abs().max() > 1e-5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_a_twentieth_of_the_weights_is_kept():
    assert sum(each.numel() for each in EfficientNetLite(128).parameters()) == 254_306


def test_published_weights_are_taken_up_to_stage_5_and_tell_nothing_yet(used, images, tmp_path):
    torch.save(published(used), tmp_path / "lite0.pth")
    loaded = catalogue.load(tmp_path / "lite0.pth", NAME, 64)
    assert loaded.metadata == {"architecture": NAME, "input_size": 64}
    taken, given = loaded.detector.state_dict(), used.state_dict()
    assert all(torch.equal(taken[name], given[name]) for name in given if not name.startswith("fc."))
    assert loaded.detector(images(2, 64)).eq(0).all()


def test_weights_that_lack_a_block_are_refused(used):
    state = {name: tensor for name, tensor in published(used).items() if not name.startswith("_blocks.7.")}
    with pytest.raises(InputError, match=r"^the state dict does not fit efficientnet-lite0-stage5: blocks.7.* missing"):
        load_efficientnet(state)


@pytest.mark.parametrize("size", [0, 8, 100, 64.0])
def test_a_size_that_does_not_halve_four_times_is_refused(size):
    with pytest.raises(InputError, match=rf"for input_size {size}; choose a positive multiple of 16$"):
        EfficientNetLite(size)
