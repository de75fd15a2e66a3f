"""What training images suffer: repeatable, within what was asked for, and nothing where nothing was."""

import pytest
import torch

from rrlib.detectors.catalogue import build
from rrlib.errors import InputError
from rrlib.evaluation import Augmentation, Recipe, train


def drawn(augmentation: Augmentation, x: torch.Tensor, size: int, seed: int = 0) -> torch.Tensor:
    return augmentation(x, size, torch.Generator().manual_seed(seed))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 80, 80, generator=torch.Generator().manual_seed(1))


def test_the_same_generator_gives_the_same_pixels_and_another_seed_others(images):
    augmentation = Augmentation(crop=0.8, jpeg=50, resize=0.5, share=0.5)
    assert torch.equal(drawn(augmentation, images, 64), drawn(augmentation, images, 64))
    assert not torch.equal(drawn(augmentation, images, 64), drawn(augmentation, images, 64, seed=1))


def test_pixels_stay_in_range_at_the_size_of_the_detector(images):
    found = drawn(Augmentation(crop=0.7, brightness=0.5, jpeg=20, resize=0.3, share=1), images, 64)
    assert found.shape == (6, 3, 64, 64)
    assert found.min() >= 0
    assert found.max() <= 1


def test_resizing_a_white_image_leaves_no_pixel_above_one():
    white = torch.ones(4, 3, 91, 91)
    assert drawn(Augmentation(crop=0.7, resize=0.5, share=1), white, 64).max() == 1


def test_nothing_asked_for_leaves_images_as_they_are(images):
    assert torch.equal(drawn(Augmentation(), images, 80), images)
    assert torch.equal(drawn(Augmentation(jpeg=50, resize=0.5, share=0), images, 80), images)


def test_a_crop_keeps_at_least_the_share_asked_for():
    ramp = torch.linspace(0, 1, 100).expand(1, 3, 100, 100)  # its range tells how much of the width was kept
    for seed in range(20):
        found = drawn(Augmentation(crop=0.8), ramp, 80, seed)
        assert 0.77 <= float(found.max() - found.min()) <= 1


def test_the_smallest_crop_is_not_enlarged(images):
    found = drawn(Augmentation(crop=0.8), images, 64, seed=3)
    assert Augmentation(crop=0.8).size(64) == 80
    assert found.shape[-1] == 64


def test_brightness_moves_grey_by_at_most_what_was_asked_for():
    grey = torch.full((200, 3, 8, 8), 0.5)
    found = drawn(Augmentation(brightness=0.2), grey, 8)[:, 0, 0, 0]
    assert 0.3 <= found.min() < 0.35
    assert 0.65 < found.max() <= 0.7


def test_frames_of_a_clip_are_treated_alike():
    frame = torch.rand(1, 1, 3, 40, 40, generator=torch.Generator().manual_seed(2))
    found = drawn(Augmentation(crop=0.8, jpeg=60, resize=0.5, share=1), frame.expand(1, 4, 3, 40, 40), 32)
    assert found.shape == (1, 4, 3, 32, 32)
    assert all(torch.equal(found[0, 0], found[0, number]) for number in range(4))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 0}, "augmentation.crop is 0; it is a number > 0 and at most 1"),
        ({"resize": True}, "augmentation.resize is True; it is a number > 0 and at most 1"),
        ({"share": 1.5}, "augmentation.share is 1.5; it is a number ≥ 0 and at most 1"),
        ({"jpeg": 100}, "augmentation.jpeg is 100; it is a whole number from 1 to 95"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(InputError) as caught:
        Augmentation(**options)
    assert str(caught.value) == said


def test_training_with_augmentation_repeats(separable):
    recipe = Recipe(epochs=2, batch_size=16, augmentation=Augmentation(crop=0.8, jpeg=60, resize=0.5))
    weights, reports = [], []
    for _ in range(2):
        detector = build("resnet", 32, seed=0)
        reports.append(train(detector, separable(32, seed=1), separable(16, seed=2), recipe, seed=0))
        weights.append(torch.cat([each.flatten() for each in detector.state_dict().values()]))
    assert torch.equal(*weights)
    assert reports[0] == reports[1]
    assert reports[0]["recipe"]["augmentation"] == {
        "crop": 0.8,
        "brightness": 0.0,
        "jpeg": 60,
        "resize": 0.5,
        "share": 0.3,
    }


def test_a_recipe_without_augmentation_is_told_as_before():
    assert "augmentation" not in Recipe().to_dict()
