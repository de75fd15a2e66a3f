"""Valid files of every kind, made here: small, so that damage hits what matters, and the same in every run."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pandas as pd
import safetensors.torch
import torch
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import nn

from rrlib import detectors
from rrlib.datasets import video
from rrlib.detectors import checkpoints, hub
from rrlib.evaluation import tables
from tests.fuzz import formats

SIZE = 32  # pixels; the least that Meso4 takes
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def written(write: Callable[[Path], object], name: str) -> bytes:
    """What `write` puts into a file of that name."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, name))
        return Path(folder, name).read_bytes()


def picture(height: int = 20, width: int = 24, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3): a slope with some noise."""
    slope = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.array([3, 2, 1])
    return (40 + slope + np.random.default_rng(seed).integers(0, 12, (height, width, 3))).astype(np.uint8)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def images() -> list[bytes]:
    """PNG and JPEG files: colours, grey, palette, 1 bit, opaque alpha, texts; progressive, restarts, turned."""
    colours = Image.fromarray(picture())
    texts = PngInfo()
    texts.add_text("Title", "x" * 20)
    texts.add_itxt("Author", "é" * 20, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "described"
    return [
        _saved(colours, "PNG"),
        _saved(colours.convert("L"), "PNG"),
        _saved(colours.quantize(8), "PNG", transparency=bytes([255] * 8)),
        _saved(colours.convert("1"), "PNG"),
        _saved(colours.convert("RGBA"), "PNG"),
        _saved(colours, "PNG", pnginfo=texts, exif=exif, icc_profile=bytes(200)),
        _saved(colours, "JPEG", quality=60),
        _saved(colours, "JPEG", quality=90, subsampling=0, optimize=True, exif=exif),
        _saved(colours, "JPEG", quality=70, progressive=True),
        _saved(colours, "JPEG", quality=70, restart_marker_blocks=1, comment=b"made here", icc_profile=bytes(200)),
        _saved(colours.convert("L"), "JPEG"),
    ]


def _encoded(name: str, codec: str, pixel_format: str, turned: bool = False, **options: str) -> bytes:
    def write(path: Path) -> None:
        with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(codec, rate=25, options=options | {"threads": "1", "flags": "+bitexact"})
            assert isinstance(stream, av.VideoStream)
            stream.width = stream.height = 32
            stream.pix_fmt = pixel_format
            for number in range(6):
                frame = av.VideoFrame.from_ndarray(np.roll(picture(32, 32), number, 1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    return written(write, name)


def videos() -> list[bytes]:
    """Six frames of 32 px in each container and the codecs that deepfakes come in."""
    frames = np.stack([np.roll(picture(32, 32), number, 1) for number in range(6)])
    return [
        written(lambda path: video.encode(path, frames), "clip.mp4"),
        written(lambda path: video.encode(path, frames), "clip.mkv"),
        _encoded("clip.mp4", "libx264", "yuv420p", bf="2", g="3", preset="veryfast"),
        _encoded("clip.mov", "mpeg4", "yuv420p"),
        _encoded("clip.avi", "mpeg4", "yuv420p"),
        _encoded("clip.avi", "mjpeg", "yuvj420p"),
        _encoded("clip.webm", "libvpx-vp9", "yuv420p", **{"cpu-used": "8", "deadline": "realtime"}),
        _encoded("clip.webm", "libvpx", "yuv420p", **{"cpu-used": "8", "deadline": "realtime"}),
        _encoded("clip.mkv", "libx265", "yuv420p", preset="ultrafast", **{"x265-params": "log-level=none:pools=none"}),
    ]


def constant(network: nn.Module) -> nn.Module:
    """A detector whose weights are all alike, so that its file shrinks to nothing when it is packed."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(1)
    return network


def _detector_file(architecture: str, **metadata: object) -> bytes:
    network = constant(detectors.build(architecture, SIZE, 0))
    about = {"architecture": architecture, "input_size": SIZE, "dataset": "faces", "seed": 0, "temperature": 1.5}
    report = {"recipe": {"epochs": 2}, "history": [{"epoch": 1, "training_loss": 0.5}], "best_epoch": 1}
    about |= {"report": report, "data": {"kind": "folder", "seed": 0}, **metadata}
    return written(lambda path: checkpoints.save(path, network, about), "detector.safetensors")


def checkpoint_files() -> list[bytes]:
    """Checkpoints of this project, of built-in detectors."""
    return [
        _detector_file("meso4"),
        _detector_file("meso4", temperature=1, report=None),
        _detector_file("frame-mean-meso4"),
    ]


def published_files() -> list[bytes]:
    """Weights of DeepfakeBench as safetensors, which say nothing of themselves."""
    state = {f"backbone.{name}": tensor for name, tensor in _published().items()}
    return [safetensors.torch.save(state, {"format": '"pt"'}), safetensors.torch.save(state)]


