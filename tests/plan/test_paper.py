"""The paper's study: it is sound, and its plan needs no data."""

import re
import shutil
from pathlib import Path

import pytest

from rrlib import study
from rrlib.__main__ import main
from rrlib.plan import timing
from rrlib.sources import catalogue, state

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = Path("params.paper.yaml")


@pytest.fixture
def paper(tmp_path, monkeypatch) -> study.Study:
    """The study where nothing is fetched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "SECONDS", -1)  # nothing is measured
    Path("data").mkdir()
    shutil.copy(REPOSITORY / "data/catalogue.yaml", "data")
    shutil.copy(REPOSITORY / FILE, FILE)
    return study.load(FILE)


def test_it_asks_what_the_abstract_says(paper):
    assert (paper.epsilons[0], paper.epsilons[-1]) == (0, 0.2)
    for half in (paper.image, paper.video):
        assert list(half.attacks) == ["fgsm", "pgd", "cw"]
        assert len(half.cells()) == len(half.datasets) * len(half.detectors) * 3 > 0


def test_each_of_its_sources_serves_something_and_each_path_has_its_source(paper):
    text = FILE.read_text()
    named = set(re.findall(r"outputs/sources/([\w.-]+)", text))
    assert named == set(paper.sources)


def test_its_hashes_are_those_of_the_catalogue(paper):
    known = {file.name: file.sha256 for source in catalogue.read().values() for file in source.files}
    for entry in paper.detectors.values():
        if entry.weights:
            assert entry.sha256 == known[entry.weights.name]
            assert state.owner(entry.weights, paper.sources.values()).architecture == entry.architecture


def test_its_plan_names_each_source_and_how_to_get_it(paper, capsys):
    assert main(["plan", str(FILE)]) == 0
    out = capsys.readouterr().out
    for name, source in paper.sources.items():
        assert re.search(rf"^  \d+\. {re.escape(name)}: {re.escape(source.title)}, {source.access}", out, re.MULTILINE)
        told = source.page if source.access != "open" else f"`python -m rrlib fetch {name}`"
        assert told in out
    assert "  images: fgsm, pgd, cw: 71 + 22\n" in out
    assert re.search("faceforensics +28800 +5600 +5600  about, published: 1000 real, 4000 fake, 8 frames of each", out)


def test_what_can_run_without_asking_anybody_is_written(paper):
    assert main(["plan", str(FILE), "--write", "params.yaml"]) == 0
    found = study.load()
    assert list(found.datasets) == ["deepfakeface"]
    assert list(found.detectors) == ["meso4", "mesoinception4"]
    assert not Path("outputs").exists()
    assert main(["plan", str(FILE), "--offline", "--write", "other.yaml"]) == 1
    assert not Path("other.yaml").exists()
