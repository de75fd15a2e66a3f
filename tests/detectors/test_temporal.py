"""Detectors of clips: what they compute, whatever the number of frames, and what they keep in memory."""

import re

import pytest
import torch
from torch import nn

from rrlib.detectors import checkpoints
from rrlib.detectors.catalogue import ARCHITECTURES, build, load
from rrlib.detectors.contract import OneLogit
from rrlib.detectors.meso import Meso4
from rrlib.detectors.resnet import ResNet
from rrlib.detectors.temporal import CNNGRU, FrameMean, ResNet3D
from rrlib.errors import InputError

EACH = pytest.mark.parametrize(
    "architecture", [name for name, each in ARCHITECTURES.items() if each.modality == "video"]
)


def clips(n: int, frames: int, size: int = 32) -> torch.Tensor:
    return torch.rand(n, frames, 3, size, size, generator=torch.Generator().manual_seed(0))


def settled(architecture: str) -> nn.Module:
    """A detector in eval mode whose batch norm has seen clips, so that its answers differ."""
    detector = build(architecture, 32, seed=0)
    with torch.no_grad():
        for _ in range(20):
            detector(clips(4, 6))
    return detector.eval()


def margin_gradient(detector: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    logits = detector(x)
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
    return gradient


@EACH
@pytest.mark.parametrize("frames", [1, 2, 5, 40])
def test_clips_may_have_any_number_of_frames(architecture, frames):
    assert build(architecture, 32, seed=0).eval()(clips(2, frames)).shape == (2, 2)


@EACH
def test_every_frame_has_a_gradient(architecture):
    gradient = margin_gradient(settled(architecture), clips(2, 9))
    assert (gradient.flatten(2) != 0).any(dim=2).all()


@pytest.mark.parametrize("architecture", ["cnn-gru", "resnet3d"])
def test_the_order_of_frames_counts_for_a_detector_over_time(architecture):
    detector, x = settled(architecture), clips(2, 6)
    assert (detector(x) - detector(x.flip(1))).abs().amax() > 1e-3


@pytest.mark.parametrize("architecture", ["frame-mean-resnet", "frame-mean-meso4"])
def test_the_order_of_frames_does_not_count_for_a_mean(architecture):
    detector, x = settled(architecture), clips(2, 6)
    torch.testing.assert_close(detector(x), detector(x.flip(1)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("image_detector", [ResNet, Meso4])
def test_a_clip_has_the_mean_probability_of_its_frames(image_detector):
    inner = image_detector(32).eval().double()
    x = clips(3, 7).double()
    mean = torch.stack([inner(clip).softmax(dim=1).mean(dim=0) for clip in x])
    torch.testing.assert_close(FrameMean(inner, frames_at_once=4)(x).softmax(dim=1), mean, rtol=1e-12, atol=0)


def test_a_clip_of_equal_frames_is_judged_as_the_frame():
    inner, frame = ResNet(32).eval(), clips(2, 1)
    torch.testing.assert_close(FrameMean(inner)(frame.expand(2, 5, 3, 32, 32)), inner(frame[:, 0]).log_softmax(dim=1))


class Pixel(nn.Module):
    """Logits [0, 1000 (first pixel − ½)]: probabilities that round to 0 and 1."""

    def forward(self, x):
        z = 1000 * (x.flatten(1)[:, 0] - 0.5)
        return torch.stack([torch.zeros_like(z), z], dim=1)


def test_saturated_frames_keep_their_logits_and_gradients():
    x = torch.zeros(1, 2, 3, 1, 1)
    x[0, 1, 0] = 0.25  # z = −500 and −250: the mean of e⁻⁵⁰⁰ and e⁻²⁵⁰ is e⁻²⁵⁰ / 2 to any precision
    logits = FrameMean(Pixel())(x)
    assert logits[0].tolist() == pytest.approx([0, -250 - torch.tensor(2.0).log().item()])
    gradient = margin_gradient(FrameMean(Pixel()), x)
    assert gradient[0, :, 0, 0, 0].tolist() == pytest.approx([0, 1000])


@pytest.mark.parametrize("frames_at_once", [1, 4, 7, 18])
def test_the_parts_in_which_frames_pass_do_not_count(frames_at_once):
    inner, x = settled("frame-mean-resnet").detector.double(), clips(2, 9).double()
    whole, parts = FrameMean(inner, frames_at_once=100), FrameMean(inner, frames_at_once)
    torch.testing.assert_close(parts.eval()(x), whole.eval()(x), rtol=0, atol=1e-13)
    torch.testing.assert_close(margin_gradient(parts, x), margin_gradient(whole, x), rtol=0, atol=1e-13)


def test_weights_get_the_same_gradient_in_parts():
    inner, x = settled("frame-mean-resnet").detector.double(), clips(2, 9).double()
    weights = list(inner.parameters())
    whole, parts = (
        torch.autograd.grad(FrameMean(inner, frames_at_once).eval()(x)[:, 1].sum(), weights)
        for frames_at_once in (100, 4)
    )
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def seen_at_once(detector: FrameMean) -> list[int]:
    """Filled, as the detector runs, with how many frames its image detector is given."""
    seen = []
    detector.detector.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return seen


def test_no_more_frames_pass_at_once_than_asked_for():
    detector = FrameMean(ResNet(32), frames_at_once=4).eval()
    seen = seen_at_once(detector)
    detector(clips(2, 5))
    assert seen == [4, 4, 2]
    seen.clear()
    margin_gradient(detector, clips(2, 5))
    assert sorted(seen) == [2, 2, 4, 4, 4, 4]  # forward, and again for the gradient


def test_what_is_kept_for_the_gradient_does_not_grow_with_the_clip():
    detector = FrameMean(ResNet(32), frames_at_once=4).eval().requires_grad_(False)

    def kept(frames: int) -> int:
        """Numbers that the graph holds beside the pixels themselves."""
        x = clips(1, frames).requires_grad_()
        held = {}

        def hold(tensor: torch.Tensor) -> torch.Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            logits = detector(x)
            assert logits.requires_grad
        held.pop(x.untyped_storage().data_ptr(), None)
        return sum(held.values())

    assert kept(4) > 4 * 3 * 32 * 32  # one part is kept as it is
    assert kept(40) < 40 * 3 * 10


def test_in_train_mode_batch_norm_sees_every_frame_once_whatever_the_parts():
    x = clips(2, 9)
    states = []
    for frames_at_once in (4, 100):
        detector = build("frame-mean-resnet", 32, seed=0)
        detector.frames_at_once = frames_at_once
        detector(x)[:, 1].sum().backward()
        states.append(detector.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert states[0]["detector.stem.1.num_batches_tracked"] == 1


@EACH
def test_a_checkpoint_brings_the_same_detector_back(architecture, tmp_path):
    detector = settled(architecture)
    path = tmp_path / "clips.safetensors"
    checkpoints.save(path, detector, {"architecture": architecture, "input_size": 32})
    loaded, x = load(path).detector, clips(2, 3)
    assert torch.equal(loaded(x), detector(x))


def test_a_trained_image_detector_judges_clips(tmp_path):
    path = tmp_path / "image.safetensors"
    checkpoints.save(path, build("resnet", 32, seed=3), {"architecture": "resnet", "input_size": 32})
    loaded = load(path).detector
    assert not FrameMean(loaded).eval().detector.training
    assert FrameMean(loaded).eval()(clips(2, 3)).shape == (2, 2)


def weights(detector: nn.Module) -> int:
    return sum(p.numel() for p in detector.parameters())


def test_numbers_of_weights():
    assert weights(FrameMean(ResNet(64))) == weights(ResNet(64)) == 77_522
    # the CNN without its dense layer's 130; GRU 3 · 64 · (64 + 64 + 2); dense 130
    assert weights(CNNGRU(64)) == 77_522 - 130 + 24_960 + 130
    # stem 1,296 + 32; blocks 13,824 + 256 + 96, 41,472 + 512 + 192, 165,888 + 2,048 + 384; dense 130
    assert weights(ResNet3D(64)) == 226_130


def multiply_adds(detector: nn.Module, x: torch.Tensor) -> int:
    """Counted from the shapes that pass through convolutions, for one clip."""
    total = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in detector.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.register_forward_hook(count)
    detector(x)
    return total


@pytest.mark.parametrize(("architecture", "millions"), [("cnn-gru", 100), ("resnet3d", 82)])
def test_multiply_adds_of_eight_frames_of_64_px(architecture, millions):
    found = multiply_adds(build(architecture, 64, seed=0).eval(), clips(1, 8, 64))
    assert found / 1e6 == pytest.approx(millions, abs=1)


@EACH
@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 0, 3, 32, 32), (2, 5, 1, 32, 32), (2, 3, 5, 32, 32)])
def test_anything_but_clips_is_refused(architecture, shape):
    detector = build(architecture, 32, seed=0).eval()
    message = f"{type(detector).__name__} takes clips (N, T, 3, H, W), not {shape}; give each sample its frames"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        detector(torch.zeros(shape))


@pytest.mark.parametrize("frames_at_once", [0, -1, 2.0, True, None])
def test_frames_at_once_is_a_whole_number(frames_at_once):
    with pytest.raises(InputError, match=f"^frames_at_once is {frames_at_once!r}; it is a whole number ≥ 1$"):
        FrameMean(ResNet(32), frames_at_once)


@pytest.mark.parametrize("input_size", [31, 0, 64.0])
def test_a_3d_network_takes_no_size_below_32(input_size):
    message = f"ResNet3D cannot be built for input_size {input_size!r}; choose 32 or more"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        ResNet3D(input_size)


def test_one_logit_per_frame_is_refused_with_the_remedy():
    one = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1))
    with pytest.raises(InputError, match=re.escape("Sequential returned one logit per sample (shape (10, 1))")):
        FrameMean(one)(clips(2, 5))
    assert FrameMean(OneLogit(one))(clips(2, 5)).shape == (2, 2)


