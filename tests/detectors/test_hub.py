"""Models of transformers from a local folder or the hub: what they answer, and what is refused."""

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import nn
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    TimesformerConfig,
    TimesformerForVideoClassification,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
)

from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors import catalogue
from rrlib.detectors.hub import hub
from rrlib.detectors.surrogates import fold
from rrlib.errors import InputError

REVISION = "0123456789abcdef0123456789abcdef01234567"


def pixels(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def edited(folder: Path, file: str, **changes: object) -> Path:
    """A folder whose JSON file has other values; None takes a key out."""
    config = json.loads((folder / file).read_text()) | changes
    (folder / file).write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


# What the model computes


def test_an_image_model_answers_as_transformers_does_with_real_first(image_folder):
    picture = Image.fromarray((255 * pixels(50, 50, 3)).byte().numpy())
    inputs = transformers.AutoImageProcessor.from_pretrained(image_folder)(picture, return_tensors="pt")
    with torch.no_grad():
        expected = ViTForImageClassification.from_pretrained(image_folder)(**inputs).logits
        found = hub(image_folder)(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255)
    torch.testing.assert_close(found, expected[:, [1, 0]], rtol=0, atol=0.02)  # the processor rounds to whole levels
    assert (expected[0, 0] - expected[0, 1]).abs() > 0.1


def test_a_video_model_answers_as_transformers_does(video_folder):
    x = pixels(2, 4, 3, 32, 32)
    edited(video_folder, "preprocessor_config.json", size={"shortest_edge": 32})
    config = json.loads((video_folder / "preprocessor_config.json").read_text())
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    with torch.no_grad():
        expected = VideoMAEForVideoClassification.from_pretrained(video_folder)((x - mean) / std).logits
        torch.testing.assert_close(hub(video_folder)(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [32, 48])
def test_the_gradient_to_the_pixels_predicts_a_small_step(image_folder, size):
    detector = hub(image_folder).double()
    x = pixels(1, 3, size, size).double()
    step = 1e-4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, gradient = margin_gradient(detector, x, torch.tensor([0]))
    with torch.no_grad():
        up, down = (detector(x + sign * step)[0] for sign in (1, -1))
    difference = ((up[1] - up[0]) - (down[1] - down[0])).abs().item() / 2
    assert (gradient * step).sum().abs().item() == pytest.approx(difference, rel=1e-3)
    assert (gradient != 0).double().mean() > 0.99


def test_a_video_models_frames_all_have_gradients(video_folder):
    _, gradient = margin_gradient(hub(video_folder), pixels(2, 4, 3, 40, 40), torch.tensor([0, 1]))
    assert (gradient.flatten(2) != 0).any(dim=2).all()


def test_several_labels_add_their_probabilities(save_model, small):
    names = {0: "audio_fake", 1: "both_fake", 2: "real", 3: "video_fake"}
    model = ViTForImageClassification(ViTConfig(id2label=names, **small)).eval()
    folder = save_model("four", model, do_resize=False, do_normalize=False)
    x = pixels(3, 3, 32, 32)
    with torch.no_grad():
        found = hub(folder, {"real": "real", "fake": ["audio_fake", "both_fake", "video_fake"]})(x).softmax(dim=1)
        torch.testing.assert_close(found[:, 0], model(x).logits.softmax(dim=1)[:, 2])


def test_weights_stored_in_half_precision_become_single(tmp_path, image_folder):
    ViTForImageClassification.from_pretrained(image_folder).half().save_pretrained(tmp_path / "half")
    shutil.copy(image_folder / "preprocessor_config.json", tmp_path / "half")
    assert {parameter.dtype for parameter in hub(tmp_path / "half").parameters()} == {torch.float32}


def test_batch_norms_of_transformers_are_folded(save_model):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label={0: "real", 1: "fake"}
    )
    model = transformers.ResNetForImageClassification(config)
    detector, x = hub(save_model("resnet", model)), pixels(2, 3, 32, 32)
    folded, count = fold(detector, x[:1])
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in detector.modules())
    assert count == norms > 0
    with torch.no_grad():
        torch.testing.assert_close(folded(x), detector(x), rtol=0, atol=1e-5)


def test_a_model_of_the_hub_passes_its_trial(image_folder, video_folder):
    assert catalogue.try_architecture(f"hub:{image_folder}", 48) == ()
    assert catalogue.try_architecture(f"hub:{video_folder}", 40) == ()


