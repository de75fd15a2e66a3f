"""Preprocessing against the image processors of transformers."""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from processor import PLAIN

from rrlib.detectors.hub import _processor_of
from rrlib.detectors.preprocessing import from_config
from rrlib.detectors.processors import PROCESSORS
from rrlib.errors import InputError

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CROP = PLAIN | {
    "image_processor_type": "VideoMAEImageProcessor",
    "size": {"shortest_edge": 40},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", "do_resize": True, "resample": 3} | IMAGENET
LEVIT = {"image_processor_type": "LevitImageProcessor"} | IMAGENET
GIVEN = {
    "plain": PLAIN | {"size": {"height": 24, "width": 24}},
    "bicubic": PLAIN | {"resample": 3},
    "up": PLAIN | {"size": {"height": 96, "width": 96}},
    "crop": CROP,
    "not-resized": PLAIN | {"do_resize": False},
    "not-normalised": PLAIN | {"do_normalize": False},
    "one number for all": PLAIN | {"image_mean": 0.4, "image_std": 0.3},
    "nulls": CROP | {"do_center_crop": None, "crop_size": None, "do_convert_rgb": None},
    "clip": CROP | {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "resample": 3},
    "clip, whole numbers": PLAIN | {"image_processor_type": "CLIPImageProcessor", "size": 40, "crop_size": 32},
    "vit, a whole number": PLAIN | {"size": 40},
    "siglip, a whole number": PLAIN | {"image_processor_type": "SiglipImageProcessor", "size": 40},
    "deit, a whole number": PLAIN | {"image_processor_type": "DeiTImageProcessor", "size": 40, "crop_size": 32},
    "convnext": CONVNEXT | {"size": {"shortest_edge": 32}, "crop_pct": 0.875},
    "convnext-384": CONVNEXT | {"size": {"shortest_edge": 384}, "crop_pct": 0.875},
    "convnext, a whole number": CONVNEXT | {"size": 224, "crop_pct": 0.875},
    "convnext, 384 as a whole number": CONVNEXT | {"size": 384, "crop_pct": 0.95},
    "convnext, no crop_pct": CONVNEXT | {"size": {"shortest_edge": 224}},
    "convnext, other crop_pct": CONVNEXT | {"size": {"shortest_edge": 100}, "crop_pct": 0.9},
    "convnext, nothing said": {"image_processor_type": "ConvNextImageProcessor"},
    "levit": LEVIT | {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}},
    "levit, a whole number": LEVIT | {"size": 192, "crop_size": 192},
    "levit, both sides": LEVIT | {"size": {"height": 240, "width": 240}},
    "efficientnet": PLAIN | {"image_processor_type": "EfficientNetImageProcessor", "include_top": True},
    "efficientnet-offset": PLAIN
    | {
        "image_processor_type": "EfficientNetImageProcessor",
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "include_top": False,
    },
    "an old name": CONVNEXT | {"image_processor_type": None, "feature_extractor_type": "ConvNextFeatureExtractor"},
    "a fast one": PLAIN | {"image_processor_type": "ViTImageProcessorFast"},
}
CASES = GIVEN | {f"{name}, by default": {"image_processor_type": name} for name in PROCESSORS}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shape", [(48, 60), (300, 280)])
def test_preprocessing_is_that_of_transformers_to_a_grey_level(tmp_path, name, shape):
    config = {key: value for key, value in CASES[name].items() if key != "image_processor_type" or value}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    # Pillow cuts values off between its two passes: mid greys overshoot no bound
    levels = (80 + 100 * torch.rand(*shape, 3, generator=torch.Generator().manual_seed(0))).byte()
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    if "Vivit" in type(processor).__name__:
        inputs = processor([Image.fromarray(levels.numpy())])
    else:
        inputs = processor(Image.fromarray(levels.numpy()))
    expected = torch.tensor(np.array(inputs["pixel_values"])).flatten(end_dim=-4)
    preprocessing = from_config(config, name)
    found = preprocessing(levels.permute(2, 0, 1)[None] / 255)
    assert found.shape == expected.shape
    # a whole level of rounding in each of Pillow's passes, of which a crop may be between
    assert (found - expected).abs().max() < 1.5 / 255 / min(preprocessing.std)


@pytest.mark.parametrize("name", PROCESSORS)
def test_defaults_are_those_of_transformers(name):
    processor = getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)
    made = processor().to_dict()
    for key, value in PROCESSORS[name].items():
        if key != "default_to_square":
            assert made[key] == pytest.approx(value), key
        elif processor.__name__.endswith("Pil"):
            assert getattr(processor, key) == value
    assert bool(made.get("do_center_crop")) == bool(PROCESSORS[name].get("do_center_crop"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_processor_type": "PerceiverImageProcessor"}, " is of type PerceiverImageProcessor, which is not"),
        ({"image_processor_type": "DonutImageProcessor"}, " is of type DonutImageProcessor, which is not"),
        ({"image_processor_type": "MobileViTImageProcessor"}, " is of type MobileViTImageProcessor, which"),
        (PLAIN | {"do_flip_channel_order": True}, " asks for do_flip_channel_order, which is not known here; use a"),
        (PLAIN | {"do_pad": True}, " asks for do_pad, which is not known here; use a model without it"),
        (PLAIN | {"size": {"shortest_edge": 40, "longest_edge": 50}}, " does not say how to prepare an image (Val"),
        (PLAIN | {"size": {"max_height": 40, "max_width": 50}}, " does not say how to prepare an image (KeyError"),
        (PLAIN | {"resample": 1}, " does not say how to prepare an image (KeyError: 1); it needs size"),
        (PLAIN | {"image_std": [1, 2]}, " does not say how to prepare an image (ValueError: 2 numbers where three are"),
        ({"size": 224}, " does not say how to prepare an image (KeyError: 'image_mean'); it needs size, image_mean"),
        (PLAIN | {"size": 10**6}, " asks for a side of 1000000 pixels; a picture is made of 1 to 4096"),
        (PLAIN | {"size": {"height": 0, "width": 9}}, " asks for a side of 0 pixels; a picture is made of 1 to 4096"),
        (CONVNEXT | {"size": 224, "crop_pct": 0}, " does not say how to prepare an image (ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_told(config, message):
    with pytest.raises(InputError, match=r"^mine") as caught:
        from_config(config, "mine")
    assert str(caught.value).startswith(f"mine{message}")


def test_a_null_is_as_if_nothing_were_said():
    for config in (CONVNEXT | {"size": 224}, CONVNEXT, LEVIT):
        nulls = dict.fromkeys(("crop_pct", "size", "crop_size", "resample", "rescale_factor"))
        assert from_config(nulls | config, "mine") == from_config(config, "mine")


def test_the_model_says_the_processor_where_the_file_does_not():
    config = {"size": 224, "crop_pct": 0.875, "resample": 3} | IMAGENET
    assert from_config(config, "mine", "ConvNextImageProcessor") == from_config(CONVNEXT | config, "mine")
    assert from_config(config, "mine") == from_config(CONVNEXT | config, "mine")  # no other processor has a crop_pct
    assert from_config(config | {"image_processor_type": "ViTImageProcessor"}, "mine", "ConvNext").resize == (224, 224)
    assert _processor_of("resnet") == "ConvNextImageProcessor"
    assert _processor_of("levit") == "LevitImageProcessor"
    assert _processor_of("no such") is None
