"""The published weights, against a second implementation: numpy in float64 and Keras's own (H, W, C) order."""

import gzip
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from rrlib.detectors import hdf5, load
from rrlib.detectors.keras import load_keras
from rrlib.detectors.meso import Meso4, MesoInception4
from rrlib.errors import InputError

PUBLISHED = {
    "Meso4_DF.h5": "meso4",
    "Meso4_F2F.h5": "meso4",
    "MesoInception_DF.h5": "mesoinception4",
    "MesoInception_F2F.h5": "mesoinception4",
}
CLASSES = {"meso4": Meso4, "mesoinception4": MesoInception4}


class Reference:
    """The authors' network for one image (H, W, C), layer by layer; `real` is its logit of real."""

    def __init__(self, path: Path):
        with h5py.File(path) as file:
            self.weights = {
                layer: [array[()] for array in file[layer][layer].values()] for layer in file if len(file[layer])
            }
        # h5py lists names alphabetically: bias, kernel; beta, gamma, moving_mean, moving_variance.

    def layer(self, kind: str, number: int) -> list[np.ndarray]:
        names = sorted((n for n in self.weights if n.startswith(kind)), key=lambda n: int(n.split("_")[-1]))
        return [array.astype(np.float64) for array in self.weights[names[number - 1]]]

    def convolution(self, x: np.ndarray, number: int, dilation: int = 1) -> np.ndarray:
        bias, kernel = self.layer("conv2d", number)
        reach = dilation * (len(kernel) - 1)
        padded = np.pad(x, ((reach // 2, reach // 2), (reach // 2, reach // 2), (0, 0)))
        windows = sliding_window_view(padded, (reach + 1, reach + 1), axis=(0, 1))[..., ::dilation, ::dilation]
        return np.maximum(np.tensordot(windows, kernel, axes=[(3, 4, 2), (0, 1, 2)]) + bias, 0)

    def norm_pool(self, x: np.ndarray, number: int, pool: int) -> np.ndarray:
        beta, gamma, mean, variance = self.layer("batch_normalization", number)
        x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        height, width, channels = x.shape
        return x.reshape(height // pool, pool, width // pool, pool, channels).max(axis=(1, 3))

    def inception(self, x: np.ndarray, first: int) -> np.ndarray:
        branches = [self.convolution(x, first)]
        for dilation in (1, 2, 3):
            number = first + 2 * dilation - 1
            branches.append(self.convolution(self.convolution(x, number), number + 1, dilation))
        return np.concatenate(branches, axis=-1)

    def real(self, x: np.ndarray, architecture: str) -> float:
        if architecture == "meso4":
            x = self.norm_pool(self.convolution(x, 1), 1, pool=2)
            x = self.norm_pool(self.convolution(x, 2), 2, pool=2)
            last = (3, 4)
        else:
            x = self.norm_pool(self.inception(x, 1), 1, pool=2)
            x = self.norm_pool(self.inception(x, 8), 2, pool=2)
            last = (15, 16)
        x = self.norm_pool(self.convolution(x, last[0]), 3, pool=2)
        x = self.norm_pool(self.convolution(x, last[1]), 4, pool=4)
        bias, kernel = self.layer("dense", 1)
        x = x.reshape(-1) @ kernel + bias
        x = np.where(x > 0, x, 0.1 * x)
        bias, kernel = self.layer("dense", 2)
        return float((x @ kernel + bias)[0])


def assert_agrees(path: Path, architecture: str) -> None:
    """In float64 and in logits, so that neither rounding nor a saturated probability hides a difference."""
    image = np.random.default_rng(1).random((256, 256, 3))
    detector = load_keras(path, architecture).double()
    with torch.no_grad():
        fake = detector(torch.from_numpy(image).permute(2, 0, 1)[None])[0, 1].item()
    assert -fake == pytest.approx(Reference(path).real(image, architecture), rel=0, abs=1e-9)


def test_meso4_agrees_with_a_second_implementation(meso4_h5):
    assert_agrees(meso4_h5, "meso4")


def test_mesoinception4_agrees_with_a_second_implementation(mesoinception4_h5):
    assert_agrees(mesoinception4_h5, "mesoinception4")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_load_and_agree_with_a_second_implementation(real, name):
    assert_agrees(real / "mesonet" / "weights" / name, PUBLISHED[name])


def test_meso4_df_gives_its_authors_test_images_the_known_probabilities_of_real(real):
    names = [
        "real/mesonet_real00240.jpg",
        "real/mesonet_real00772.jpg",
        "fake/mesonet_df00204.jpg",
        "fake/mesonet_df01254.jpg",
    ]
    faces = []
    for name in names:
        face = Image.open(real / "mesonet" / name).convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
        faces.append(torch.from_numpy(np.asarray(face, dtype=np.float32) / 255).permute(2, 0, 1))
    detector = load_keras(real / "mesonet" / "weights" / "Meso4_DF.h5", "meso4")
    with torch.no_grad():
        probability = detector(torch.stack(faces)).softmax(1)[:, 0]
    assert probability.tolist() == pytest.approx([0.990, 0.997, 0.052, 0.020], abs=0.005)


def test_loaded_detectors_are_in_eval_mode(meso4_h5):
    assert not any(module.training for module in load_keras(meso4_h5, "meso4").modules())


def fails_with(path: Path, architecture: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load_keras(path, architecture)


def test_meso4_weights_are_not_mesoinception4(meso4_h5):
    message = (
        f"{meso4_h5} does not hold mesoinception4: conv2d 5 is missing; conv2d 6 is missing; conv2d 7 is missing; "
        "and 15 more; give the architecture it was written for (meso4 or mesoinception4)"
    )
    fails_with(meso4_h5, "mesoinception4", message)


def test_mesoinception4_weights_are_not_meso4(mesoinception4_h5):
    message = (
        f"{mesoinception4_h5} does not hold meso4: conv2d 5 is not part of it; conv2d 6 is not part of it; "
        "conv2d 7 is not part of it; and 15 more; give the architecture it was written for (meso4 or mesoinception4)"
    )
    fails_with(mesoinception4_h5, "meso4", message)


def test_a_layer_of_another_shape_is_named(meso4_h5):
    with h5py.File(meso4_h5, "a") as file:
        del file["dense_7/dense_7/kernel:0"]
        file["dense_7/dense_7/kernel:0"] = np.zeros((256, 16), np.float32)
    message = (
        f"{meso4_h5} does not hold meso4: dense 1 has {{'weight': (16, 256), 'bias': (16,)}}, "
        "not {'weight': (16, 1024), 'bias': (16,)}; "
        "give the architecture it was written for (meso4 or mesoinception4)"
    )
    fails_with(meso4_h5, "meso4", message)


def test_an_absent_file_is_named(tmp_path):
    fails_with(tmp_path / "no.h5", "meso4", f"{tmp_path / 'no.h5'} is not a file; give the path of a published .h5")


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_file_cut_short_is_refused(meso4_h5, keep):
    meso4_h5.write_bytes(meso4_h5.read_bytes()[:keep])
    message = f"^{re.escape(str(meso4_h5))} is not a whole HDF5 file of Keras weights \\(.+\\); fetch it again$"
    with pytest.raises(InputError, match=message):
        load_keras(meso4_h5, "meso4")


def test_hdf5_that_keras_did_not_write_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(InputError, match=r"other\.h5 is not a whole HDF5 file of Keras weights"):
        load_keras(tmp_path / "other.h5", "meso4")


def test_resnet_has_no_published_weights(meso4_h5):
    message = f"{meso4_h5}: no Keras weights are published for resnet; choose meso4 or mesoinception4"
    fails_with(meso4_h5, "resnet", message)


def saved_whole(path: Path, target: Path) -> Path:
    """The same weights as `model.save` writes them: in a group beside the optimizer's, the model as attributes."""
    with h5py.File(path) as weights, h5py.File(target, "w") as file:
        group = file.create_group("model_weights")
        for name in weights:
            weights.copy(name, group)
        for key, value in weights.attrs.items():
            group.attrs[key] = value
        file.create_group("optimizer_weights").attrs["weight_names"] = np.array([b"Adam/iter:0"])
        file.attrs["model_config"] = "{}"
    return target


@pytest.mark.parametrize("name", ["whole.h5", "whole.hdf5"])
def test_a_whole_model_is_read_like_its_weights(meso4_h5, tmp_path, name):
    found = load(saved_whole(meso4_h5, tmp_path / name), "meso4").detector.state_dict()
    expected = load_keras(meso4_h5, "meso4").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


KERNEL = "dense_7/dense_7/kernel:0"


def external(file: h5py.File, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * 1024 * 16))
    file.create_dataset(KERNEL, (1024, 16), "f4", external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)])


def linked(file: h5py.File, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.zeros((1024, 16), np.float32)
    file[KERNEL] = h5py.ExternalLink(str(tmp_path / "other.h5"), "kernel")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, f"{KERNEL} lies in another file"),
        (linked, f"{KERNEL} lies in another file"),
        (
            lambda file, _: file.create_dataset(KERNEL, (2**20, 2**20), "f4", chunks=(64, 64)),  # claims 4 TiB
            f"{KERNEL} has {2**40} numbers, more than 1000000",
        ),
        (
            lambda file, _: file.create_dataset(KERNEL, data=np.zeros((1024, 16), np.int8)),
            f"{KERNEL} holds int8, not floating-point numbers",
        ),
    ],
)
def test_what_a_file_claims_or_points_to_is_not_read(meso4_h5, tmp_path, change, said):
    with h5py.File(meso4_h5, "a") as file:
        del file[KERNEL]
        change(file, tmp_path)
    fails_with(meso4_h5, "meso4", f"{meso4_h5} is not a whole HDF5 file of Keras weights ({said}); fetch it again")


