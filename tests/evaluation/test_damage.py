"""Ordinary damage: what each kind does to known samples, and the table of a detector whose answers are known."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from rrlib import evaluation
from rrlib.errors import InputError
from rrlib.evaluation import damage, tables

EACH = pytest.mark.parametrize("kind", damage.KINDS)


def images(count: int = 7, size: int = 24, seed: int = 0) -> torch.Tensor:
    """Random pixels of 8 bits, the same each time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).float() / 255


def samples_of(kind: str, count: int = 7) -> torch.Tensor:
    """Images, or clips of three frames where the kind is done to clips alone."""
    return images(count * 3).reshape(count, 3, 3, 24, 24) if damage.KINDS[kind].clips_only else images(count)


@EACH
def test_severity_zero_is_the_identity(kind):
    x = samples_of(kind)
    assert torch.equal(damage.apply(kind, x, 0), x)


@EACH
def test_every_usual_severity_changes_something_and_keeps_shape_type_and_range(kind):
    x = samples_of(kind)
    before = x.clone()
    for severity in damage.KINDS[kind].usual:
        y = damage.apply(kind, x, severity)
        assert y.shape == x.shape
        assert y.dtype == torch.float32
        assert y.is_contiguous()
        assert 0 <= y.min() <= y.max() <= 1
        assert not torch.equal(y, x)
    assert torch.equal(x, before)


@EACH
def test_a_sample_is_damaged_by_itself_whatever_the_batch(kind):
    x, severity = samples_of(kind), damage.KINDS[kind].usual[0]
    whole = damage.apply(kind, x, severity, samples=range(10, 17))
    alone = [damage.apply(kind, x[i : i + 1], severity, samples=[10 + i]) for i in range(7)]
    assert torch.cat(alone).numpy().tobytes() == whole.numpy().tobytes()


@pytest.mark.parametrize("kind", [name for name, each in damage.KINDS.items() if not each.clips_only])
def test_a_clip_is_damaged_frame_by_frame(kind):
    clips, severity = images(6).reshape(2, 3, 3, 24, 24), damage.KINDS[kind].usual[0]
    if kind == "noise":  # of which each frame has its own
        moved = damage.apply(kind, clips, severity) - clips
        assert not torch.equal(moved[0, 0], moved[0, 1])
        return
    frames = damage.apply(kind, clips.reshape(6, 3, 24, 24), severity)
    assert torch.equal(damage.apply(kind, clips, severity).reshape(frames.shape), frames)


@pytest.mark.parametrize("severity", [1, 50, 80, 99])
def test_jpeg_of_mid_grey_changes_nothing(severity):
    grey = torch.full((1, 3, 24, 24), 128 / 255)
    assert torch.equal(damage.apply("jpeg", grey, severity), grey)


@pytest.mark.parametrize("level", [0, 37, 100, 200, 255])
def test_jpeg_of_a_constant_image_keeps_it_within_the_step_of_its_mean(level):
    """The step of the mean is 16 levels of the standard's table at quality 50, and 6.4 at 80, of 8 times the mean."""
    grey = torch.full((1, 3, 16, 16), level / 255)
    for severity, step in ((20, 6), (50, 16), (90, 80)):
        moved = (damage.apply("jpeg", grey, severity) - grey).abs().max() * 255
        assert moved <= step / 16 + 0.51


def test_jpeg_is_that_of_pillow_at_100_less_the_severity():
    x = images(1)
    file = io.BytesIO()
    pixels = (x[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=30, subsampling=2)
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1) / np.float32(255)
    assert np.array_equal(damage.apply("jpeg", x, 70)[0].numpy(), expected)


@pytest.mark.parametrize("sigma", [0.5, 1, 3])
def test_blur_keeps_the_mean_and_lowers_the_contrast(sigma):
    x = images()
    y = damage.apply("blur", x, sigma)
    assert y.mean(dim=(2, 3)).numpy() == pytest.approx(x.mean(dim=(2, 3)).numpy(), abs=1e-6)
    assert y.std() < x.std()