def of_each_frame(detector: FrameMean, x: torch.Tensor) -> torch.Tensor:
    """P(fake) of each frame (N, T), by the detector of images itself."""
    return detector.detector(x.flatten(0, 1)).softmax(dim=1)[:, 1].unflatten(0, x.shape[:2])


@pytest.mark.parametrize("frames", [1, 4, 5, 8])
@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("mean", lambda p: p.mean(dim=1)),
        ("median", lambda p: p.quantile(0.5, dim=1)),
        ("top1", lambda p: p.amax(dim=1)),
        ("top3", lambda p: p.sort(dim=1).values[:, -3:].mean(dim=1)),
    ],
)
def test_a_clip_is_pooled_from_its_frames_as_its_name_says(pool, expected, frames):
    detector = settled(f"frame-{pool}-resnet")
    x = clips(3, frames)
    assert torch.allclose(detector(x).softmax(dim=1)[:, 1], expected(of_each_frame(detector, x)), atol=1e-6)


def test_only_frames_that_count_have_a_gradient():
    touched = (margin_gradient(settled("frame-top3-resnet"), clips(2, 9)).flatten(2) != 0).any(dim=2)
    assert touched.sum(dim=1).tolist() == [3, 3]


@pytest.mark.parametrize("pool", ["median", "top3"])
def test_weights_of_a_detector_of_images_serve_clips(tmp_path, pool):
    of_images = build("resnet", 32, seed=3).eval()
    path = tmp_path / "images.safetensors"
    checkpoints.save(path, of_images, {"architecture": "resnet", "input_size": 32, "temperature": 2.0})
    loaded = load(path, f"frame-{pool}-resnet", 32)
    assert loaded.metadata == {"architecture": f"frame-{pool}-resnet", "input_size": 32}
    assert all(torch.equal(a, b) for a, b in zip(loaded.detector.parameters(), of_images.parameters(), strict=True))
    again = tmp_path / "clips.safetensors"
    checkpoints.save(again, loaded.detector, loaded.metadata | {"temperature": 1})
    x = clips(2, 5)
    assert torch.equal(load(again, f"frame-{pool}-resnet").detector(x), loaded.detector(x))


def test_published_weights_serve_clips(real):
    path = real / "mesonet/weights/Meso4_DF.h5"
    loaded = load(path, "frame-median-meso4", 256)
    x = clips(1, 3, 256)
    of_frames = load(path, "meso4").detector(x[0]).softmax(dim=1)[:, 1]
    assert torch.allclose(loaded.detector(x).softmax(dim=1)[0, 1], of_frames.median(), atol=1e-6)


@pytest.mark.parametrize("name", ["frame-mode-resnet", "frame-top0-resnet", "frame-mean-resnet3d", "frame-mean-nope"])
def test_what_cannot_be_pooled_is_not_known(name):
    with pytest.raises(InputError, match=f"{name} is not known; choose from meso4, .*, frame-top3-NAME, "):
        build(name, 32, seed=0)


@pytest.mark.parametrize("pool", ["sum", 0, True, 1.5])
def test_a_way_to_pool_is_one_of_three(pool):
    with pytest.raises(InputError, match=re.escape(f"pool is {pool!r}; it is mean, median, or a whole number ≥ 1")):
        FrameMean(ResNet(32), pool=pool)