@pytest.mark.parametrize("names", [[b"dense_7"] * 3 + [b"gone"], [3, 4], "dense_7"])
def test_names_that_are_none_are_told(meso4_h5, names):
    with h5py.File(meso4_h5, "a") as file:
        file.attrs["layer_names"] = names
    with pytest.raises(
        InputError, match=r"meso4\.h5 is not a whole HDF5 file of Keras weights \(.+\); fetch it again$"
    ):
        load_keras(meso4_h5, "meso4")


def test_many_numbers_are_too_many(meso4_h5, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST", 1000)
    with pytest.raises(ValueError, match=r"^it has more than 1000 numbers$"):
        hdf5.read(str(meso4_h5))


CRASHES = Path(__file__).parents[1] / "fuzz" / "corpus" / "h5"


@pytest.mark.parametrize("case", ["crash-89059fe63531.gz", "crash-b23fdb1e934b.gz"])
def test_a_file_that_crashes_its_library_does_not_crash_us(case, tmp_path):
    path = tmp_path / "case.h5"
    path.write_bytes(gzip.decompress((CRASHES / case).read_bytes()))
    said = "the HDF5 library dies of it, SIGSEGV"
    fails_with(path, "meso4", f"{path} is not a whole HDF5 file of Keras weights ({said}); fetch it again")


def test_a_file_that_takes_too_long_is_refused(meso4_h5, monkeypatch):
    monkeypatch.setattr(hdf5, "SECONDS", 0.001)
    said = "it takes longer than 0.001 s to read"
    fails_with(meso4_h5, "meso4", f"{meso4_h5} is not a whole HDF5 file of Keras weights ({said}); fetch it again")


def test_what_is_no_damage_of_the_file_keeps_its_traceback(meso4_h5, monkeypatch):
    monkeypatch.setattr(hdf5, "__file__", str(meso4_h5.with_name("gone.py")))
    with pytest.raises(RuntimeError, match=r"gone\.py"):
        load_keras(meso4_h5, "meso4")


def test_nothing_beside_the_file_is_imported(meso4_h5, monkeypatch):
    meso4_h5.with_name("h5py.py").write_text("raise SystemExit('foreign code')")
    monkeypatch.chdir(meso4_h5.parent)
    monkeypatch.setenv("PYTHONPATH", str(meso4_h5.parent))
    assert isinstance(load_keras(Path(meso4_h5.name), "meso4"), Meso4)