def test_blur_of_a_point_is_the_bell_of_its_sigma():
    x = torch.zeros(1, 3, 21, 21)
    x[..., 10, 10] = 1
    bell = np.exp(-(np.arange(-10, 11) ** 2) / (2 * 1.5**2))
    expected = np.outer(bell, bell) / bell.sum() ** 2
    assert damage.apply("blur", x, 1.5)[0, 0].numpy() == pytest.approx(expected, abs=1e-4)


def test_resizing_there_and_back_keeps_constants_and_removes_a_chequerboard():
    grey = torch.full((1, 3, 16, 16), 0.3)
    assert damage.apply("resize", grey, 0.5).numpy() == pytest.approx(0.3, abs=1e-6)
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float().expand(1, 3, 16, 16)
    assert damage.apply("resize", board, 0.5)[..., 4:12, 4:12].numpy() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shift", [-0.7, -0.25, 0.25, 0.7])
def test_brightness_adds_the_severity_and_stops_at_black_and_white(shift):
    x = images()
    assert torch.equal(damage.apply("brightness", x, shift), (x + shift).clamp(0, 1))
    grey = torch.full((1, 3, 2, 2), 0.5)
    assert damage.apply("brightness", grey, 0.25).unique().tolist() == [0.75]


def test_noise_has_the_sigma_that_it_says_and_scales_one_draw():
    grey = torch.full((1, 3, 100, 100), 0.5)
    weak, strong = (damage.apply("noise", grey, sigma) - 0.5 for sigma in (0.05, 0.1))
    assert float(weak.std()) == pytest.approx(0.05, rel=0.02)
    assert float(weak.mean()) == pytest.approx(0, abs=0.001)
    assert strong.numpy() == pytest.approx(2 * weak.numpy(), abs=1e-6)


def test_noise_depends_on_seed_and_number_alone():
    grey = torch.full((2, 3, 8, 8), 0.5)
    first = damage.apply("noise", grey, 0.1, seed=1, samples=[3, 4])
    assert torch.equal(damage.apply("noise", grey, 0.1, seed=1, samples=[4, 3]), first.flip(0))
    assert not torch.equal(damage.apply("noise", grey, 0.1, seed=2, samples=[3, 4]), first)
    assert not torch.equal(first[0], first[1])


def test_h264_of_a_clip_is_the_same_after_other_work_at_any_size():
    """x264's fast code reads memory that nobody wrote where a side is no whole number of blocks."""
    for size in (24, 32, 35):
        clip = images(3, size)[None]
        first = damage.apply("h264", clip, 28)
        for number in range(10):
            damage.apply("h264", images(9, 8 + 7 * number, seed=number).reshape(3, 3, 3, 8 + 7 * number, -1), 20)
            assert torch.equal(damage.apply("h264", clip, 28), first)


def test_h264_costs_more_with_a_higher_rate_factor_and_keeps_odd_sides():
    smooth = torch.linspace(0, 1, 25).expand(2, 4, 3, 23, 25)
    moving = torch.stack([smooth.roll(step, dims=-1)[:, step] for step in range(4)], dim=1)
    errors = [float((damage.apply("h264", moving, factor) - moving).abs().mean()) for factor in (10, 30, 51)]
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 0.02


