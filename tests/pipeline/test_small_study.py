"""The whole path, small: a temporary clone, `dvc repro` with tiny parameters, its tables, figure and book."""

import base64
import hashlib
import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from bs4 import BeautifulSoup
from small import FEW, SAMPLES, cells, change, first_table, hashes, run, stages_run, table

from rrlib.report import book, card_files

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
    for page in ("linearity", "claims"):
        assert "closer to linear in the tolerance on video" in (study / f"outputs/book/{page}.html").read_text()


def test_pages_with_drawn_data_say_so(study):
    drawn = [name for name in book.SINGLE if name != "faces"]  # which are photographs
    single = [study / f"outputs/book/{name}.html" for name in drawn]
    made = "outputs/book/detectors/*/*/*.html"
    pages = [*study.glob("outputs/book/datasets/*.html"), *study.glob(made), *single]
    assert len(pages) == 2 + (2 + 4) + (1 + 2) + len(drawn)
    assert all("Synthetic data." in page.read_text() for page in pages)


def test_every_detector_has_a_whole_card_in_the_book(study):
    for dataset, detector in {cell[:2] for cell in cells()}:
        html = BeautifulSoup(page_of(study, dataset, detector, "detector").read_text(), "html.parser")
        (link,) = html.select('a[href$="-card.yaml"]')
        card = card_files.read(page_of(study, dataset, detector, "detector").parent / link["href"])
        assert (card["detector"]["dataset"], card["detector"]["name"]) == (dataset, detector)


def exhibits(study: Path, page: str) -> list[BeautifulSoup]:
    """What stands on a page of the book with a line that says how it was made."""
    return BeautifulSoup((study / f"outputs/book/{page}.html").read_text(), "html.parser").select("div.exhibit")


def csv_of(exhibit: BeautifulSoup) -> str | None:
    """The table that a reader of the book can take away as a CSV file."""
    link = exhibit.select_one('.made a[href^="data:text/csv;"]')
    return link and unquote(link["href"].partition(",")[2])


PAGES = ["figure1", "choose", "damage", "detectors/synthetic/resnet/pgd"]


def test_ten_numbers_of_the_book_lead_to_the_command_that_gives_them_again(study):
    followed = 0
    for page in PAGES:
        before = [csv_of(exhibit) for exhibit in exhibits(study, page)]
        commands = {exhibit.select_one(".made pre").get_text().strip() for exhibit in exhibits(study, page)}
        (command,) = commands
        again = run(*shlex.split(command), folder=study)
        assert again.returncode == 0, again.stderr
        notebook = json.loads((study / f"outputs/notebooks/{page}.ipynb").read_text())
        held = "".join(
            "".join(o.get("data", {}).get("text/html", "")) for c in notebook["cells"] for o in c.get("outputs", [])
        )
        for written in filter(None, before):
            assert base64.b64encode(written.encode()).decode() in held
            numbers = re.findall(r"\d\.\d+", written)[:3]
            followed += len(numbers)
    assert followed >= 10


def test_a_line_below_every_table_and_figure_names_its_stage_and_its_tables_as_they_are(study):
    stages = set(yaml.safe_load((study / "dvc.lock").read_text())["stages"])
    found = 0
    for page in study.glob("outputs/notebooks/**/*.ipynb"):
        name = page.relative_to(study / "outputs/notebooks").with_suffix("").as_posix()
        for exhibit in exhibits(study, name):
            stage, *inputs = [code.get_text() for code in exhibit.select(".made p > code, .made li > code")]
            assert stage in stages
            for path, digest in zip(inputs[::2], inputs[1::2], strict=True):
                assert hashlib.sha256((study / path).read_bytes()).hexdigest().startswith(digest.rstrip("…"))
            found += 1
    assert found > 40


def test_every_link_below_a_table_or_figure_leads_to_a_file(study):
    for page in study.glob("outputs/book/**/*.html"):
        for link in BeautifulSoup(page.read_text(), "html.parser").select(".made a"):
            if not link["href"].startswith("data:"):
                assert (page.parent / link["href"].partition("#")[0]).is_file(), f"{page.name}: {link}"


def test_figures_have_texts_in_place_of_pictures_and_one_is_there_for_print(study):
    for name in ("index", "figure1", "detectors/synthetic/resnet/pgd"):
        html = BeautifulSoup((study / f"outputs/book/{name}.html").read_text(), "html.parser")
        texts = [image["alt"] for image in html.select("main img") if "_images" in image["src"]]
        assert texts
        assert all(len(text) > 40 and "svg" not in text for text in texts)
    assert (study / "outputs/figures/figure1.pdf").read_bytes().startswith(b"%PDF")


def test_the_first_thing_on_every_page_of_the_study_is_a_sentence_in_bold(study):
    for page in study.glob("outputs/notebooks/**/*.ipynb"):
        name = page.relative_to(study / "outputs/notebooks").with_suffix(".html").as_posix()
        title = BeautifulSoup((study / "outputs/book" / name).read_text(), "html.parser").select_one("main h1")
        assert title.find_next("p").find("strong"), name


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
    "claims",
    "compare",
    "evaluations",
    "linearity",
    "choose",
    "explorer",
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
