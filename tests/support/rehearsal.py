"""The paper's study with everything that it asks for played: small trees in the official layouts, files in the
published formats, and a server on this machine in the place of GitHub and of the Hugging Face hub.

Faces are drawn, videos are encoded as published ones are (H.264, 4:2:0), weights are random. What runs is the study
of params.paper.yaml: its kinds, layouts, detectors and attacks, with smaller numbers.
"""

import hashlib
import io
import json
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import torch
import yaml
from keras_files import MESO4, MESOINCEPTION4, write_keras
from PIL import Image, ImageDraw
from published import lists, write_json

from rrlib.detectors import build
from rrlib.sources import catalogue

GITHUB = "https://github.com"
COMMIT = "0123456789abcdef" * 2 + "01234567"  # of the hub's models, which the catalogue does not pin
FRAMES, SIZE = 16, 96  # of a video, and its height in pixels
FOUR = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
PAIRS = {
    "train.json": [["071", "054"]],
    "val.json": [["720", "672"]],
    "test.json": [["953", "974"]],
}
VIT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 56}
MODELS = {
    "hub-vit-dima806": {0: "Real", 1: "Fake"},
    "hub-vit-prithiv": {0: "Deepfake", 1: "Real"},
    "hub-videomae-soraexplora": {0: "real", 1: "fake"},
}
# Every data set, every detector and, with each of these pairs, every attack.
PAIRS_RUN = [
    "faceforensics/meso4",
    "faceforensics/xception",
    "celeb-df/mesoinception4",
    "dfdc-preview/vit-dima806",
    "deepfakeface/vit-prithiv",
    "faceforensics-clips/videomae",
    "celeb-df-clips/frame-mean",
    "celeb-df-clips/cnn-gru",
    "dfdc-preview-clips/resnet3d",
]


