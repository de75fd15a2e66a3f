"""The whole path, small: a temporary clone, `dvc repro` with tiny parameters, its tables, figure and book."""

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from small import FEW, SAMPLES, cells, change, first_table, hashes, run, stages_run, table

from rrlib.report import card_files

pytestmark = pytest.mark.slow
EACH = pytest.mark.parametrize("cell", cells(), ids="-".join)


@EACH
def test_tables_keep_the_laws(study, cell):
    rows = table(study, *cell)
    assert len(rows) == SAMPLES[cell[0]] * len(FEW["epsilons"])
    assert (rows.loc[rows["epsilon"] == 0, "shift"] == 0).all()
    assert (rows["linf"] <= rows["epsilon"] + 1e-6).all()
    tolerances = [0, 0.01, 0.1, 0.5, 1]
    curve = [(rows["shift"] <= tolerance).groupby(rows["epsilon"]).mean() for tolerance in tolerances]
    assert all((after >= before).all() for before, after in pairwise(curve))
    assert (curve[-1] == 1).all()


def page_of(study: Path, dataset: str, detector: str, name: str) -> Path:
    return study / f"outputs/book/detectors/{dataset}/{detector}/{name}.html"


@EACH
def test_every_cell_has_a_page_with_numbers_that_pandas_finds_again(study, cell):
    page = page_of(study, *cell).read_text()
    rows = table(study, *cell)
    robust = (rows["shift"] <= 0.1).groupby(rows["epsilon"]).mean()
    right = ((rows["p_attacked"] > 0.5) == (rows["label"] == 1)).groupby(rows["epsilon"]).mean()
    shown = first_table(page)
    assert shown["RA"] == [f"{share:.3f}" for share in right]
    assert shown["RR(0.1)"] == [f"{share:.3f}" for share in robust]
    assert "Whose gradients the attack followed: a copy with" in page


def test_a_page_of_clips_shows_them_over_time(study):
    page = (study / "outputs/notebooks/detectors/moving/gru/pgd-1.ipynb").read_text()
    assert ">last frame that the detector has seen</text>" in page  # the filmstrip's lower axis, in its SVG
    assert "frames=1" in page_of(study, "moving", "gru", "pgd-1").read_text()
    assert "Of each clip 4 frames are read" in (study / "outputs/book/datasets/moving.html").read_text()


def test_without_frames_of_videos_no_page_has_a_second_level(study):
    for page in study.glob("outputs/book/**/*.html"):
        assert not BeautifulSoup(page.read_text(), "html.parser").find(id="videos"), page
    for page in ("figure1", "index", "linearity"):
        assert "Two levels." not in (study / f"outputs/book/{page}.html").read_text()


def test_the_book_says_whether_rr_is_closer_to_linear_on_video(study):
    for page in ("linearity", "index"):
        assert "closer to linear in the tolerance on video" in (study / f"outputs/book/{page}.html").read_text()


def test_pages_with_drawn_data_say_so(study):
    single = [
        study / f"outputs/book/{name}.html"
        for name in ("index", "figure1", "linearity", "choose", "damage", "transfer", "drawn-and-real")
    ]
    made = "outputs/book/detectors/*/*/*.html"
    pages = [*study.glob("outputs/book/datasets/*.html"), *study.glob(made), *single]
    assert len(pages) == 2 + (2 + 4) + (1 + 2) + 7
    assert all("Synthetic data." in page.read_text() for page in pages)


def test_every_detector_has_a_whole_card_in_the_book(study):
    for dataset, detector in {cell[:2] for cell in cells()}:
        html = BeautifulSoup(page_of(study, dataset, detector, "detector").read_text(), "html.parser")
        (link,) = html.select('a[href$="-card.yaml"]')
        card = card_files.read(page_of(study, dataset, detector, "detector").parent / link["href"])
        assert (card["detector"]["dataset"], card["detector"]["name"]) == (dataset, detector)


