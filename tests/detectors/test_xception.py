"""Xception against a reference layer by layer, and what its loader says of files that do not fit."""

import hashlib
import pickle
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from batch_norms import normed, with_statistics
from torch import Tensor, nn

from rrlib import study as stages
from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors.surrogates import fold
from rrlib.detectors.xception import Xception, load_xception
from rrlib.errors import InputError


@pytest.fixture(scope="module")
def used() -> Xception:
    """An Xception whose batch norms have statistics, so that its answers differ from image to image."""
    return with_statistics(Xception, 64)


@pytest.fixture(scope="module")
def timm(used) -> dict[str, Tensor]:
    return used.state_dict()


@pytest.fixture(scope="module")
def deepfakebench(timm) -> dict[str, Tensor]:
    """The same weights as DeepfakeBench names them, with the layer that its Xception carries but does not use."""
    renamed = {f"backbone.{name}".replace("backbone.fc.", "backbone.last_linear."): timm[name] for name in timm}
    return renamed | {
        "backbone.adjust_channel.0.weight": torch.zeros(512, 2048, 1, 1),
        "backbone.adjust_channel.1.running_mean": torch.zeros(512),
    }


def pixels(n: int, size: int) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def reference(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """Figure 5 of the paper, line by line."""

    def norm(x, name):
        return normed(w, x, name, 1e-5)

    def separable(x, name):
        x = F.conv2d(x, w[f"{name}.conv1.weight"], padding=1, groups=x.shape[1])
        return torch.einsum("oi,nihw->nohw", w[f"{name}.pointwise.weight"][:, :, 0, 0], x)

    def shortcut(x, name):
        return norm(F.conv2d(x, w[f"{name}.skip.weight"], stride=2), f"{name}.skipbn")

    def pool(x):
        return F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 2)

    x = 2 * x - 1
    x = norm(F.conv2d(x, w["conv1.weight"], stride=2), "bn1").clamp(min=0)
    x = norm(F.conv2d(x, w["conv2.weight"]), "bn2").clamp(min=0)
    main = norm(separable(x, "block1.rep.0"), "block1.rep.1")
    main = norm(separable(main.clamp(min=0), "block1.rep.3"), "block1.rep.4")
    x = pool(main) + shortcut(x, "block1")
    for name in ("block2", "block3"):
        main = norm(separable(x.clamp(min=0), f"{name}.rep.1"), f"{name}.rep.2")
        main = norm(separable(main.clamp(min=0), f"{name}.rep.4"), f"{name}.rep.5")
        x = pool(main) + shortcut(x, name)
    for number in range(4, 12):
        main = norm(separable(x.clamp(min=0), f"block{number}.rep.1"), f"block{number}.rep.2")
        main = norm(separable(main.clamp(min=0), f"block{number}.rep.4"), f"block{number}.rep.5")
        main = norm(separable(main.clamp(min=0), f"block{number}.rep.7"), f"block{number}.rep.8")
        x = main + x
    main = norm(separable(x.clamp(min=0), "block12.rep.1"), "block12.rep.2")
    main = norm(separable(main.clamp(min=0), "block12.rep.4"), "block12.rep.5")
    x = pool(main) + shortcut(x, "block12")
    x = norm(separable(x, "conv3"), "bn3").clamp(min=0)
    x = norm(separable(x, "conv4"), "bn4").clamp(min=0)
    return x.mean(dim=(2, 3)) @ w["fc.weight"].T + w["fc.bias"]


def test_the_parameters_number_20811050(used):
    assert sum(parameter.numel() for parameter in used.parameters()) == 20_811_050


def test_the_widths_are_those_of_the_paper(timm):
    widths = [64, 128, 256, 728, 1024, 1536, 2048]
    assert sorted({len(timm[name]) for name in timm if name.endswith("pointwise.weight")}) == widths[1:]
    assert len([name for name in timm if name.endswith(("conv1.weight", "conv2.weight"))]) == 36  # 34 separable, 2 not


@pytest.mark.parametrize("size", [64, 71, 96])
def test_outputs_equal_a_reference_layer_by_layer(used, timm, size):
    x = pixels(2, size)
    with torch.no_grad():
        found, expected = used(x), reference(timm, x)
    assert (found[0] - found[1]).abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_every_norm_is_folded_and_the_gradient_stays(used):
    x = pixels(2, 64)
    folded, count = fold(used, x[:1])
    assert count == 40
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    labels = torch.tensor([0, 1])
    margin, gradient = margin_gradient(used, x, labels)
    margin_folded, gradient_folded = margin_gradient(folded, x, labels)
    torch.testing.assert_close(margin_folded, margin, rtol=0, atol=1e-5)
    assert (gradient_folded - gradient).abs().max() < 1e-3 * gradient.abs().max()
    assert (gradient != 0).double().mean() > 0.9


