"""Models of transformers from a local folder: labels, preprocessing, gradients, and the whole study path."""

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
import yaml
from PIL import Image
from torch import nn
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    TimesformerConfig,
    TimesformerForVideoClassification,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
)

from rrlib import evaluation, stages, study
from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors import catalogue
from rrlib.detectors.backbones import efficientnet_b4, vit_b16
from rrlib.detectors.folding import fold
from rrlib.detectors.hub import hub
from rrlib.errors import InputError
from rrlib.evaluation import Cell

REVISION = "0123456789abcdef0123456789abcdef01234567"
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
IMAGE_PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.25, 0.3],
}
VIDEO_PROCESSOR = IMAGE_PROCESSOR | {
    "image_processor_type": "VideoMAEImageProcessor",
    "size": {"shortest_edge": 40},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
}


def saved(folder: Path, model: nn.Module, processor: dict) -> Path:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    transformers.utils.logging.disable_progress_bar()


@pytest.fixture
def seeded():
    """Weights that are the same in every run, large enough for answers to differ from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield {"initializer_range": 0.3}


@pytest.fixture
def image_folder(tmp_path, seeded) -> Path:
    config = ViTConfig(image_size=32, patch_size=8, id2label={0: "Deepfake", 1: "Real"}, **SMALL, **seeded)
    return saved(tmp_path / "image", ViTForImageClassification(config), IMAGE_PROCESSOR)


@pytest.fixture
def video_folder(tmp_path, seeded) -> Path:
    config = VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, id2label={0: "authentic", 1: "ai-generated"}, **SMALL, **seeded
    )
    return saved(tmp_path / "video", VideoMAEForVideoClassification(config), VIDEO_PROCESSOR)


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
    mean, std = (torch.tensor(IMAGE_PROCESSOR[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    with torch.no_grad():
        expected = VideoMAEForVideoClassification.from_pretrained(video_folder)((x - mean) / std).logits
        torch.testing.assert_close(hub(video_folder)(x), expected, rtol=0, atol=1e-5)


PROCESSORS = {
    "plain": IMAGE_PROCESSOR | {"size": {"height": 24, "width": 24}},
    "bicubic": IMAGE_PROCESSOR | {"resample": 3},
    "up": IMAGE_PROCESSOR | {"size": {"height": 96, "width": 96}},
    "crop": VIDEO_PROCESSOR,
    "not-resized": IMAGE_PROCESSOR | {"do_resize": False},
    "not-normalised": IMAGE_PROCESSOR | {"do_normalize": False},
    "clip": VIDEO_PROCESSOR | {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "resample": 3},
    "convnext": IMAGE_PROCESSOR
    | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875},
    "convnext-384": IMAGE_PROCESSOR
    | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}, "crop_pct": 0.875},
    "efficientnet": IMAGE_PROCESSOR | {"image_processor_type": "EfficientNetImageProcessor", "include_top": True},
    "efficientnet-offset": IMAGE_PROCESSOR
    | {
        "image_processor_type": "EfficientNetImageProcessor",
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "include_top": False,
    },
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_preprocessing_is_that_of_transformers_to_a_grey_level(tmp_path, name):
    from rrlib.detectors.preprocessing import from_config

    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[name]))
    # Pillow cuts values off between its two passes: mid greys overshoot no bound
    levels = (80 + 100 * pixels(48, 60, 3)).byte()
    inputs = transformers.AutoImageProcessor.from_pretrained(tmp_path)(Image.fromarray(levels.numpy()))
    expected = torch.tensor(np.array(inputs["pixel_values"])).flatten(end_dim=-4)
    preprocessing = from_config(PROCESSORS[name], name)
    found = preprocessing(levels.permute(2, 0, 1)[None] / 255)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1.5 / 255 / min(preprocessing.std)


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


def test_several_labels_add_their_probabilities(tmp_path, seeded):
    names = {0: "audio_fake", 1: "both_fake", 2: "real", 3: "video_fake"}
    model = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, id2label=names, **SMALL, **seeded)).eval()
    folder = saved(tmp_path / "four", model, IMAGE_PROCESSOR | {"do_resize": False, "do_normalize": False})
    x = pixels(3, 3, 32, 32)
    with torch.no_grad():
        found = hub(folder, {"real": "real", "fake": ["audio_fake", "both_fake", "video_fake"]})(x).softmax(dim=1)
        torch.testing.assert_close(found[:, 0], model(x).logits.softmax(dim=1)[:, 2])


def test_weights_stored_in_half_precision_become_single(tmp_path, image_folder):
    ViTForImageClassification.from_pretrained(image_folder).half().save_pretrained(tmp_path / "half")
    shutil.copy(image_folder / "preprocessor_config.json", tmp_path / "half")
    assert {parameter.dtype for parameter in hub(tmp_path / "half").parameters()} == {torch.float32}


def test_batch_norms_of_transformers_are_folded(tmp_path, seeded):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label={0: "real", 1: "fake"}
    )
    model = transformers.ResNetForImageClassification(config)
    detector, x = hub(saved(tmp_path / "resnet", model, IMAGE_PROCESSOR)), pixels(2, 3, 32, 32)
    folded, count = fold(detector, x[:1])
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in detector.modules())
    assert count == norms > 0
    with torch.no_grad():
        torch.testing.assert_close(folded(x), detector(x), rtol=0, atol=1e-5)


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
    "names",
    [("Real", "Fake"), ("AI-generated", "human"), ("Deepfake", "Realism_real"), ("fake_image", "AUTHENTIC"),
     ("original", "manipulated")],
)  # fmt: skip
def test_labels_that_tell_are_understood(names):
    from rrlib.detectors.labels import columns

    real = [number for number, name in enumerate(names) if name in ("Real", "human", "Realism_real", "AUTHENTIC")]
    real = real or [0]
    assert columns(dict(enumerate(names)), "mine") == (real, [1 - real[0]])


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


def test_damaged_weights_and_other_shapes_are_refused(image_folder):
    edited(image_folder, "config.json", hidden_size=64)
    refused(image_folder, " cannot be loaded (RuntimeError: ")
    edited(image_folder, "config.json", hidden_size=32)
    (image_folder / "model.safetensors").write_bytes(b"cut short")
    refused(image_folder, " cannot be loaded (SafetensorError: ")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"architectures": ["ViTModel"]}, " holds a model ViTModel; give one whose name ends in ForIm"),
        ("config.json", {"architectures": None}, " holds a model without a name; give one whose name ends in ForIm"),
        ("config.json", {"id2label": {"a": "real"}}, " has the id2label {'a': 'real'}; it must give each number of"),
        ("preprocessor_config.json", {"size": None}, ": preprocessor_config.json does not say how to prepare an image"),
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
    assert not catalogue.takes_clips(architecture)
    assert catalogue.build(architecture, 32, seed=0)(pixels(2, 3, 32, 32)).shape == (2, 2)
    other = "f" * 40
    refused(Path("someone/detector"), f"@{other}: config.json could not be had from the hub (", revision=other)


def test_without_transformers_the_remedy_is_given(image_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    message = (
        "models of the hub, efficientnet-b4 and vit-b16 need transformers, which is not installed; install rrlib[hub]"
    )
    for run in (lambda: hub(image_folder), lambda: catalogue.build("vit-b16", 32, seed=0)):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            run()


# Networks to be trained


@pytest.mark.parametrize(
    ("make", "size", "parameters"), [(efficientnet_b4, 380, 17_552_202), (vit_b16, 224, 85_800_194)]
)
def test_parameters_are_as_many_as_published_with_two_outputs(make, size, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in make(size).parameters()) == parameters


@pytest.mark.parametrize("architecture", ["efficientnet-b4", "vit-b16"])
def test_a_network_to_be_trained_keeps_the_contract(architecture):
    detector, x = catalogue.build(architecture, 32, seed=0), pixels(2, 3, 32, 32)
    assert detector.training
    _, gradient = margin_gradient(detector, x, torch.tensor([0, 1]))
    assert gradient.isfinite().all()
    assert (gradient != 0).double().mean() > 0.9


def test_every_norm_of_efficientnet_is_folded():
    detector, x = catalogue.build("efficientnet-b4", 32, seed=0), pixels(1, 3, 32, 32)
    assert fold(detector, x)[1] == sum(isinstance(module, nn.BatchNorm2d) for module in detector.modules())


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("efficientnet-b4", "efficientnet-b4 cannot be built for input_size 20; choose 32 or more"),
        ("vit-b16", "vit-b16 cannot be built for input_size 20; choose a positive multiple of 16"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(architecture, message):
    with pytest.raises(InputError, match=f"^here: {re.escape(message)}$"):
        catalogue.check(architecture, 20, "here")


# The whole study path


def write_study(detectors: dict, video: dict) -> study.Study:
    """A study of twelve images and, in `video`, of six folders of four frames, in the current directory."""
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
        "seed": 0,
        "device": "cpu",
        "batch_size": 4,
        "workers": 0,
        "fold": True,
        "compiled": False,
        "distance": "linf",
        "epsilons": [0, 0.05],
        "tolerances": [0.1],
        "highlight": {"epsilon": 0.05, "tolerance": 0.1, "attack": "pgd"},
        "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
        "detectors": detectors,
        "attacks": attacks,
        "video": {
            "datasets": {"moving": {"kind": "clips", "source": "clips", "seed": 0, "frames": 4}},
            "detectors": video,
            "attacks": attacks,
        },
    }
    study.PARAMS.write_text(yaml.safe_dump(text))
    return study.load()


def test_an_image_and_a_video_model_run_the_whole_study_path(image_folder, video_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = {"architecture": "hub:image", "input_size": 48}
    found = write_study({"vit": entry}, {"videomae": {"architecture": "hub:video", "input_size": 40}})
    expected = {"vit": hub(image_folder), "videomae": hub(video_folder)}
    for cell in (Cell("faces", "vit", "pgd"), Cell("moving", "videomae", "pgd")):
        stages.prepare_dataset(found, cell.dataset)
        stages.make_checkpoint(found, cell.dataset, cell.detector)
    before = [study.checkpoint_path(*pair).read_bytes() for pair in found.pairs()]
    for pair in found.pairs():
        stages.make_checkpoint(found, *pair)
    assert [study.checkpoint_path(*pair).read_bytes() for pair in found.pairs()] == before
    shutil.rmtree("image")  # the checkpoint is enough
    shutil.rmtree("video")
    for cell in (Cell("faces", "vit", "pgd"), Cell("moving", "videomae", "pgd")):
        table = stages.evaluate_cell(found, cell)
        assert stages.load_detector(*cell[:2]).metadata["weights"].startswith("hub:")
        attacked = table.query("epsilon > 0")
        assert attacked["gradient"].all()
        assert (attacked["shift"] > 0).all()
        dataset = stages.load_test_set(cell.dataset, 48 if cell.detector == "vit" else 40)
        again = evaluation.evaluate(expected[cell.detector], dataset, "fgsm", [0])
        assert again["p_clean"].tolist() == table.query("epsilon == 0")["p_clean"].tolist()


def test_a_hub_model_may_be_trained_further(image_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = {"epochs": 1, "batch_size": 4}
    labels = {"real": "Deepfake", "fake": "Real"}
    entry = {"architecture": "hub:image", "input_size": 32, "training": training, "labels": labels}
    found = write_study({"vit": entry}, {})
    stages.prepare_dataset(found, "faces")
    stages.make_checkpoint(found, "faces", "vit")
    loaded = stages.load_detector("faces", "vit")
    assert loaded.metadata["report"]["recipe"]["epochs"] == 1
    assert (loaded.metadata["hub"]["real"], loaded.metadata["hub"]["fake"]) == ([0], [1])
    before = hub(image_folder).state_dict()
    after = loaded.detector.detector.state_dict()
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"architecture": "hub:", "input_size": 32}, "vit: hub: names no model; write hub:FOLDER or hub:OWNER/NAME@RE"),
        ({"architecture": "hub:gone", "input_size": 32}, "vit: gone is not a folder here, and as a hub repository it"),
        ({"architecture": "hub:video", "input_size": 32}, "vit is for clips, but stands among what is for images; mov"),
        (
            {"architecture": "resnet", "input_size": 32, "training": {}, "labels": {"real": "a", "fake": "b"}},
            "vit: labels is for hub: alone, not for resnet; leave it out",
        ),
        (
            {"architecture": "hub:image", "input_size": 32, "labels": {"real": "a", "fake": "Real"}},
            "vit: image has no label a; its labels are Deepfake, Real",
        ),
        (
            {"architecture": "hub:image", "input_size": 32, "training": {}, "weights": "a", "sha256": "b"},
            "vit: give either training (how to train it) or weights (a file with its sha256)",
        ),
    ],
)
def test_what_a_study_may_not_say_of_a_hub_model(image_folder, video_folder, tmp_path, monkeypatch, entry, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="^" + re.escape(f"params.yaml: detectors.{message}")):
        write_study({"vit": entry}, {})


def test_other_families_run_too(tmp_path, seeded):
    names = {0: "real", 1: "fake"}
    convnext = ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], id2label=names)
    folder = saved(tmp_path / "convnext", ConvNextForImageClassification(convnext), PROCESSORS["convnext"])
    assert hub(folder)(pixels(2, 3, 48, 48)).shape == (2, 2)
    timesformer = TimesformerConfig(image_size=32, patch_size=8, num_frames=2, id2label=names, **SMALL, **seeded)
    folder = saved(tmp_path / "timesformer", TimesformerForVideoClassification(timesformer), VIDEO_PROCESSOR)
    assert hub(folder)(pixels(2, 2, 3, 48, 48)).shape == (2, 2)
    described = catalogue.describe("hub:x", hub(folder))["hub"]
    assert described == json.loads(json.dumps(described)) | {
        "preprocessing": dataclasses.asdict(hub(folder).preprocessing)
    }