def test_nothing_changed_means_nothing_runs(study):
    again = run("dvc", "repro", folder=study)
    assert again.returncode == 0
    assert stages_run(again.stdout) == set()


def test_make_with_nothing_changed_runs_nothing_and_names_the_first_page(study):
    if not Path(sys.prefix, ".ready").is_file():
        pytest.skip(f"{sys.prefix} was not set up by make")
    before = hashes(study, "dvc.lock") | hashes(study, "outputs/book/**/*.html")
    ready = (
        f"--assume-old={sys.prefix}/.ready"  # else files newer than it would have this environment lead to the clone
    )
    made = run("make", "--no-print-directory", ready, f"VENV={sys.prefix}", folder=study)
    assert made.returncode == 0, made.stderr
    *_, verified, last = made.stdout.splitlines()
    assert re.match(r"(of \d+ recorded rows of this study: |none of the \d+ rows of this study)", verified)
    assert last == f"the book: {study / 'outputs/book/index.html'}"
    assert hashes(study, "dvc.lock") | hashes(study, "outputs/book/**/*.html") == before
    assert "page " not in made.stderr


TOLD = {
    "results",
    "cards",
    "figure1",
    "linearity",
    "choose",
    "drawn-and-real",
    "index",
    "book",
}  # and numbers, once there are other results


def planned(study: Path, **parameters: object) -> set[str]:
    """The stages that DVC would run for another study."""
    change(study, **parameters)
    said = run("dvc", "repro", "--dry", folder=study)
    change(study)
    return stages_run(said.stdout)


def test_other_steps_rerun_what_images_are_measured_with_and_what_tells_it(study):
    attacks = FEW["attacks"] | {"pgd": {"rule": "pgd", "steps": 2}}
    measured = {f"{stage}@synthetic-{detector}" for stage in ("measure", "pages") for detector in ("resnet", "meso4")}
    assert planned(study, attacks=attacks) == {"fetch", "transfer@synthetic", "transfer-page"} | measured | TOLD


def test_another_attack_on_clips_leaves_images_alone(study):
    attacks = FEW["video"]["attacks"] | {"pgd": {"rule": "pgd", "steps": 2}}
    measured = {"measure-video@moving-gru", "pages-video@moving-gru", "transfer-video@moving"}
    measured |= {"damage-page", "transfer-page"}
    assert planned(study, video=FEW["video"] | {"attacks": attacks}) == {"fetch"} | measured | TOLD


def test_another_tolerance_measures_nothing(study):
    stages = planned(study, tolerances=[0.05, 0.1])
    assert stages
    assert not [name for name in stages if name.startswith(("measure", "checkpoint", "dataset@", "dataset-video@"))]


def test_another_threshold_measures_nothing(study):
    stages = planned(study, threshold={"fpr": 0.1})
    assert {"thresholds", "figure1", "pages@synthetic-resnet"} <= stages
    assert not [name for name in stages if name.startswith(("measure", "checkpoint", "results"))]


def test_a_wrong_name_stops_before_anything_runs(study):
    change(study, attacks=FEW["attacks"] | {"pdg": {"rule": "pdg"}})
    checked = run("python", "-m", "rrlib", "check", folder=study)
    change(study)
    assert checked.returncode == 1
    assert checked.stderr == (
        "error: params.yaml: attacks.pdg: attack pdg is not known; "
        "choose from noise, fgsm, pgd, cw, cw_l2, shift, square, torchattacks:NAME\n"
    )


def test_a_name_with_a_command_in_it_reaches_no_shell(study):
    change(study, detectors={"x; touch injected #": FEW["detectors"]["meso4"]})
    done = run("dvc", "repro", folder=study)
    change(study)
    assert done.returncode != 0
    assert stages_run(done.stdout) == {"fetch"}
    assert "error: params.yaml: detectors: the name 'x; touch injected #' is not allowed; use letters" in done.stderr
    assert not (study / "injected").exists()