# What is refused


def refused(source: Path, message: str, **options: object) -> None:
    with pytest.raises(InputError, match="^" + re.escape(f"{source}{message}")) as caught:
        hub(source, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        None,
        {0: "LABEL_0", 1: "LABEL_1"},
        {0: "real", 1: "original"},
        {0: "fake", 1: "deepfake"},
        {0: "real", 1: "not real"},
        {0: "real", 1: "cat"},
        {0: "real", 1: "fake", 2: "unsure"},
        {0: "real", 1: "audio_fake", 2: "video_fake"},
        {0: "fake or real"},
    ],
)
def test_labels_that_do_not_tell_are_refused_with_the_names_found(image_folder, names):
    listed = ", ".join(names.values()) if names else "LABEL_0, LABEL_1"
    message = (
        f" has the labels {listed}, which do not name one as real and one as fake; "
        "say which are which with labels: {real: NAME, fake: NAME}"
    )
    refused(edited(image_folder, "config.json", id2label=names), message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"real": "Real", "fake": "Fake"}, " has no label Fake; its labels are Deepfake, Real"),
        ({"real": "Real", "fake": "Real"}, ": labels gives the same name as real and as fake; give each name once"),
        ({"real": "Real"}, ": labels is {'real': 'Real'}; give {real: NAME, fake: NAME}, or lists of names"),
        ({"real": 0, "fake": 1}, ": labels is {'real': 0, 'fake': 1}; give {real: NAME, fake: NAME}, or lists of"),
    ],
)
def test_given_labels_that_do_not_fit_are_refused(image_folder, labels, message):
    refused(image_folder, message, labels=labels)


def test_given_labels_win(image_folder):
    x = pixels(1, 3, 32, 32)
    with torch.no_grad():
        turned = hub(image_folder, {"real": "Deepfake", "fake": "Real"})(x)
        assert torch.equal(turned, hub(image_folder)(x).flip(1))


def test_pickled_weights_are_refused(image_folder):
    (image_folder / "model.safetensors").rename(image_folder / "pytorch_model.bin")
    refused(image_folder, " holds no safetensors (pickles, such as pytorch_model.bin, can run code); save the model")


def test_missing_weights_are_named(image_folder):
    from safetensors.torch import load_file, save_file

    file = image_folder / "model.safetensors"
    state = load_file(file)
    save_file({name: state[name] for name in state if not name.startswith("classifier")}, file, {"format": "pt"})
    refused(image_folder, " lacks the weights classifier.bias, classifier.weight; give a model trained to classify")


def test_a_size_that_no_weights_hold_takes_no_memory(image_folder):
    edited(image_folder, "config.json", image_size=1_000_000)
    refused(image_folder, ": its config.json describes 500000")


@pytest.mark.parametrize(
    ("key", "most"), [("num_hidden_layers", 1000), ("hidden_size", 1_000_000), ("num_labels", 1_000_000)]
)
def test_a_model_without_end_is_not_begun(image_folder, key, most):
    edited(image_folder, "config.json", **{key: 2**31})
    refused(image_folder, f": its config.json: {key} is 2147483648, more than {most}; give a model that can be built")


@pytest.mark.parametrize("frames", [0, -1, 2.5, "four", [4], True, 10**6])
def test_a_number_of_frames_is_one(video_folder, frames):
    edited(video_folder, "config.json", num_frames=frames)
    with pytest.raises(InputError, match=r"has the num_frames .*; it is a whole number from 1 to 10000$"):
        _ = catalogue.architecture(f"hub:{video_folder}").frames


