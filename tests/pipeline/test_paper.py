"""The paper's study rehearsed as book/paper.md tells it: plan, fetch, crops, weights, attacks, Figure 1, book.

What needs a form, an account or a network is played by `rehearsal`; all numbers are small and mean nothing. It is run
by hand, as the gate has no room for it: RRLIB_REHEARSAL=short takes a minute and a half of one processor, and
RRLIB_REHEARSAL=whole, with damage, transfer, every page and the book, five minutes.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import rehearsal
import torch
import yaml
from bs4 import BeautifulSoup
from studies import cloned

from rrlib import detectors, study
from rrlib.__main__ import main
from rrlib.attacks import rule
from rrlib.datasets import manifest
from rrlib.evaluation import probe
from rrlib.plan import timing
from rrlib.report import book, notebooks
from rrlib.study import paths

ASKED = os.environ.get("RRLIB_REHEARSAL")  # short or whole
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ASKED, reason="RRLIB_REHEARSAL=short rehearses the paper's study, in a minute and a half"),
]
FILE = Path("params.paper.yaml")
WHOLE = ASKED == "whole"
whole_only = pytest.mark.skipif(not WHOLE, reason="RRLIB_REHEARSAL=whole makes every page and the book")
# A look at two samples, short: what is searched is as in the study, for how long is not.
PROBE = {
    **{"IMAGES": 2, "CLIPS": 2, "MOST_OF_GROUP": 1},
    "UNBOUNDED": {"fgsm": rule("fgsm"), "pgd": rule("pgd", steps=2)},
    "BLACK_BOX": rule("square", queries=4),
    "LONG": {"shift": rule("shift", steps=2, restarts=2, schedule="apgd"), "pgd": rule("pgd", steps=2)},
}
FORMS = {"faceforensics-c23": "FaceForensics++", "celeb-df-v2": "Celeb-DF-v2", "dfdc-preview": "dfdc_preview"}


@dataclass
class Rehearsed:
    """Where it was run, and what each command has said."""

    folder: Path
    world: rehearsal.World
    said: dict[str, str]


def told(command: str, code: int = 0) -> str:
    """What a command of rrlib says, errors with it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        assert main(shlex.split(command)) == code, out.getvalue()[-2000:]
    return out.getvalue()