def _published() -> dict[str, torch.Tensor]:
    return constant(detectors.build("meso4-deepfakebench", 256, 0)).state_dict()


def pth_files() -> list[bytes]:
    """State dicts of torch.save, as a zip, with DataParallel's names, and as the pickle that older versions wrote."""
    state = _published()

    def saved(given: dict[str, torch.Tensor], **options: bool) -> bytes:
        return written(lambda path: torch.save(given, path, **options), "weights.pth")

    return [
        saved({f"backbone.{name}": tensor for name, tensor in state.items()}),
        saved({f"module.backbone.{name}": tensor for name, tensor in state.items()}),
        saved({f"backbone.{name}": tensor for name, tensor in state.items()}, _use_new_zipfile_serialization=False),
    ]


CONVOLUTIONS = ((3, 8, 3), (8, 8, 5), (8, 16, 5), (16, 16, 5))  # of Meso4: inputs, outputs, size


def h5_files() -> list[bytes]:
    """MesoNet as Keras's `save_weights` and `save` write it, and packed."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for number, (inputs, outputs, size) in enumerate(CONVOLUTIONS, start=1):
        kernel = np.ones((size, size, inputs, outputs), np.float32)
        layers[f"conv2d_{number}"] = {"kernel": kernel, "bias": np.ones(outputs, np.float32)}
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        layers[f"batch_normalization_{number}"] = {name: np.ones(outputs, np.float32) for name in names}
    for number, (inputs, outputs) in enumerate([(1024, 16), (16, 1)], start=1):
        kernel = np.ones((inputs, outputs), np.float32)
        layers[f"dense_{number}"] = {"kernel": kernel, "bias": np.ones(outputs, np.float32)}

    def write(path: Path, below: str, **options: Any) -> None:
        with h5py.File(path, "w") as file:
            whole = file.create_group(below) if below else file
            whole.attrs["layer_names"] = np.array([*layers, "dropout_1"], dtype="S")
            whole.create_group("dropout_1").attrs["weight_names"] = np.array([], dtype="S")
            for layer, weights in layers.items():
                group = whole.create_group(layer)
                group.attrs["weight_names"] = np.array([f"{layer}/{name}:0" for name in weights], dtype="S")
                for name, array in weights.items():
                    group.create_dataset(f"{layer}/{name}:0", data=array, **options)

    return [
        written(lambda path: write(path, ""), "meso4.h5"),
        written(lambda path: write(path, "model_weights"), "meso4.h5"),
        written(lambda path: write(path, "", compression="gzip", shuffle=True, fletcher32=True), "meso4.h5"),
    ]


SAMPLES = [(f"{name}/{number}", label) for label, name in enumerate(("real", "fake")) for number in range(4)]
SPLITS = ("train", "train", "validation", "test")


def sample_files(folder: Path) -> None:
    """The images that `manifests` and `listings` name."""
    for number, (name, _) in enumerate(SAMPLES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(4, 4, number)).save(path)


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def manifests() -> list[bytes]:
    """Manifests of prepared data sets."""
    header = ("sample", "path", "label", "group", "split", "family", "sha256")
    rows = [
        (name, f"{name}.png", label, f"g{number}", SPLITS[number % 4], "", f"{number:064x}")
        for number, (name, label) in enumerate(SAMPLES)
    ]
    quoted = [(name, path, label, f"a, {group}", *rest) for name, path, label, group, *rest in rows]
    return [_csv([header, *rows]), _csv([header, *quoted])]


def listings() -> list[bytes]:
    """CSV files in which a user lists images."""
    rows = [(f"{name}.png", label, f"g{number}", SPLITS[number % 4]) for number, (name, label) in enumerate(SAMPLES)]
    return [
        _csv([("path", "label", "group", "split"), *rows]),
        _csv([("path", "label"), *((path, label) for path, label, *_ in rows)]),
        _csv([("label", "path", "family"), *((label, path, "swap" * label) for path, label, *_ in rows)]),
    ]


STUDY = {
    **{"seed": 0, "device": "cpu", "batch_size": 8, "workers": 0, "fold": True, "compiled": False, "retrain": False},
    "distance": "linf",
    "epsilons": [0, 0.01],
    "tolerances": [0.1, 0.5],
    "threshold": 0.5,
    "damage": None,
    "cells": {},
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "sources": {},
    "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
    "detectors": {"meso": {"architecture": "meso4", "input_size": 32, "training": {"epochs": 2}}},
    "attacks": {"pgd": {"rule": "pgd", "steps": 3}},
    "video": {"datasets": {}, "detectors": {}, "attacks": {}},
}
ADVERSARIAL = {"method": "madry", "epsilon": 0.01, "steps": 2}
LARGER = STUDY | {
    "sources": {"weights": {}},
    "datasets": {
        "drawn": {"kind": "synthetic", "seed": 0, "size": 32, "strength": 0.5, "images": {"test": 4}},
        "framed": {"kind": "frames", "source": "videos", "seed": 0, "frames": 2, "group": "(?P<group>[^_]+)_.*"},
    },
    "detectors": {
        "trained": {
            "architecture": "resnet",
            "input_size": 32,
            "seed": 1,
            "training": {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "adversarial": ADVERSARIAL},
        },
        "given": {"architecture": "xception", "input_size": 64, "weights": "w.pth", "sha256": "0" * 64},
        "model": {"architecture": "hub:model", "input_size": 32, "labels": {"real": "LABEL_0", "fake": ["LABEL_1"]}},
    },
    "attacks": {"pgd": {"rule": "pgd"}, "noise": {"rule": "noise"}, "cw": {"rule": "cw", "confidence": 1}},
    "video": {
        "datasets": {
            "moving": {"kind": "clips", "source": "videos", "seed": 0, "frames": 4, "crop": {"scale": 1.3}},
            "ff": {
                "kind": "clips",
                **{"source": "ff", "seed": 0, "frames": 4, "stride": 2, "on_error": "skip"},
                "layout": {"name": "faceforensics", "compression": "c23", "manipulations": ["Deepfakes"]},
            },
        },
        "detectors": {"gru": {"architecture": "cnn-gru", "input_size": 32, "training": {}}},
        "attacks": {"pgd": {"rule": "pgd", "frames": 2}, "shift": {"rule": "shift"}},
    },
}


def studies() -> list[bytes]:
    """Studies of params.yaml, the smallest and one with most of what can be written."""
    return [yaml.safe_dump(study, sort_keys=False).encode() for study in (STUDY, STUDY, LARGER)]


SOURCE = {
    **{"kind": "data set", "media": "videos", "title": "Some", "access": "form", "page": "https://example.org"},
    **{"licence": "MIT", "cite": "none"},
}


def catalogues() -> list[bytes]:
    """Catalogues with each way that a source can come."""
    files = [
        {"url": "https://example.org/a.zip?x=1", "sha256": "0" * 64, "size": 9, "unpack": True},
        {"name": "b.csv", "url": "files/b.csv"},
    ]
    text = "base: &base\n  " + "\n  ".join(f"{key}: {each}" for key, each in SOURCE.items())
    text += "\nother:\n  <<: *base\n  title: Another\n  layout: [a/*, 'b/**/*.png']\n"
    entry = SOURCE | {"access": "open", "files": files, "layout": ["real/*"], "counts": {"real": 5, "fake": 6}}
    weights = SOURCE | {
        **{"kind": "checkpoint", "media": "images", "access": "open", "architecture": "hub:x", "gigabytes": 0.5},
        "hub": {"repository": "owner/name", "type": "model", "revision": COMMIT},
        "transformer": {"layers": 2, "width": 32, "heads": 2, "tokens": 17},
    }
    return [
        yaml.safe_dump({"files": entry}, sort_keys=False).encode(),
        yaml.safe_dump({"hub": weights, "here": SOURCE | {"folder": "mine"}}, sort_keys=False).encode(),
        text.encode(),
    ]


def archives() -> list[bytes]:
    """Zip and tar archives of three files, packed in each way."""
    members = {"set/a.txt": b"some text\n" * 9, "set/b/c.png": bytes(range(256)), "set/empty": b""}

    def zipped(packing: int) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", packing) as archive:
            for name, content in members.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = packing
                archive.writestr(info, content)
        return out.getvalue()

    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    packings = ("", "", "gz", "bz2", "xz")
    return [*map(zipped, methods), *(formats.tarred(members, packing) for packing in packings)]


def parquets() -> list[bytes]:
    """Result tables."""
    rows = 12
    table = pd.DataFrame(
        {
            **{"dataset": "faces", "detector": "meso4", "attack": "pgd", "epsilon": [0.0, 0.1] * (rows // 2)},
            "sample": [f"s{number // 2}" for number in range(rows)],
            "group": [f"g{number // 4}" for number in range(rows)],
            "label": [number // 2 % 2 for number in range(rows)],
            **{"p_clean": 0.25, "p_attacked": [0.25, 0.75] * (rows // 2), "shift": [0.0, 0.5] * (rows // 2)},
            "linf": [0.0, 0.1] * (rows // 2),
            "gradient": pd.array([pd.NA, True] * (rows // 2), dtype="boolean"),
        }
    )
    found = []
    for said in ({}, {"attacked": "a surrogate", "keys": json.dumps({"0.0": "a" * 40, "0.1": "b" * 40})}):
        table.attrs = said
        found.append(written(lambda path: tables.write(path, table), "results.parquet"))
    return found


CONFIG = {
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    **{"image_size": 32, "patch_size": 16, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
    "id2label": {"0": "real", "1": "fake"},
    "label2id": {"real": 0, "fake": 1},
    "transformers_version": "5.0.0",
}
CLIPS = CONFIG | {
    "architectures": ["VideoMAEForVideoClassification"],
    "model_type": "videomae",
    **{"num_frames": 4, "tubelet_size": 2},
}


def configs() -> list[bytes]:
    """config.json of models of transformers, for images and for clips."""
    return [json.dumps(config, indent=2).encode() for config in (CONFIG, CLIPS)]


def image_configs() -> list[bytes]:
    """config.json of `tiny_model`."""
    return configs()[:1]


def processors() -> list[bytes]:
    """preprocessor_config.json of several processors."""
    plain = {
        **{"do_resize": True, "do_rescale": True, "do_normalize": True, "do_convert_rgb": None, "resample": 2},
        **{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00392156862745098},
    }
    named = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    cropped = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    return [
        json.dumps(plain | each, indent=2).encode()
        for each in (named, cropped, {"size": 32, "crop_pct": 0.875, "image_processor_type": "ConvNextImageProcessor"})
    ]


def load_transformers() -> None:
    """Import what takes seconds before processes are copied."""
    from transformers import ViTForImageClassification, utils

    utils.logging.disable_progress_bar()
    assert ViTForImageClassification


def tiny_model(folder: Path) -> None:
    """A model of transformers that answers in milliseconds, with its processor."""
    from transformers import ViTConfig, ViTForImageClassification

    given = {key: each for key, each in CONFIG.items() if key not in ("architectures", "model_type", "id2label")}
    config = ViTConfig(**given | {"id2label": {0: "real", 1: "fake"}})
    constant(ViTForImageClassification(config)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_bytes(processors()[0])


def models() -> list[bytes]:
    """The weights of `tiny_model`."""
    with tempfile.TemporaryDirectory() as folder:
        tiny_model(Path(folder))
        return [Path(folder, "model.safetensors").read_bytes()]


def hub_checkpoints() -> list[bytes]:
    """A checkpoint of a model of the hub, which holds its whole configuration."""

    def write(path: Path) -> None:
        model = path.parent / "model"
        tiny_model(model)
        network = hub.hub(model)
        about = {"architecture": "hub:model", "input_size": SIZE, "hub": hub.describe(network)}
        checkpoints.save(path, network, about)

    return [written(write, "detector.safetensors")]


def receipts() -> list[bytes]:
    """What a fetch leaves in its folder."""
    file = {"url": "https://example.org/a.csv", "sha256": "0" * 64, "size": 9}
    whole = {"source": "some", "revision": COMMIT, "complete": True, "files": {"a.csv": file}}
    return [json.dumps(each, indent=2).encode() for each in (whole, {"source": "some", "files": {}})]


def reports() -> list[bytes]:
    """clips.json of a prepared data set."""
    crop = {"scale": 1.3, "size": 32, "frames": 8, "without_face": 0, "without_face_by_path": {}}
    out = {"skipped": [{"path": "a", "reason": "b"}], "passed_over": [], "notes": ["said"]}
    return [json.dumps({"frames": 4, "stride": None, "crop": each} | out, indent=2).encode() for each in (None, crop)]


def pair_lists() -> list[bytes]:
    """A split list of FaceForensics++."""
    return [json.dumps([["071", "054"], ["087", "081"]]).encode()]


def dfdc_lists() -> list[bytes]:
    """metadata.json of a part of DFDC."""
    fake = {"label": "FAKE", "split": "train", "original": "a.mp4"}
    return [json.dumps({"a.mp4": {"label": "REAL", "split": "train", "original": None}, "b.mp4": fake}).encode()]


def celeb_lists() -> list[bytes]:
    """The list of Celeb-DF's test videos."""
    return [b"1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n1 YouTube-real/00170.mp4\n"]


def answers() -> list[bytes]:
    """What the hub says of a model and of a data set at a commit."""
    weights = {"rfilename": "model.safetensors", "size": 9, "blobId": "0" * 40}
    weights["lfs"] = {"sha256": "0" * 64, "size": 9, "pointerSize": 130}
    files = [weights, {"rfilename": "config.json", "size": 2, "blobId": "1" * 40}]
    model = {"id": "owner/answer.json", "sha": COMMIT, "siblings": files, "tags": ["a"], "private": False}
    more = {"pipeline_tag": "image-classification", "lastModified": "2024-01-01T00:00:00.000Z", "downloads": 3}
    return [json.dumps(model).encode(), json.dumps(model | more | {"cardData": {"license": "mit"}}).encode()]
