"""Preprocessing against the image processors of transformers."""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from processor import PLAIN

from rrlib.detectors.preprocessing import from_config

CROP = PLAIN | {
    "image_processor_type": "VideoMAEImageProcessor",
    "size": {"shortest_edge": 40},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
}
PROCESSORS = {
    "plain": PLAIN | {"size": {"height": 24, "width": 24}},
    "bicubic": PLAIN | {"resample": 3},
    "up": PLAIN | {"size": {"height": 96, "width": 96}},
    "crop": CROP,
    "not-resized": PLAIN | {"do_resize": False},
    "not-normalised": PLAIN | {"do_normalize": False},
    "clip": CROP | {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "resample": 3},
    "convnext": PLAIN
    | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875},
    "convnext-384": PLAIN
    | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "crop_pct": 0.875},
    "efficientnet": PLAIN | {"image_processor_type": "EfficientNetImageProcessor", "include_top": True},
    "efficientnet-offset": PLAIN
    | {
        "image_processor_type": "EfficientNetImageProcessor",
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "include_top": False,
    },
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_preprocessing_is_that_of_transformers_to_a_grey_level(tmp_path, name):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[name]))
    # Pillow cuts values off between its two passes: mid greys overshoot no bound
    levels = (80 + 100 * torch.rand(48, 60, 3, generator=torch.Generator().manual_seed(0))).byte()
    inputs = transformers.AutoImageProcessor.from_pretrained(tmp_path)(Image.fromarray(levels.numpy()))
    expected = torch.tensor(np.array(inputs["pixel_values"])).flatten(end_dim=-4)
    preprocessing = from_config(PROCESSORS[name], name)
    found = preprocessing(levels.permute(2, 0, 1)[None] / 255)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1.5 / 255 / min(preprocessing.std)
