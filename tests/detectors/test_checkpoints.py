import json
import pickle
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from rrlib.detectors import checkpoints
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError

METADATA = {
    "architecture": "resnet",
    "input_size": 64,
    "dataset": "synthetic",
    "seed": 3,
    "temperature": 1.25,
    "report": {"epochs": 2, "loss": [0.7, 0.5], "threshold": None},
}


@pytest.fixture
def detector(images) -> nn.Module:
    detector = build("resnet", 64, seed=3)
    detector(images(2, 64))  # batch norm statistics that no new detector has
    return detector


@pytest.fixture
def path(tmp_path: Path, detector: nn.Module) -> Path:
    path = tmp_path / "checkpoints" / "resnet.safetensors"
    checkpoints.save(path, detector, METADATA)
    return path


def fails_with(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checkpoints.load_into(path, build("resnet", 64, seed=0), "resnet")


def test_what_is_saved_is_read(path, detector):
    state, metadata = checkpoints.read(path)
    assert metadata == METADATA
    assert state.keys() == detector.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in detector.state_dict().items())


def test_load_into_fills_another_detector(path, detector, images):
    other = build("resnet", 64, seed=0)
    assert checkpoints.load_into(path, other, "resnet") == METADATA
    x = images(2, 64)
    assert torch.equal(other.eval()(x), detector.eval()(x))


def test_the_same_detector_gives_the_same_bytes(path, detector, tmp_path):
    backwards = dict(reversed(METADATA.items()))
    checkpoints.save(tmp_path / "again.safetensors", detector.to(memory_format=torch.channels_last), backwards)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_header_keys_are_sorted_and_the_tensors_begin_on_eight_bytes(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert list(header["__metadata__"]) == sorted(METADATA)
    assert list(header) == sorted(header)
    assert length % 8 == 0


def test_a_save_that_fails_leaves_nothing_and_the_old_file_whole(path, detector):
    before = path.read_bytes()
    detector.register_buffer("sparse", torch.eye(2).to_sparse())
    message = (
        f"{path} cannot be written: sparse is sparse, and a checkpoint holds plain tensors alone; "
        "give the detector before it was quantised or made sparse"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checkpoints.save(path, detector, METADATA)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


class Twice(nn.Module):
    """One network under two names, as encoders of two branches are."""

    def __init__(self) -> None:
        super().__init__()
        self.one = self.other = build("resnet", 64, seed=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x.flip(-1))


class Tied(nn.Module):
    """Two layers with one weight, one of which sees it as a view; and a buffer that is a part of a larger tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = nn.Parameter(self.one.weight.data.T)
        both = torch.arange(8.0)
        self.register_buffer("first", both[:4])
        self.register_buffer("second", both[4:])


@pytest.mark.parametrize("kind", [Twice, Tied])
def test_shared_weights_are_written_and_read_back(tmp_path, kind):
    detector, other = kind(), kind()
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(1)
    path = tmp_path / "shared.safetensors"
    checkpoints.save(path, detector, {"architecture": "python:mine:Twice", "input_size": 64})
    checkpoints.load_into(path, other, "python:mine:Twice")
    assert all(torch.equal(value, detector.state_dict()[name]) for name, value in other.state_dict().items())


def test_what_is_no_tensor_cannot_be_written(tmp_path):
    class Extra(nn.Linear):
        def get_extra_state(self) -> dict:
            return {"threshold": 0.5}

    message = "x.safetensors cannot be written: _extra_state is a dict, and a checkpoint holds plain tensors alone"
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        checkpoints.save(Path("x.safetensors"), Extra(2, 2), METADATA)
    with pytest.raises(InputError, match=re.escape("weight holds no numbers (torch's meta device), and a")):
        checkpoints.save(Path("x.safetensors"), nn.Linear(2, 2, device="meta"), METADATA)


def test_metadata_must_say_what_to_build(tmp_path, detector):
    message = "metadata for a.safetensors lacks input_size; add what is missing"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checkpoints.save(Path("a.safetensors"), detector, {"architecture": "resnet"})


def test_an_absent_file_is_named(tmp_path):
    path = tmp_path / "no.safetensors"
    fails_with(path, f"{path} is not a file; train a detector or give the path of a .safetensors checkpoint")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "raw.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    fails_with(path, f"{path} is a pickle, which can run code when it is read; give a safetensors file instead")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_save_file_is_called_a_pickle(tmp_path, detector, zipped):
    path = tmp_path / "renamed.safetensors"
    torch.save(detector.state_dict(), path, _use_new_zipfile_serialization=zipped)
    fails_with(path, f"{path} is a pickle, which can run code when it is read; give a safetensors file instead")


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_a_file_cut_short_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    message = f"^{re.escape(str(path))} is not a whole safetensors file \\(.+\\); fetch or train it again$"
    with pytest.raises(InputError, match=message):
        checkpoints.read(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"seed": "0"}])
def test_another_programs_safetensors_is_refused(tmp_path, detector, metadata):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(detector.state_dict(), path, metadata)
    fails_with(
        path,
        f"{path} does not say its architecture and input_size; write it with rrlib.detectors.checkpoints.save",
    )


def test_another_architecture_is_refused(path):
    message = f"{path} holds resnet, not meso4; give its own architecture or another file"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checkpoints.load_into(path, build("meso4", 64, seed=0), "meso4")


def test_layers_that_do_not_fit_are_named_and_nothing_is_loaded(tmp_path):
    wrong = build("resnet", 64, seed=1)
    wrong.classifier = nn.Linear(64, 3, bias=False)
    wrong.extra = nn.Linear(1, 1)
    path = tmp_path / "wrong.safetensors"
    checkpoints.save(path, wrong, METADATA)
    detector = build("resnet", 64, seed=0)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    message = (
        f"{path} does not fit resnet of this input_size: classifier.bias is missing; "
        "classifier.weight has shape (3, 64), not (2, 64); extra.bias is not part of resnet; and 1 more; "
        "train it again or give another file"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checkpoints.load_into(path, detector, "resnet")
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.state_dict().items())
