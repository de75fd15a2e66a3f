"""State dicts of others: wrapped networks, and tensors that are no ordinary numbers."""

import re

import pytest
import torch

from rrlib.detectors import load
from rrlib.detectors.deepfakebench import Meso4Bench, load_meso
from rrlib.detectors.published import without_prefixes
from rrlib.errors import InputError

NAME = "meso4-deepfakebench"
WEIGHT = "conv1.weight"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Meso4Bench(256).state_dict()


@pytest.mark.parametrize(
    "prefix", ["", "backbone.", "module.", "module.backbone.", "_orig_mod.backbone.", "module._orig_mod.backbone."]
)
@pytest.mark.parametrize("form", ["file", "mapping"])
def test_what_a_network_was_wrapped_in_does_not_matter(state, tmp_path, prefix, form):
    wrapped = {prefix + name: tensor for name, tensor in state.items()}
    if form == "file":
        torch.save(wrapped, tmp_path / "meso4_best.pth")
        found = load(tmp_path / "meso4_best.pth", NAME).detector
    else:
        found = load_meso(wrapped, NAME)
    assert all(torch.equal(value, state[name]) for name, value in found.state_dict().items())


def test_a_prefix_of_some_names_alone_is_a_name():
    assert without_prefixes({"module.a": torch.zeros(1), "b": torch.zeros(1)}, "module.").keys() == {"module.a", "b"}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: (t * 100).to(torch.int8), "holds int8, not float32"),
        (lambda t: (t * 100).to(torch.uint8), "holds uint8, not float32"),
        (lambda t: t.to(torch.complex64), "holds complex64, not float32"),
        (lambda t: torch.quantize_per_tensor(t, 0.01, 0, torch.qint8), "is quantised"),
        (lambda t: torch.quantize_per_channel(t, torch.ones(8), torch.zeros(8), 0, torch.qint8), "is quantised"),
        (lambda t: t.to_sparse(), "is sparse"),
        (lambda t: t.to("meta"), "holds no numbers (torch's meta device)"),
    ],
)
def test_tensors_that_are_no_ordinary_numbers_are_refused(state, tmp_path, change, said):
    wrapped = {f"module.backbone.{name}": tensor for name, tensor in state.items()}
    wrapped[f"module.backbone.{WEIGHT}"] = change(state[WEIGHT])
    torch.save(wrapped, tmp_path / "meso4_best.pth")
    for source, where in ((wrapped, "the state dict"), (tmp_path / "meso4_best.pth", str(tmp_path / "meso4_best.pth"))):
        with pytest.raises(InputError, match="^" + re.escape(f"{where} does not fit {NAME}: {WEIGHT} {said}; give")):
            load_meso(source, NAME)


def test_half_precision_becomes_single(state):
    found = load_meso(
        {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, NAME
    )
    assert found.conv1.weight.dtype == torch.float32
    assert torch.equal(found.conv1.weight, state[WEIGHT].half().float())