@pytest.mark.parametrize(
    ("kind", "severities", "said"),
    [
        ("jpg", [1], "damage.jpg is not known; choose from jpeg, resize, blur, noise, brightness, h264"),
        ("jpeg", [10.5], "damage: 10.5 is given; for jpeg (100 − JPEG quality) it is a whole number from 0 to 99"),
        ("blur", [-1], "damage: -1 is given; for blur (σ in pixels) it is a number from 0 to 64"),
        ("noise", ["x"], "damage: 'x' is given; for noise (σ, pixels in [0, 1]) it is a number from 0 to 1"),
        ("noise", [True], "damage: True is given; for noise (σ, pixels in [0, 1]) it is a number from 0 to 1"),
        ("noise", [], "damage: [] is given; list at least one severity: σ, pixels in [0, 1]"),
        ("blur", [2, 1], "damage: [2, 1] is given; list each severity once, in increasing order"),
    ],
)
def test_what_is_no_severity_is_told(kind, severities, said):
    with pytest.raises(InputError) as error:
        damage.checked(kind, severities)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("kind", "x", "said"),
    [
        ("h264", torch.rand(1, 3, 4, 4), "h264 is done to clips (N, T, 3, H, W), and images are given"),
        ("blur", torch.rand(3, 4, 4), "a batch of shape (3, 4, 4) is given; images are (N, 3, H, W)"),
        ("blur", torch.full((1, 3, 4, 4), 2.0), "pixels lie in [2, 2]; scale them to [0, 1]"),
    ],
)
def test_what_cannot_be_damaged_is_told(kind, x, said):
    with pytest.raises(InputError, match=f"^{__import__('re').escape(said)}"):
        damage.apply(kind, x, 1)


def test_the_table_of_a_detector_of_brightness_is_known(in_memory, brightness):
    """P(fake) = sigmoid(10 (mean − ½)): a real of mean .4 turns fake when .15 is added, a fake stays one."""
    data = in_memory(torch.tensor([0.4, 0.6]).view(2, 1, 1, 1).expand(2, 3, 8, 8), [0, 1])
    table = damage.damaged(brightness(10), data, {"brightness": [-0.05, 0.15], "blur": [1]}, detector_name="sees mean")
    tables.check(table, "damage", ball=False)
    assert list(dict.fromkeys(table["attack"])) == ["brightness", "blur"]
    means = {0: [0.4, 0.6], -0.05: [0.35, 0.55], 0.15: [0.55, 0.75]}
    for severity, expected in means.items():
        rows = table[(table["attack"] == "brightness") & (table["epsilon"] == severity)]
        assert rows["p_attacked"].tolist() == pytest.approx([1 / (1 + np.exp(-10 * (m - 0.5))) for m in expected])
        assert rows["linf"].tolist() == pytest.approx([abs(severity)] * 2, abs=1e-6)
    assert (table.loc[table["attack"] == "blur", "shift"] < 1e-6).all()
    assert table["gradient"].isna().all()


def test_a_table_does_not_depend_on_the_batch_size_and_its_clean_rows_are_those_of_an_attack(separable):
    data = separable(7)
    detector = evaluation_detector()
    kinds = {"jpeg": [50], "noise": [0.1]}
    one, seven = (damage.damaged(detector, data, kinds, batch_size=size) for size in (1, 7))
    assert one[["attack", "epsilon", "sample"]].equals(seven[["attack", "epsilon", "sample"]])
    assert one["p_attacked"].tolist() == pytest.approx(seven["p_attacked"].tolist(), abs=1e-6)
    attacked = evaluation.evaluate(detector, data, "noise", [0, 0.1], batch_size=7)
    clean = seven[(seven["attack"] == "jpeg") & (seven["epsilon"] == 0)]
    assert clean["p_clean"].tolist() == attacked.loc[attacked["epsilon"] == 0, "p_clean"].tolist()


def test_kinds_of_clips_are_passed_over_for_images_and_alone_are_told(separable):
    data, detector = separable(2), evaluation_detector()
    assert set(damage.damaged(detector, data, {"h264": [28], "blur": [1]})["attack"]) == {"blur"}
    with pytest.raises(InputError, match=r"^no damage that can be done to these samples is named"):
        damage.damaged(detector, data, {"h264": [28]})


def evaluation_detector() -> torch.nn.Module:
    from rrlib.detectors import build

    return build("resnet", 32, seed=0)
