"""A checkpoint from a stranger chooses no code, no size beyond bounds and no value that is not checked first."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
import transformers

from rrlib.detectors import catalogue, checkpoints, load
from rrlib.detectors.architectures import BuiltIn
from rrlib.detectors.catalogue import build
from rrlib.detectors.descriptions import of_hub as checked
from rrlib.detectors.hub import _types, hub
from rrlib.errors import InputError

RESNET = {"architecture": "resnet", "input_size": 32}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """written(metadata): a file with a resnet's weights that says so of itself, each value as JSON text."""
    monkeypatch.chdir(tmp_path)

    def write(metadata: dict, state: dict | None = None) -> Path:
        path = Path("stranger.safetensors")
        texts = {key: value if isinstance(value, bytes) else json.dumps(value) for key, value in metadata.items()}
        texts = {key: value.decode() if isinstance(value, bytes) else value for key, value in texts.items()}
        safetensors.torch.save_file(state if state is not None else build("resnet", 32, 0).state_dict(), path, texts)
        return path

    return write


@pytest.fixture
def nothing_runs(monkeypatch, tmp_path):
    """No command, and no import of a module that stands in the current directory."""
    ran = []
    for name in ("system", "popen", "execv"):
        monkeypatch.setattr(os, name, lambda *given: ran.append(given))
    (tmp_path / "trap_module.py").write_text("import pathlib\npathlib.Path('imported').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert ran == []
    assert not Path("imported").exists()
    assert "trap_module" not in sys.modules


def refused(message: str, path: Path, *given: object) -> None:
    with pytest.raises(InputError, match="^" + re.escape(message)) as caught:
        load(path, *given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    "named",
    ["python:os:system", "python:trap_module:make", "hub:.", "hub:someone/detector@" + "0" * 40, "resnet; touch x", ""],
)
def test_a_file_names_no_code_and_no_model(written, named):
    path = written({"architecture": named, "input_size": "touch ran"})
    refused(f"stranger.safetensors says that it holds '{named}'; a file may choose among the architectures that", path)
    refused(
        f"stranger.safetensors holds '{named}', not resnet; give its own architecture or another file", path, "resnet"
    )
    refused(f"stranger.safetensors holds '{named}', not python:mine:make; give its own", path, "python:mine:make")
    assert not Path("ran").exists()


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("named", [None, 3, ["resnet"], {"resnet": 1}, True])
def test_an_architecture_is_a_name(written, named):
    refused(f"stranger.safetensors says that it holds {named!r}; a file", written({**RESNET, "architecture": named}))


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("size", ["touch ran", "32", 32.0, True, None, 0, -32, 8193, 10**30, [32]])
@pytest.mark.parametrize("given", [(), ("resnet",), ("resnet", 32)])
def test_a_size_is_a_whole_number_in_range(written, size, given):
    message = f"stranger.safetensors says input_size {size!r}; it is a whole number from 1 to 8192"
    refused(message, written({**RESNET, "input_size": size}), *given)


@pytest.mark.usefixtures("nothing_runs")
def test_even_a_named_factory_gets_no_size_that_is_a_command(written):
    path = written({"architecture": "python:os:system", "input_size": "touch ran"})
    refused("stranger.safetensors says input_size 'touch ran'; it is a whole", path, "python:os:system")


def test_the_caller_s_size_is_compared(written):
    refused(
        "stranger.safetensors is for input_size 32, not 64; give that or another file", written(RESNET), "resnet", 64
    )
    assert load(written(RESNET), "resnet", 32).metadata == RESNET
    assert load(written(RESNET)).metadata == RESNET


@pytest.mark.parametrize("temperature", ["1", True, None, 0, -1, 1e-9, 1e9, 10**400, float("nan"), float("inf"), [1]])
def test_a_temperature_is_a_number_in_range(written, temperature):
    path = written({**RESNET, "temperature": temperature})
    refused("stranger.safetensors says temperature ", path)


def test_a_size_that_the_weights_do_not_have_is_seen_before_anything_is_built(written, monkeypatch):
    def never(*given: object) -> None:
        raise AssertionError("built")

    path = written({"architecture": "meso4", "input_size": 8192})
    monkeypatch.setattr(BuiltIn, "rebuild", never)
    refused("stranger.safetensors does not fit meso4 of this input_size: ", path)


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_json_is_another_program_s(written, depth):
    refused(
        "stranger.safetensors does not say its architecture and input_size",
        written({**RESNET, "report": b"[" * depth + b"]" * (depth - 1)}),
    )


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.ones(2, 64, dtype=torch.int8), "classifier.weight holds int8, not float32"),
        (torch.ones(2, 64, dtype=torch.uint8), "classifier.weight holds uint8, not float32"),
        (torch.ones(2, 64).to(torch.float8_e4m3fn), "classifier.weight holds float8_e4m3fn, not float32"),
        (torch.ones(2, 64, dtype=torch.bool), "classifier.weight holds bool, not float32"),
    ],
)
def test_codes_are_not_taken_for_weights(written, tensor, said):
    state = build("resnet", 32, 0).state_dict() | {"classifier.weight": tensor}
    refused(f"stranger.safetensors does not fit resnet of this input_size: {said}; train it", written(RESNET, state))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_read(written, kind):
    state = build("resnet", 32, 0).state_dict()
    state["classifier.weight"] = state["classifier.weight"].to(kind)
    found = load(written(RESNET, state)).detector.classifier.weight
    assert found.dtype == torch.float32
    assert torch.equal(found, state["classifier.weight"].float())


# A model of the hub


