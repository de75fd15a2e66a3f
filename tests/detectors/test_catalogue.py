import re

import pytest
import torch

from rrlib.detectors import checkpoints
from rrlib.detectors.catalogue import ARCHITECTURES, build, load
from rrlib.detectors.contract import Calibrated, check_logits
from rrlib.detectors.layout import to_device
from rrlib.errors import InputError

LARGE = {"xception", "efficientnet-b4", "vit-b16"}  # the same, where their own tests build them once
EACH = pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in LARGE])


def pixels(architecture: str, n: int, size: int) -> torch.Tensor:
    """n images, or n clips of three frames, whichever the architecture takes, in [0, 1)."""
    shape = (n, 3, 3, size, size) if ARCHITECTURES[architecture].modality == "video" else (n, 3, size, size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@EACH
def test_weights_depend_on_the_seed_alone(architecture):
    first = build(architecture, 64, seed=1)
    torch.rand(3)
    assert same_weights(first, build(architecture, 64, seed=1))
    assert not same_weights(first, build(architecture, 64, seed=2))


@EACH
def test_building_leaves_the_global_generator_as_it_was(architecture):
    before = torch.random.get_rng_state()
    build(architecture, 64, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@EACH
def test_every_architecture_keeps_the_contract(architecture):
    detector = build(architecture, 64, seed=0).eval()
    x = pixels(architecture, 3, 64)
    logits = check_logits(detector(x), 3, architecture)
    assert logits.dtype == torch.float32
    alone = torch.cat([detector(image[None]) for image in x])
    torch.testing.assert_close(logits, alone, rtol=0, atol=1e-5)


@EACH
def test_the_gradient_to_the_pixels_predicts_a_small_step(architecture):
    generator = torch.Generator().manual_seed(0)
    detector = build(architecture, 64, seed=0).eval().double()
    x = pixels(architecture, 1, 64).double().requires_grad_()
    step = 1e-8 * torch.randn(x.shape, generator=generator, dtype=torch.float64)

    def margin(x: torch.Tensor) -> torch.Tensor:
        return (detector(x)[:, 1] - detector(x)[:, 0]).sum()

    (gradient,) = torch.autograd.grad(margin(x), x)
    difference = (margin(x + step) - margin(x - step)).item() / 2
    assert (gradient * step).sum().item() == pytest.approx(difference, rel=1e-3)
    assert (gradient != 0).double().mean() > 0.5


@EACH
def test_every_architecture_gives_the_same_answers_where_it_is_placed(architecture):
    detector = build(architecture, 64, seed=0).eval()
    x = pixels(architecture, 2, 64)
    expected = detector(x)
    torch.testing.assert_close(to_device(detector, "cpu", x[0])(x), expected, rtol=0, atol=1e-5)


def test_four_architectures_are_for_video():
    video = {name for name, each in ARCHITECTURES.items() if each.modality == "video"}
    assert video == {"frame-mean-meso4", "frame-mean-resnet", "cnn-gru", "resnet3d"}


def test_an_unknown_architecture_is_answered_with_the_known_ones():
    message = (
        "detectors.meso5 is not known; "
        "choose from meso4, mesoinception4, meso4-deepfakebench, mesoinception4-deepfakebench, resnet, xception, "
        "efficientnet-lite0-stage5, efficientnet-b4, vit-b16, frame-mean-meso4, frame-mean-resnet, cnn-gru, resnet3d, "
        "frame-mean-NAME, frame-median-NAME, frame-top3-NAME, hub:FOLDER, hub:OWNER/NAME@REVISION, "
        "python:MODULE:FACTORY"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        build("meso5", 64, seed=0)


@pytest.fixture
def saved(tmp_path):
    def save(temperature: float):
        detector = build("meso4", 64, seed=5)
        path = tmp_path / "meso4.safetensors"
        metadata = {"architecture": "meso4", "input_size": 64, "temperature": temperature}
        checkpoints.save(path, detector, metadata)
        return path, detector.eval(), metadata

    return save


def test_a_checkpoint_is_loaded_in_eval_mode_with_its_metadata(saved, images):
    path, detector, metadata = saved(1.0)
    loaded = load(path)
    assert loaded.metadata == metadata
    assert not any(module.training for module in loaded.detector.modules())
    x = images(2, 64)
    assert torch.equal(loaded.detector(x), detector(x))


def test_a_temperature_other_than_one_is_applied(saved, images):
    path, detector, _ = saved(2.0)
    loaded = load(path, "meso4").detector
    assert isinstance(loaded, Calibrated)
    assert not any(module.training for module in loaded.modules())
    x = images(2, 64)
    assert torch.equal(loaded(x), detector(x) / 2)


def test_a_checkpoint_of_another_architecture_is_refused(saved):
    path, _, _ = saved(1.0)
    message = f"{path} holds meso4, not resnet; give its own architecture or another file"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(path, "resnet")


def test_keras_weights_are_loaded_for_256_px(meso4_h5, images):
    loaded = load(meso4_h5, "meso4")
    assert loaded.metadata == {"architecture": "meso4", "input_size": 256}
    assert loaded.detector(images(1, 256)).shape == (1, 2)


def test_keras_weights_need_an_architecture(meso4_h5):
    message = f"{meso4_h5} does not say what it holds; give its architecture, meso4 or mesoinception4"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(meso4_h5)


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.pkl", "a"])
def test_no_other_suffix_is_loaded(tmp_path, name):
    message = (
        f"{tmp_path / name} cannot be loaded: a checkpoint ends in .safetensors or .h5 "
        "(pickles, such as .pt, can run code); convert it with rrlib.detectors.checkpoints.save"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(tmp_path / name)