def test_damaged_weights_and_other_shapes_are_refused(image_folder):
    edited(image_folder, "config.json", hidden_size=64)
    refused(
        image_folder,
        ": its weights classifier.weight have the shape (2, 32), where config.json asks for (2, 64), and 36 ",
    )
    edited(image_folder, "config.json", hidden_size=32)
    (image_folder / "model.safetensors").write_bytes(b"cut short")
    refused(image_folder, ": its config.json describes 19810 numbers, but its weights have 9 bytes; fetch it again")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"architectures": ["ViTModel"]}, " holds a model ViTModel; give one whose name ends in ForIm"),
        ("config.json", {"architectures": None}, " holds a model without a name; give one whose name ends in ForIm"),
        ("config.json", {"id2label": {"a": "real"}}, " has the id2label {'a': 'real'}; it must give each number of"),
        ("preprocessor_config.json", {"resample": 1}, ": preprocessor_config.json does not say how to prepare an im"),
        ("preprocessor_config.json", {"image_std": [1]}, ": preprocessor_config.json does not say how to prepare an"),
        (
            "preprocessor_config.json",
            {"do_flip_channel_order": True},
            ": preprocessor_config.json asks for do_flip_channel_order, which is not known here; use a model without",
        ),
        (
            "preprocessor_config.json",
            {"do_center_crop": True, "crop_size": 64},
            ": preprocessor_config.json crops (64, 64) from a smaller image; use a model that pads nothing",
        ),
        (
            "preprocessor_config.json",
            {"size": 40},
            " cannot take what its preprocessing makes (ValueError: ",
        ),
    ],
)
def test_configurations_that_do_not_fit_are_refused(image_folder, file, changes, message):
    refused(edited(image_folder, file, **changes), message)


def test_absent_and_broken_files_are_refused(image_folder):
    (image_folder / "preprocessor_config.json").write_text("{")
    refused(image_folder, ": its preprocessor_config.json is not valid JSON; fetch it again")
    (image_folder / "preprocessor_config.json").unlink()
    refused(image_folder, " holds no preprocessor_config.json; save the model's image processor there")
    (image_folder / "config.json").write_text("{")
    refused(image_folder, ": its config.json is not valid JSON; fetch it again")
    (image_folder / "config.json").unlink()
    refused(image_folder, " holds no config.json; give the folder that save_pretrained wrote")


def test_another_number_of_frames_is_refused(video_folder):
    message = (
        "VideoMAEForVideoClassification takes clips of 4 frames, not 5; set frames: 4 in the data set"
    )  # fmt: skip
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        hub(video_folder)(pixels(1, 5, 3, 32, 32))


def test_images_for_a_video_model_are_refused(video_folder):
    message = "VideoMAEForVideoClassification takes clips (N, T, 3, H, W), not (1, 3, 32, 32); give it those"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        hub(video_folder)(pixels(1, 3, 32, 32))


@pytest.mark.parametrize("revision", ["main", REVISION[:7], REVISION.upper()])
def test_a_revision_that_may_move_is_refused(revision):
    message = f": the revision {revision} is not the full hash of a commit; give its 40 hex digits"
    refused(Path("someone/detector"), message, revision=revision)


def test_a_repository_is_read_from_the_cache_without_a_network(image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    snapshots = tmp_path / "cache" / "models--someone--detector" / "snapshots"
    shutil.copytree(image_folder, snapshots / REVISION)
    architecture = f"hub:someone/detector@{REVISION}"
    catalogue.check(architecture, 32, "here")
    assert catalogue.architecture(architecture).modality == "image"
    assert catalogue.build(architecture, 32, seed=0)(pixels(2, 3, 32, 32)).shape == (2, 2)
    other = "f" * 40
    refused(Path("someone/detector"), f"@{other}: config.json could not be had from the hub (", revision=other)


def test_without_transformers_the_remedy_is_given(image_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    message = (
        "models of the hub, efficientnet-b4 and vit-b16 need transformers, which is not installed; "
        "install it with `pip install 'transformers>=5,<6'`"
    )
    for run in (lambda: hub(image_folder), lambda: catalogue.build("vit-b16", 32, seed=0)):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            run()


def test_other_families_run_too(save_model, small):
    names = {0: "real", 1: "fake"}
    convnext = ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], id2label=names)
    folder = save_model(
        "convnext", ConvNextForImageClassification(convnext), size={"shortest_edge": 32}, crop_pct=0.875
    )
    assert hub(folder)(pixels(2, 3, 48, 48)).shape == (2, 2)
    timesformer = TimesformerConfig(num_frames=2, id2label=names, **small)
    folder = save_model("timesformer", TimesformerForVideoClassification(timesformer))
    assert hub(folder)(pixels(2, 2, 3, 48, 48)).shape == (2, 2)
    described = catalogue.architecture("hub:x").describe(hub(folder))["hub"]
    assert described == json.loads(json.dumps(described)) | {
        "preprocessing": dataclasses.asdict(hub(folder).preprocessing)
    }