def face(rng: np.random.Generator, side: int, fake: bool) -> np.ndarray:
    """A drawn face that OpenCV's cascade finds, uint8 (side, side, 3); a fake one has a mouth of another colour."""
    s = 4 * side
    image = Image.new("RGB", (s, s), (110, 110, 110))
    skin = tuple(int(level) for level in np.array([205, 165, 140]) + rng.integers(-25, 25, 3))
    darker = tuple(level - 25 for level in skin)

    def oval(x: float, y: float, half: float, high: float, colour: tuple[int, ...]) -> None:
        pen.ellipse([s * (x - half), s * (y - high), s * (x + half), s * (y + high)], fill=colour)

    pen = ImageDraw.Draw(image)
    oval(0.5, 0.5, 0.36, 0.48, skin)
    pen.pieslice([s * 0.1, -s * 0.1, s * 0.9, s * 0.5], 180, 360, fill=(50, 35, 30))
    oval(0.5, 0.525, 0.34, 0.425, skin)
    for x in (0.34, 0.66):
        oval(x, 0.41, 0.1, 0.05, (120, 90, 80))
        oval(x, 0.415, 0.07, 0.035, (240, 240, 240))
        oval(x, 0.415, 0.035, 0.035, (25, 20, 20))
        pen.rectangle([s * (x - 0.1), s * 0.31, s * (x + 0.1), s * 0.34], fill=(50, 35, 30))
    pen.polygon([(s * 0.5, s * 0.42), (s * 0.44, s * 0.62), (s * 0.56, s * 0.62)], fill=darker)
    oval(0.5, 0.755, 0.12, 0.035, (60, 60, 150) if fake else (140, 50, 50))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def talk(path: Path, fake: bool) -> None:
    """A face that moves a little, as an MP4 of H.264 with halved colours; each path has a face of its own."""
    rng = np.random.default_rng(list(path.as_posix()[-40:].encode()))
    side = round(SIZE * 0.75)
    portrait = face(rng, side, fake)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = SIZE * 4 // 3, SIZE, "yuv420p"
        for number in range(FRAMES):
            frame = np.full((stream.height, stream.width, 3), 110, np.int16)
            left = 8 + number % 12
            frame[12 : 12 + side, left : left + side] = portrait
            frame += rng.integers(-5, 6, frame.shape, dtype=np.int16)
            shown = av.VideoFrame.from_ndarray(frame.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


def faceforensics(root: Path) -> Path:
    """The videos of `PAIRS` and of the four manipulations, at c23; the lists are published elsewhere."""
    for one, other in (pair for pairs in PAIRS.values() for pair in pairs):
        for name in (one, other):
            talk(root / f"original_sequences/youtube/c23/videos/{name}.mp4", fake=False)
        for folder in FOUR:
            for name in (f"{one}_{other}", f"{other}_{one}"):
                talk(root / f"manipulated_sequences/{folder}/c23/videos/{name}.mp4", fake=True)
    return root


def celeb_df(root: Path) -> Path:
    """Six source videos of Celeb-real with a fake of each, three of YouTube-real, and the list of testing videos."""
    tested = []
    for number in range(6):
        person, other = number, (number + 1) % 6
        names = (f"Celeb-real/id{person}_0000.mp4", f"Celeb-synthesis/id{person}_id{other}_0000.mp4")
        for fake, name in enumerate(names):
            talk(root / name, bool(fake))
        tested += [f"{1 - fake} {name}" for fake, name in enumerate(names)] if number < 2 else []
    for number in range(3):
        talk(root / f"YouTube-real/0000{number}.mp4", fake=False)
    (root / "List_of_testing_videos.txt").write_text("\n".join([*tested, "1 YouTube-real/00000.mp4"]) + "\n")
    return root


def dfdc_preview(root: Path) -> Path:
    """Six actors, two of them for testing, each filmed once and swapped once, in dataset.json."""
    listing = {}
    for actor in range(6):
        other = (actor + 1) % 6
        named = {"set": "test" if actor >= 4 else "train", "target_id": 1000 + actor, "augmentations": []}
        real = f"original_videos/{actor}/{actor}_A_001.mp4"
        fake = f"method_{'AB'[actor % 2]}/{actor}/{actor}_A/{other}_{actor}_A_001.mp4"
        listing |= {
            real: {"label": "real", "swapped_id": None, **named},
            fake: {"label": "fake", "swapped_id": 1000 + other, **named},
        }
        talk(root / real, fake=False)
        talk(root / fake, fake=True)
    write_json(root / "dataset.json", listing)
    return root


def deepfakeface(people: int = 8) -> dict[str, bytes]:
    """The four archives, each with the same names of portraits in it, as IMDB-WIKI names them."""
    archives = {}
    for kind in ("wiki", "inpainting", "insight", "text2img"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for person in range(people):
                portrait = io.BytesIO()
                rng = np.random.default_rng([person, *kind.encode()])
                Image.fromarray(face(rng, 64, kind != "wiki")).save(portrait, "JPEG", quality=92)
                archive.writestr(f"{kind}/{person % 4:02}/{person}_1950-01-01_2009.jpg", portrait.getvalue())
        archives[f"{kind}.zip"] = packed.getvalue()
    return archives


def weights_of_images(folder: Path) -> dict[str, bytes]:
    """Meso4 and MesoInception4 as Keras writes them, and Xception as DeepfakeBench does."""
    write_keras(folder / "Meso4_DF.h5", MESO4, [8, 8, 16, 16])
    write_keras(folder / "MesoInception_DF.h5", MESOINCEPTION4, [11, 12, 16, 16])
    network = build("xception", 64, seed=0).state_dict()
    state = {f"backbone.{name.replace('fc.', 'last_linear.')}": tensor for name, tensor in network.items()}
    state["backbone.adjust_channel.0.weight"] = torch.zeros(512, 2048, 1, 1)
    torch.save(state, folder / "xception_best.pth")
    names = ("Meso4_DF.h5", "MesoInception_DF.h5", "xception_best.pth")
    return {name: (folder / name).read_bytes() for name in names}


def hub_model(name: str, folder: Path) -> dict[str, bytes]:
    """A small ViT, or VideoMAE of 16 frames, at 224 px with the labels of that name, as `save_pretrained` writes it."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, ViTConfig, ViTForImageClassification

    labels = {"id2label": MODELS[name], "image_size": 224, "initializer_range": 0.3, **VIT}
    about = {"size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if "videomae" in name:
            model = VideoMAEForVideoClassification(VideoMAEConfig(num_frames=16, **labels))
            about |= {"image_processor_type": "VideoMAEImageProcessor", "size": {"shortest_edge": 224}}
            about |= {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
        else:
            model = ViTForImageClassification(ViTConfig(**labels))
            about |= {"image_processor_type": "ViTImageProcessor"}
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class World:
    """The server: `paths` holds what it has, by path; `asked` what was asked for."""

    def __init__(self) -> None:
        self.paths: dict[str, bytes] = {}
        self.asked: list[str] = []
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                world.asked.append(path)
                content = world.paths.get(path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json" if "/api/" in path else "application/octet-stream")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def publish(self, hub: catalogue.Hub, files: dict[str, bytes]) -> None:
        """A repository of the hub at the commit that the catalogue pins, else at `COMMIT`, its newest."""
        commit, prefix = hub.revision or COMMIT, "/datasets" if hub.type == "dataset" else ""
        siblings = []
        for name, content in files.items():
            held = {"rfilename": name, "size": len(content), "blobId": git_name(content)}
            if not name.endswith(".json"):
                held["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(held)
            self.paths[f"{prefix}/{hub.repository}/resolve/{commit}/{name}"] = content
        info = json.dumps({"id": hub.repository, "sha": commit, "siblings": siblings}).encode()
        for suffix in ("", f"/revision/{commit}"):
            self.paths[f"/api/{hub.type}s/{hub.repository}{suffix}"] = info


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def play(clone: Path, data: Path) -> World:
    """Fill `data` with the three data sets that need a form or an account, serve all else, and send `clone` there.

    In the clone's catalogue and study the address of each file becomes the server's, and SHA-256 and size of the two
    that are pinned those of the file that stands for it; nothing else changes.
    """
    faceforensics(data / "FaceForensics++")
    celeb_df(data / "Celeb-DF-v2")
    dfdc_preview(data / "dfdc_preview")
    known, world = catalogue.read(clone / "data/catalogue.yaml"), World()
    with tempfile.TemporaryDirectory() as folder:
        files = weights_of_images(Path(folder))
        lists(Path(folder, "lists"), PAIRS)
        files |= {path.name: path.read_bytes() for path in Path(folder, "lists").iterdir()}
        for name in MODELS:
            world.publish(known[name].hub, hub_model(name, Path(folder, name)))
    world.publish(known["deepfakeface"].hub, deepfakeface())
    changed = {}
    for source in known.values():
        for file in source.files:
            if file.url.startswith(GITHUB) and file.name in files:
                content, url = files[file.name], file.url.removeprefix(GITHUB)
                world.paths[url] = content
                changed[file.url] = world.url + url
                if file.sha256:
                    pinned = f"{sha256(content)}\n      size: {len(content)}"
                    changed |= {f"{file.sha256}\n      size: {file.size}": pinned, file.sha256: sha256(content)}
    for path in (clone / "data/catalogue.yaml", clone / "params.paper.yaml"):
        text = path.read_text()
        for before, after in changed.items():
            text = text.replace(before, after)
        path.write_text(text)
    return world


def reduce(file: Path) -> None:
    """The study with smaller numbers (cells, samples, pixels, ε, steps, epochs); each name, kind and rule stays."""
    study = yaml.safe_load(file.read_text())
    study |= {"epsilons": [0, 0.01, 0.2], "device": "cpu", "workers": 0, "cells": {"include": PAIRS_RUN}}
    study["damage"] = {"jpeg": [50], "h264": [28]}
    for half in (study, study["video"]):
        for entry in half["datasets"].values():
            if "crop" in entry:
                entry["crop"] = {**entry["crop"], "size": 64}
            if entry["kind"] == "frames":
                entry["frames"] = 2
        for entry in half["detectors"].values():
            if entry["architecture"] == "xception":
                entry["input_size"] = 64
            if "training" in entry:
                entry["input_size"] = 32
                entry["training"] |= {"epochs": 1, "batch_size": 4}
        for entry in half["attacks"].values():
            if "steps" in entry:
                entry["steps"] = 2
    file.write_text(yaml.safe_dump(study, sort_keys=False))