def pin(source: str, change: object) -> None:
    given = yaml.safe_load(FILE.read_text())
    given["sources"][source] = change
    FILE.write_text(yaml.safe_dump(given, sort_keys=False))


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory) -> Iterator[Rehearsed]:
    """All of it in this process, in the order of the page, and then of the stages."""
    folder, data = cloned(tmp_path_factory.mktemp("paper")), tmp_path_factory.mktemp("data")
    world = rehearsal.play(folder, data)
    rehearsal.reduce(folder / FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_ENDPOINT", world.url)
        patch.setattr(timing, "SECONDS", -1)  # what a gradient takes is measured elsewhere
        for name, value in PROBE.items():
            patch.setattr(probe, name, value)
        said = {"plan": told(f"plan {FILE}")}
        get(data, said)
        said["plan again"] = told(f"plan {FILE}")
        Path("params.yaml").unlink()  # in a clone, git holds it
        said["write"] = told(f"plan {FILE} --write params.yaml")
        said["check"] = told("check")
        run(study.load())
        yield Rehearsed(folder, world, said)
    world.http.shutdown()


def get(data: Path, said: dict[str, str]) -> None:
    """The plan's list, item by item: folders that were given, hashes and revisions as `fetch` prints them."""
    for name, folder in FORMS.items():
        pin(name, {"folder": str(data / folder)})
    said["splits"] = told("fetch faceforensics-splits --trust-first-use")
    said["xception"] = told("fetch deepfakebench-xception", code=1)
    (sha256,) = re.findall("write `sha256: ([0-9a-f]{64})`", said["xception"])
    pin("deepfakebench-xception", {"files": [{"name": "xception_best.pth", "sha256": sha256}]})
    for name in rehearsal.MODELS:
        said[name] = told(f"fetch {name}", code=1)
        (revision,) = re.findall("write `revision: ([0-9a-f]{40})`", said[name])
        pin(name, {"hub": {"revision": revision}})
    given = yaml.safe_load(FILE.read_text())
    given["detectors"]["xception"]["sha256"] = sha256
    FILE.write_text(yaml.safe_dump(given, sort_keys=False))


def run(found: study.Study) -> None:
    """The stages of dvc.yaml by their commands, but for pairs that are left out; the pages in one go."""
    told("fetch --study")
    for dataset in found.datasets:
        told(f"dataset {dataset}")
    for pair in found.pairs():
        for stage in ("checkpoint", "measure", "trust"):
            told(f"{stage} {' '.join(pair)}")
    for stage in ("results", "thresholds", "card --study"):
        told(stage)
    if not WHOLE:
        notebooks.execute_all(some_pages(found))
        return
    for pair in found.pairs():
        told(f"damage {' '.join(pair)}")
    for dataset in found.datasets:
        told(f"transfer {dataset}")
    told("numbers")
    jobs = [notebooks.Job("dataset", paths.dataset_page(name), {"dataset": name}) for name in found.datasets]
    jobs += [job for pair in found.pairs() for job in book.pages_of_detector(found, *pair)]
    jobs += [notebooks.Job(name, paths.NOTEBOOKS / f"{name}.ipynb") for name in book.SINGLE]
    notebooks.execute_all(jobs)
    told("book outputs/book")


def some_pages(found: study.Study) -> list[notebooks.Job]:
    """Figure 1, a data set of frames and one of clips, how a detector was made, and one of each half under PGD."""
    jobs = [notebooks.Job("figure1", paths.NOTEBOOKS / "figure1.ipynb")]
    for name in ("faceforensics", "dfdc-preview-clips"):
        jobs.append(notebooks.Job("dataset", paths.dataset_page(name), {"dataset": name}))
    of_pairs = {pair: book.pages_of_detector(found, *pair) for pair in found.pairs()}
    jobs.append(of_pairs["deepfakeface", "vit-prithiv"][0])
    for pair in (("faceforensics", "xception"), ("faceforensics-clips", "videomae")):
        jobs += [job for job in of_pairs[pair] if job.target.stem == "pgd"]
    return jobs


def shown(page: Path) -> str:
    """What the cells of an executed notebook show."""
    cells = json.loads(page.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(text) for output in outputs for text in output.get("data", {}).values())


def test_the_plan_lists_what_has_to_be_got_and_then_nothing_more(rehearsed):
    before, after = rehearsed.said["plan"], rehearsed.said["plan again"]
    assert before.startswith("params.paper.yaml: 0 of 27 cells can run\n")
    for name in (*FORMS, "faceforensics-splits", "deepfakebench-xception", *rehearsal.MODELS):
        assert re.search(rf"^  \d+\. {name}: ", before, re.MULTILINE), name
    assert after.startswith("params.paper.yaml: 27 of 27 cells can run\n")
    assert "nothing is left for you to get" in after
    assert rehearsed.said["write"].endswith("params.yaml: written\n")
    assert (rehearsed.folder / "params.yaml").read_text() == (rehearsed.folder / FILE).read_text()
    assert "less 45 left out, = 15 cells" in rehearsed.said["check"]


def test_all_that_is_open_came_from_the_server_and_is_what_it_serves(rehearsed):
    assert {f"/{name}" for name in ("Meso4_DF.h5", "xception_best.pth", "wiki.zip")} <= {
        path[path.rindex("/") :] for path in rehearsed.world.asked
    }
    weights = rehearsed.folder / "outputs/sources/deepfakebench-xception/xception_best.pth"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in rehearsed.said["xception"]
    assert (rehearsed.folder / "outputs/sources/deepfakeface/wiki/00").is_dir()


@pytest.mark.parametrize(
    ("dataset", "counts"),
    [
        ("faceforensics", {"train": (4, 16), "validation": (4, 16), "test": (4, 16)}),
        ("celeb-df", {"test": (6, 4)}),
        ("dfdc-preview", {"test": (4, 4)}),
        ("faceforensics-clips", {"train": (2, 8), "validation": (2, 8), "test": (2, 8)}),
        ("celeb-df-clips", {"test": (3, 2)}),
        ("dfdc-preview-clips", {"test": (2, 2)}),
    ],
)
def test_faces_are_cut_out_of_every_video_of_the_official_splits(rehearsed, dataset, counts):
    """Real and fake samples of a split: a frame is one, and two are taken of each video."""
    frame = manifest.read(rehearsed.folder / "outputs/datasets" / dataset)
    for split, (real, fake) in counts.items():
        labels = frame.loc[frame["split"] == split, "label"]
        assert ((labels == 0).sum(), (labels == 1).sum()) == (real, fake), split
    assert frame.groupby("group")["split"].nunique().eq(1).all()


@pytest.mark.parametrize("pair", rehearsal.PAIRS_RUN)
def test_every_cell_has_a_table_that_keeps_the_laws_and_each_pair_a_card(rehearsed, pair):
    for attack in ("fgsm", "pgd", "cw"):
        rows = pd.read_parquet(rehearsed.folder / f"outputs/tables/{pair}/{attack}.parquet")
        assert sorted(rows["epsilon"].unique()) == [0, 0.01, 0.2]
        assert (rows.loc[rows["epsilon"] == 0, "shift"] == 0).all()
        assert (rows["linf"] <= rows["epsilon"] + 1e-6).all()
    assert (rehearsed.folder / f"outputs/cards/{pair}.yaml").is_file()


def test_what_is_left_out_has_no_table_and_no_card(rehearsed):
    for folder in ("tables", "cards", "checkpoints"):
        found = {path.stem for path in (rehearsed.folder / f"outputs/{folder}/celeb-df").iterdir()}
        assert found == {"mesoinception4"}


def test_a_label_order_is_that_of_the_model(rehearsed):
    """The two ViTs are the same network, but one of them calls its first class Deepfake and the other Real."""
    folders = [rehearsed.folder / f"outputs/sources/hub-vit-{name}" for name in ("dima806", "prithiv")]
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    one, other = (detectors.build(f"hub:{folder}", 224, 0).eval() for folder in folders)
    with torch.no_grad():
        assert torch.allclose(one(x), other(x).flip(1))


def test_figure_1_has_a_panel_for_each_data_set_and_for_the_videos_behind_frames(rehearsed):
    page = shown(rehearsed.folder / "outputs/notebooks/figure1.ipynb")
    for name in ("faceforensics", "faceforensics-videos", "celeb-df", "dfdc-preview", "deepfakeface"):
        assert f">image: {name} · worst case, ε = 0.01</text>" in page
    for name in ("faceforensics-clips", "celeb-df-clips", "dfdc-preview-clips"):
        assert f">video: {name} · worst case, ε = 0.01</text>" in page


def test_pages_name_what_they_are_about(rehearsed):
    pages = rehearsed.folder / "outputs/notebooks"
    assert "Of each video 2 frames were taken" in shown(pages / "datasets/faceforensics.ipynb")
    assert "Of each clip 16 frames are read" in shown(pages / "datasets/dfdc-preview-clips.ipynb")
    assert "## Videos" in shown(pages / "detectors/faceforensics/xception/pgd.ipynb")


@whole_only
def test_the_book_has_a_page_for_each_cell_and_none_for_what_is_left_out(rehearsed):
    made = {path.relative_to(rehearsed.folder).as_posix() for path in rehearsed.folder.glob("outputs/book/**/*.html")}
    for pair in rehearsal.PAIRS_RUN:
        assert {f"outputs/book/detectors/{pair}/{page}.html" for page in ("detector", "fgsm", "pgd", "cw")} <= made
    of_detectors = {path for path in made if path.startswith("outputs/book/detectors/")}
    assert len(of_detectors) == 4 * len(rehearsal.PAIRS_RUN)
    start = BeautifulSoup((rehearsed.folder / "outputs/book/index.html").read_text(), "html.parser").get_text()
    assert "xception" in start
    assert "resnet3d" in start