@pytest.fixture
def of_hub(image_folder, monkeypatch):
    """of_hub(change): the checkpoint of a small ViT whose description was changed, and its architecture."""
    monkeypatch.chdir(image_folder.parent)
    detector = hub(image_folder)
    architecture = "hub:image"
    described = catalogue.architecture(architecture).describe(detector)["hub"]

    def write(change) -> tuple[Path, str]:
        description = json.loads(json.dumps(described))
        change(description)
        path = Path("vit.safetensors")
        checkpoints.save(path, detector, {"architecture": architecture, "input_size": 32, "hub": description})
        return path, architecture

    return write


def test_a_checkpoint_of_the_hub_is_read_once_its_caller_names_it(of_hub, image_folder):
    path, architecture = of_hub(lambda description: None)
    refused("vit.safetensors says that it holds 'hub:image'; a file may choose among", path)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load(path, architecture).detector(x), hub(image_folder)(x))


def put(*keys: str, value: object):
    """A change that puts a value at a path of keys."""

    def change(description: dict) -> None:
        at = description
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


RUNS = "has a model fetch or run what is not in the file; a checkpoint that rrlib wrote does not say so"


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("config", "auto_map", value={"AutoConfig": "trap_module.C"}), f": config.auto_map {RUNS}"),
        (put("config", "attn_implementation", value="a/kernel"), f": config.attn_implementation {RUNS}"),
        (put("config", "_attn_implementation", value="a/kernel"), f": config._attn_implementation {RUNS}"),
        (put("config", "backbone", value="a/b"), f": config.backbone {RUNS}"),
        (put("config", "in", value={"quantization_config": {"a": 1}}), f": config.in.quantization_config {RUNS}"),
        (put("config", "hidden_size", value=10**9), ": config.hidden_size is 1000000000, more than 1000000"),
        (put("config", "num_hidden_layers", value=10**6), ": config.num_hidden_layers is 1000000, more than 1000"),
        (put("config", "layer_norm_eps", value=float("inf")), ": config.layer_norm_eps is inf"),
        (put("config", "hidden_act", value="x" * 1000), ": config.hidden_act is a text of more than 300 characters"),
        (put("config", "hidden_act", value="no_such"), " describes a model that cannot be built ("),
        (put("config", "model_type", value="timm_wrapper"), " holds a model of type 'timm_wrapper'; give one that"),
        (put("config", "model_type", value="bert"), " holds a model of type 'bert'; give one that"),
        (put("config", "model_type", value=None), " holds a model of type None; give one"),
        (put("config", "hidden_size", value=64), " does not fit hub:image of this input_size: "),
        (put("config", value="config.json"), " holds a model of type 'config.json'; give one that"),
        (put("modality", value="sound"), " says modality 'sound'; it is one of image, video"),
        (put("modality", value="video"), " holds a model of type 'vit'; give one that transformers has for videos"),
        (put("real", value=[2]), " says that the outputs [2] are real or fake; of its 2 outputs they are one or"),
        (put("real", value=[-1]), " says that the outputs [-1] are real or fake"),
        (put("real", value="0"), " says that the outputs '0' are real or fake"),
        (put("real", value=[True]), " says that the outputs [True] are real or fake"),
        (put("real", value=[0]), " counts an output as real and as fake; give one that does not"),
        (put("preprocessing", "std", value=[0, 1, 1]), " describes a preprocessing that is not known here; make"),
        (put("preprocessing", "mean", value=["0", 1, 1]), " describes a preprocessing that is not known here; make"),
        (put("preprocessing", "resize", value=10**9), " describes a preprocessing that is not known here; make"),
        (put("preprocessing", "crop", value=[1]), " describes a preprocessing that is not known here; make"),
        (put("preprocessing", "mode", value="__class__"), " describes a preprocessing that is not known here; make"),
        (put("preprocessing", value=None), " describes a preprocessing that is not known here; make"),
        (put("more", value=1), " does not describe its model of the hub; make it again with rrlib"),
    ],
)  # fmt: skip
def test_what_a_description_says_is_checked(of_hub, change, said):
    path, architecture = of_hub(change)
    refused(f"vit.safetensors{said}", path, architecture)


def test_a_description_may_not_be_deep_or_endless(of_hub):
    deep: dict = {}
    for _ in range(50):
        deep = {"a": deep}
    for value in (deep, [0] * 30_000):
        path, architecture = of_hub(put("config", "more", value=value))
        refused("vit.safetensors: config.more", path, architecture)


def test_a_checkpoint_without_its_description_is_refused(image_folder, monkeypatch):
    monkeypatch.chdir(image_folder.parent)
    checkpoints.save(Path("vit.safetensors"), hub(image_folder), {"architecture": "hub:image", "input_size": 32})
    refused("vit.safetensors does not describe its model of the hub; make it", Path("vit.safetensors"), "hub:image")


def test_a_built_in_architecture_takes_no_description(written):
    assert load(written({**RESNET, "hub": {"config": {"auto_map": "x"}}})).detector(torch.rand(1, 3, 32, 32)).shape == (
        1,
        2,
    )


TYPES = [(modality, each) for modality, types in _types().items() for each in sorted(types)]


@pytest.mark.parametrize(("modality", "kind"), TYPES, ids=[kind for _, kind in TYPES])
def test_every_type_of_transformers_may_be_described(modality, kind):
    config = json.loads(transformers.AutoConfig.for_model(kind).to_json_string(use_diff=False))
    fixed = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize": 224, "crop": [224, 224], "mode": "bilinear"}
    described = {"config": config, "preprocessing": fixed, "real": [0], "fake": [1], "modality": modality}
    assert checked(described, _types(), "here").config == config
