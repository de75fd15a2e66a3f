"""DeepfakeBench's dialect of the Meso networks against a reference layer by layer, and its checkpoints."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrlib.detectors import catalogue
from rrlib.detectors.deepfakebench import ARCHITECTURES, load_meso
from rrlib.detectors.surrogates import fold
from rrlib.errors import InputError

EACH = pytest.mark.parametrize("architecture", ARCHITECTURES)


def used(architecture: str, input_size: int = 256) -> nn.Module:
    """A detector whose batch norms have statistics, scales and shifts."""
    detector = catalogue.build(architecture, input_size, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in detector.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for tensor in (norm.running_mean, norm.bias):
                    tensor.copy_(0.3 * torch.randn(len(tensor), generator=generator))
                for tensor in (norm.running_var, norm.weight):
                    tensor.copy_(0.2 + torch.rand(len(tensor), generator=generator))
    return detector.eval()


def published(detector: nn.Module) -> dict[str, Tensor]:
    return {f"backbone.{name}": tensor for name, tensor in detector.state_dict().items()}


def pixels(n: int, size: int = 256) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def reference(w: dict[str, Tensor], x: Tensor, inception: bool) -> Tensor:
    def norm_pool(x, name, pool):
        mean, variance, scale, shift = (
            w[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return F.max_pool2d((x - mean) / (variance + 1e-5).sqrt() * scale + shift, pool)

    def plain(x, name, norm, pool):
        kernel = w[f"{name}.weight"]
        return norm_pool(F.conv2d(x, kernel, padding=kernel.shape[-1] // 2).clamp(min=0), norm, pool)

    def block(x, name):
        parts = [F.conv2d(x, w[f"{name}_conv1.weight"])]
        for branch in (2, 3, 4):
            narrow = F.conv2d(x, w[f"{name}_conv{branch}_1.weight"])
            wide = w[f"{name}_conv{branch}_2.weight"]
            parts.append(F.conv2d(narrow, wide, padding=branch - 1, dilation=branch - 1))
        return norm_pool(torch.cat(parts, 1), f"{name}_bn", 2)

    x = 2 * x - 1
    if inception:
        x = block(block(x, "Incption1"), "Incption2")
        x = plain(plain(x, "conv1", "bn1", 2), "conv2", "bn1", 4)
    else:
        x = plain(plain(x, "conv1", "bn1", 2), "conv2", "bn1", 2)
        x = plain(plain(x, "conv3", "bn2", 2), "conv4", "bn2", 4)
    x = x.reshape(len(x), -1) @ w["fc1.weight"].T + w["fc1.bias"]
    return torch.where(x > 0, x, 0.1 * x) @ w["fc2.weight"].T + w["fc2.bias"]


@EACH
def test_outputs_equal_a_reference_layer_by_layer(architecture):
    detector, x = used(architecture), pixels(2) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)
    with torch.no_grad():
        expected = reference(detector.state_dict(), x, "inception" in architecture)
        torch.testing.assert_close(detector(x), expected, rtol=0, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("architecture", "parameters"), [("meso4-deepfakebench", 27_898), ("mesoinception4-deepfakebench", 28_525)]
)
def test_parameters_at_256_px(architecture, parameters):
    assert sum(each.numel() for each in catalogue.build(architecture, 256, 0).parameters()) == parameters


@EACH
def test_a_norm_of_two_convolutions_is_not_folded_into_either(architecture):
    detector, x = used(architecture, 64), pixels(2, 64)
    folded, _ = fold(detector, x[:1])
    with torch.no_grad():
        torch.testing.assert_close(folded(x), detector(x), rtol=0, atol=1e-5)


@EACH
def test_a_published_file_is_loaded(architecture, tmp_path):
    detector, path = used(architecture), tmp_path / "best.pth"
    torch.save(published(detector), path)
    loaded = catalogue.load(path, architecture, input_size=64)
    assert loaded.metadata == {"architecture": architecture, "input_size": 256}  # whatever else is asked for
    with torch.no_grad():
        assert torch.equal(loaded.detector(pixels(1)), detector(pixels(1)))


def test_the_other_networks_weights_are_refused_by_name():
    message = (
        "the state dict does not fit mesoinception4-deepfakebench: Incption1_bn.bias is missing; "
        "Incption1_bn.running_mean is missing; Incption1_bn.running_var is missing; and "
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + r"\d+ more; give weights that DeepfakeBench"):
        load_meso(published(used("meso4-deepfakebench")), "mesoinception4-deepfakebench")


@EACH
def test_other_sizes_are_refused(architecture):
    message = f"{architecture} cannot be built for input_size 48; choose a positive multiple of 32"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        catalogue.build(architecture, 48, seed=0)
    message = f"{architecture} was built for images (3, 64, 64), not (3, 32, 32); resize the images or build it for"
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        catalogue.build(architecture, 64, seed=0)(pixels(1, 32))