def test_both_dialects_give_the_same_detector(used, timm, deepfakebench):
    x = pixels(1, 64)
    with torch.no_grad():
        for state in (timm, deepfakebench):
            detector = load_xception(state)
            assert not detector.training
            assert torch.equal(detector(x), used(x))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_is_loaded(used, deepfakebench, tmp_path, suffix):
    path = tmp_path / f"xception_best.{suffix}"
    save = torch.save if suffix == "pth" else safetensors.torch.save_file
    save(deepfakebench, path)
    assert torch.equal(load_xception(path).fc.weight, used.fc.weight)


def test_weights_of_a_study_become_a_checkpoint(used, deepfakebench, tmp_path, monkeypatch, study_of):
    monkeypatch.chdir(tmp_path)
    torch.save(deepfakebench, "xception_best.pth")
    sha256 = hashlib.sha256(Path("xception_best.pth").read_bytes()).hexdigest()
    entry = {"architecture": "xception", "input_size": 64, "weights": "xception_best.pth", "sha256": sha256}
    found = study_of({"xception": entry})
    stages.make_checkpoint(found, "faces", "xception")
    loaded = stages.load_detector(found, "faces", "xception")
    assert (loaded.metadata["architecture"], loaded.metadata["input_size"]) == ("xception", 64)
    with torch.no_grad():
        assert torch.equal(loaded.detector(pixels(1, 64)), used(pixels(1, 64)))


def test_a_count_of_batches_may_be_missing(timm):
    older = {name: tensor for name, tensor in timm.items() if not name.endswith("num_batches_tracked")}
    assert torch.equal(load_xception(older).conv1.weight, timm["conv1.weight"])


REMEDY = "give weights of timm's legacy_xception or of DeepfakeBench's xception with two outputs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.bias": None}, "fc.bias is missing"),
        ({"head.weight": torch.zeros(2)}, "head.weight is not part of xception"),
        (
            {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)},
            "fc.bias has shape (1000,), not (2,); fc.weight has shape (1000, 2048), not (2, 2048)",
        ),
        ({f"extra{n}": torch.zeros(1) for n in range(5)},
         "extra0 is not part of xception; extra1 is not part of xception; extra2 is not part of xception; and 2 more"),
    ],
)  # fmt: skip
def test_weights_that_differ_are_named(timm, change, message):
    state = {name: tensor for name, tensor in (timm | change).items() if tensor is not None}
    with pytest.raises(InputError, match="^" + re.escape(f"the state dict does not fit xception: {message}; {REMEDY}")):
        load_xception(state)


class RunsCode:
    def __reduce__(self):
        return (print, ("this must not be printed",))


def test_a_pickle_dressed_as_a_checkpoint_is_not_run(tmp_path, capsys):
    path = tmp_path / "xception.pth"
    for write in (lambda: torch.save(RunsCode(), path), lambda: path.write_bytes(pickle.dumps(RunsCode(), 2))):
        write()
        message = f"{path} holds more than tensors, or is no file of torch.save, and was not run; give a state dict"
        with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
            load_xception(path)
    assert "this must not be printed" not in capsys.readouterr().out


def test_other_files_are_refused_in_one_sentence(tmp_path, timm):
    def said(name: str) -> str:
        with pytest.raises(InputError) as caught:
            load_xception(tmp_path / name)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    assert said("gone.pth") == "gone.pth is not a file; give the path of a .safetensors or a .pth file"
    assert said("a.h5") == "a.h5 cannot be read as published weights; give a .safetensors or a .pth file"
    (tmp_path / "cut.safetensors").write_bytes(b"cut short")
    assert said("cut.safetensors").startswith("cut.safetensors is not a whole safetensors file (")
    torch.save({"fc.weight": timm["fc.weight"]}, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:-500])
    assert re.match(r"cut\.pth is not a whole file of torch\.save \(.*\); fetch it again$", said("cut.pth"))
    torch.save({"state_dict": timm["fc.bias"], "epoch": 3}, tmp_path / "more.pth")
    assert said("more.pth") == (
        "more.pth does not hold a state dict, names with tensors; save model.state_dict() alone"
    )  # fmt: skip


def test_a_size_that_leaves_nothing_is_refused():
    with pytest.raises(InputError, match=r"^Xception cannot be built for input_size 16; choose 32 or more$"):
        Xception(16)
