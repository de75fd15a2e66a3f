"""Images that are the same in every run, weight files that need no download, and a study of images and clips.

The files have the published layout and random weights.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from keras_files import MESO4, MESOINCEPTION4, write_keras
from PIL import Image
from processor import PLAIN
from settings import SETTINGS
from torch import nn

from rrlib import study


@pytest.fixture
def images() -> Callable[[int, int], torch.Tensor]:
    """images(n, size): pixels (n, 3, size, size) in [0, 1)."""
    return lambda n, size: torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def meso4_h5(tmp_path: Path) -> Path:
    return write_keras(tmp_path / "meso4.h5", MESO4, [8, 8, 16, 16], first=7)


@pytest.fixture
def mesoinception4_h5(tmp_path: Path) -> Path:
    return write_keras(tmp_path / "mesoinception4.h5", MESOINCEPTION4, [11, 12, 16, 16])


@pytest.fixture
def small() -> Iterator[dict]:
    """Options of a small transformer; inside, random weights are the same in every run.

    They are large enough for answers to differ from image to image.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        yield {"image_size": 32, "patch_size": 8, "initializer_range": 0.3} | sizes


@pytest.fixture
def save_model(tmp_path) -> Callable[..., Path]:
    """save_model(name, model, **changes): its folder, with an image processor for 32 px but for the changes."""

    def save(name: str, model: nn.Module, **changes: object) -> Path:
        model.save_pretrained(tmp_path / name)
        (tmp_path / name / "preprocessor_config.json").write_text(json.dumps(PLAIN | changes))
        return tmp_path / name

    return save


@pytest.fixture
def image_folder(save_model, small) -> Path:
    """A ViT for images of 32 px, whose first label is fake."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(id2label={0: "Deepfake", 1: "Real"}, **small)
    return save_model("image", ViTForImageClassification(config))


@pytest.fixture
def video_folder(save_model, small) -> Path:
    """A VideoMAE for four frames of 32 px, cut out of 40."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    config = VideoMAEConfig(num_frames=4, id2label={0: "authentic", 1: "ai-generated"}, **small)
    return save_model(
        "video",
        VideoMAEForVideoClassification(config),
        image_processor_type="VideoMAEImageProcessor",
        size={"shortest_edge": 40},
        do_center_crop=True,
        crop_size={"height": 32, "width": 32},
    )


@pytest.fixture
def study_of(tmp_path, monkeypatch) -> Callable[..., study.Study]:
    """study_of(detectors, video={}): a study of 24 images and 24 clips of four frames, in the current directory."""
    monkeypatch.chdir(tmp_path)
    return _write_study


def _write_study(detectors: dict, video: dict | None = None) -> study.Study:
    rng = np.random.default_rng(0)
    for label, name in enumerate(("real", "fake")):
        for number in range(12):
            levels = rng.integers(60, 120, (24, 24, 3)) + 80 * label
            file = Path("images", name, f"{name}{number}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(levels.astype(np.uint8)).save(file)
        for number in range(12):
            folder = Path("clips", name, f"{name}{number}")
            folder.mkdir(parents=True, exist_ok=True)
            for frame in range(4):
                levels = rng.integers(60, 120, (24, 24, 3)) + 80 * label
                Image.fromarray(levels.astype(np.uint8)).save(folder / f"{frame}.png")
    attacks = {"pgd": {"rule": "pgd", "steps": 2}}
    text = {
        **SETTINGS,
        "epsilons": [0, 0.05],
        "tolerances": [0.1],
        "highlight": {"epsilon": 0.05, "tolerance": 0.1, "attack": "pgd"},
        "sources": {},
        "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
        "detectors": detectors,
        "attacks": attacks,
        "video": {
            "datasets": {"moving": {"kind": "clips", "source": "clips", "seed": 0, "frames": 4}},
            "detectors": video or {},
            "attacks": attacks,
        },
    }
    study.PARAMS.write_text(yaml.safe_dump(text))
    return study.load()
