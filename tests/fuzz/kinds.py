"""What is fuzzed: for each kind of file its seeds, its damages, the function that reads it, and what it may cost."""

import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from rrlib import datasets, detectors, study
from rrlib.datasets import images, layouts, video
from rrlib.detectors import hdf5, hub, keras
from rrlib.errors import InputError
from rrlib.evaluation import store, tables
from rrlib.plan import timing
from rrlib.sources import catalogue, state, table
from rrlib.sources import hub as hub_source
from rrlib.sources.download import Patience
from rrlib.sources.unpack import unpack
from tests.fuzz import formats, seeds
from tests.fuzz.mutations import of_bytes

Damage = Callable[[random.Random, bytes, list[bytes]], bytes]


def _nothing(folder: Path) -> None:
    """There is nothing else."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    file: its name in the folder where it is read. readers: what is given its path,
    each of them. structured: damage that knows the
    format, used in the share `known` of the cases. share: how many of 20,000 cases. memory: MiB that one case may take
    at its height. seconds: of processor time. prepare: what else has to lie in the folder. load:
    imports that take long, done once. alone: it is read in a process of its own, so a crash is refused like any damage.
    """

    name: str
    file: str
    seeds: Callable[[], list[bytes]]
    readers: Sequence[Callable[[Path], object]]
    structured: Damage | None = None
    share: int = 1000
    known: float = 0.5
    memory: int = 256
    seconds: float = 10.0
    prepare: Callable[[Path], object] = _nothing
    load: Callable[[], object] = lambda: None
    alone: bool = False

    def damaged(self, seed: object, number: int, valid: list[bytes]) -> bytes:
        """Case `number`: the same bytes for the same seed."""
        rng = random.Random(f"{seed}/{self.name}/{number}")
        data = rng.choice(valid)
        if self.structured and rng.random() < self.known:
            try:
                data = self.structured(rng, data, valid)
            except Exception:  # an encoder may refuse what was drawn; then bytes are damaged instead
                return of_bytes(rng, data, valid)
            return of_bytes(rng, data, valid) if rng.random() < 0.1 else data
        return of_bytes(rng, data, valid)


def _video(path: Path) -> None:
    for _ in video.stream(path, 3, examine=True):
        pass


def _clip(path: Path) -> None:
    """As it is read while it is measured: damage is not looked for, and a window in the middle is taken."""
    for _ in video.stream(path, 2, stride=2):
        pass


def _foreign(path: Path) -> None:
    detectors.load(path, "meso4-deepfakebench", 256)


def _keras(path: Path) -> None:
    """What `detectors.load` does, but that this process is the one of its own."""
    try:
        found = hdf5.read(str(path))
    except Exception as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}); fetch it again") from error
    keras.filled(path, "meso4", keras.arranged(found))


def _manifest(path: Path) -> None:
    datasets.load(path.parent, "train", 8)[0]


def _listing(path: Path) -> None:
    given = {"kind": "folder", "source": str(path), "seed": 0}
    datasets.prepare("mine", given, path.parent / "prepared")


def _catalogue(path: Path) -> None:
    found = catalogue.read(path)
    table.markdown(found.values())


def _chosen(path: Path) -> None:
    found = catalogue.read(path)
    catalogue.chosen({name: {} for name in found}, "params.yaml: sources", path.parent, path)


def _archive(path: Path) -> None:
    target = path.parent / "set"
    try:
        unpack(path, target)
    finally:
        if target.exists():
            shutil.rmtree(target)


def _adopted(path: Path) -> None:
    pieces = path.parent / "pieces"
    try:
        store.adopt(path, pieces)
    finally:
        shutil.rmtree(pieces, ignore_errors=True)


def _config(path: Path) -> None:
    found = detectors.architecture(f"hub:{path.parent}")
    assert found.modality in ("image", "video")
    found.check(32)
    assert found.frames is None or isinstance(found.frames, int)


def _transformer(path: Path) -> None:
    entry = study.Detector(f"hub:{path.parent}", 32, 0, None, None, None)
    timing.transformer_of(entry, None)  # type: ignore[arg-type]  # a study, asked where there is no config.json


def _model(path: Path) -> None:
    hub.hub(path.parent)


def _hub(path: Path) -> None:
    detectors.load(path, "hub:model", 32)


class _Answer(BaseHTTPRequestHandler):
    """The file's content, whatever is asked."""

    def do_GET(self) -> None:
        content = Path("answer.json").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _server(folder: Path) -> None:
    """A hub on this machine."""
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()


def _answer(path: Path) -> None:
    source = catalogue.Source("x", "x.yaml", **seeds.SOURCE, hub=catalogue.Hub(f"owner/{path.name}", "model"))
    hub_source.resolve(source, patience=Patience(attempts=1, backoff=0))


def _report(path: Path) -> None:
    datasets.clip_report(path.parent)


def _layout(name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        layouts.LAYOUTS[name].read(path.parent)

    return read


def _ff_folders(folder: Path) -> None:
    Path(folder, "train.json").write_text('[["100", "101"]]')
    Path(folder, "val.json").write_text('[["200", "201"]]')
    for name in ("original_sequences/youtube", "manipulated_sequences/Deepfakes"):
        Path(folder, name, "c23", "videos").mkdir(parents=True)


def _celeb_folders(folder: Path) -> None:
    for name, clip in (("Celeb-real", "id0_0000"), ("Celeb-synthesis", "id0_id1_0000"), ("YouTube-real", "00170")):
        Path(folder, name).mkdir()
        Path(folder, name, f"{clip}.mp4").touch()


def _study_files(folder: Path) -> None:
    """What the studies name: a catalogue, weights, a model."""
    Path(folder, "data").mkdir()
    entry = b"weights:\n  " + b"\n  ".join(f"{key}: {each}".encode() for key, each in seeds.SOURCE.items())
    Path(folder, "data/catalogue.yaml").write_bytes(entry)
    Path(folder, "w.pth").touch()
    Path(folder, "model").mkdir()
    Path(folder, "model/config.json").write_bytes(
        seeds.configs()[0].replace(b"real", b"LABEL_0").replace(b"fake", b"LABEL_1")
    )


_tiny = seeds.tiny_model
KINDS = {
    kind.name: kind
    for kind in (
        # a picture may have 2^26 pixels, and decoding them takes at most a GiB; HDF5 itself takes one for a header that
        # claims it, before anything of it can be looked at
        Kind("image", "case.png", seeds.images, [images.size, images.examine], formats.png, share=6000, memory=1200),
        Kind("video", "case.mp4", seeds.videos, [video.size, _video], formats.boxes, share=800, memory=1200),
        Kind("clip", "case.mkv", seeds.videos, [_clip], formats.boxes, share=800, memory=1200),
        Kind(
            "checkpoint",
            "case.safetensors",
            seeds.checkpoint_files,
            [detectors.load, lambda path: detectors.load(path, "meso4", seeds.SIZE)],
            formats.safetensors,
            share=800,
        ),
        Kind("pth", "case.pth", seeds.pth_files, [_foreign], formats.pth, share=800),
        Kind("published", "case.safetensors", seeds.published_files, [_foreign], formats.safetensors, share=800),
        Kind("h5", "case.h5", seeds.h5_files, [_keras], formats.h5, share=400, known=0.3, memory=1200, alone=True),
        Kind(
            "manifest",
            "manifest.csv",
            seeds.manifests,
            [_manifest],
            formats.csv_table,
            800,
            prepare=seeds.sample_files,
        ),
        Kind("listing", "case.csv", seeds.listings, [_listing], formats.csv_table, 200, prepare=seeds.sample_files),
        Kind("params", "params.yaml", seeds.studies, [study.load], formats.yaml_tree, 1400, 0.8, prepare=_study_files),
        Kind("catalogue", "catalogue.yaml", seeds.catalogues, [_catalogue, _chosen], formats.yaml_tree, 900, 0.8),
        Kind("archive", "case.zip", seeds.archives, [_archive], formats.archive_either, 2400, 0.6),
        Kind("parquet", "case.parquet", seeds.parquets, [tables.read, _adopted], formats.parquet, share=800),
        Kind(
            "config",
            "config.json",
            seeds.configs,
            [lambda path: hub_source.refuse_code(path.parent), _config, _transformer],
            formats.json_tree,
            2400,
            0.8,
        ),
        Kind("answer", "answer.json", seeds.answers, [_answer], formats.json_tree, 120, 0.8, prepare=_server),
        Kind(
            "receipt", "fetched.json", seeds.receipts, [lambda path: state.receipt(path.parent)], formats.json_tree, 400
        ),
        Kind("report", "clips.json", seeds.reports, [_report], formats.json_tree, 500),
        Kind(
            "ff-list",
            "test.json",
            seeds.pair_lists,
            [_layout("faceforensics")],
            formats.json_tree,
            200,
            prepare=_ff_folders,
        ),
        Kind("dfdc-list", "metadata.json", seeds.dfdc_lists, [_layout("dfdc")], formats.json_tree, 200),
        Kind(
            "celeb-list",
            "List_of_testing_videos.txt",
            seeds.celeb_lists,
            [_layout("celeb-df")],
            share=200,
            prepare=_celeb_folders,
        ),
        *(
            Kind(name, file, made, [read], damage, share, 0.8, 1200, 10, prepare, seeds.load_transformers)
            for name, file, made, read, damage, share, prepare in (
                ("processor", "preprocessor_config.json", seeds.processors, _model, formats.json_tree, 120, _tiny),
                ("model", "config.json", seeds.image_configs, _model, formats.json_tree, 100, _tiny),
                ("weights", "model.safetensors", seeds.models, _model, formats.safetensors, 60, _tiny),
                ("hub-checkpoint", "case.safetensors", seeds.hub_checkpoints, _hub, formats.safetensors, 120, _nothing),
            )
        ),
    )
}
