"""The record of real faces against the faces themselves, where they lie beside the project."""

from pathlib import Path

import pytest

from rrlib.study import again, recorded

REPOSITORY = Path(__file__).resolve().parents[2]
PAIRS = [("faces-1", "resnet"), ("faces-2", "resnet-madry"), ("faces-3", "meso4")]
PAIRS += [("faces-1", "efficientnet"), ("faces-2", "efficientnet-madry")]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder in which the study is what it is in the repository, with an outputs/ of its own."""
    for name in ("data", "params.faces.yaml", "params.faces-published.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("pair", PAIRS)
def test_a_part_of_the_record_is_measured_again_within_a_hundredth(here, real, pair):
    (look,) = again.measure_again("faces", real / "faces", 8, pair)
    assert look.samples == 8
    assert look.compared["difference"].max() <= 0.01


def test_each_portrait_was_tested_once_and_its_file_is_the_one_here(here, real):
    import hashlib

    found = recorded.read("faces")
    assert len(found.samples) == found.samples["sample"].nunique() == 400
    for row in found.samples.iloc[::50].to_dict("records"):
        assert hashlib.sha256((real / "faces" / f"{row['sample']}.jpg").read_bytes()).hexdigest() == row["sha256"]


def test_the_record_has_every_cell_of_its_study(here):
    for name in ("faces", "faces-published"):
        found = recorded.read(name)
        names = recorded.pooled(found.study)
        there = set(map(tuple, found.results[["dataset", "detector", "attack"]].drop_duplicates().to_numpy()))
        assert there == {(names[cell.dataset], cell.detector, cell.attack) for cell in found.study.cells()}
        assert set(found.results["epsilon"]) == set(found.study.epsilons)


def test_the_best_detector_of_the_record_detects(here):
    from rrlib import analysis

    clean = analysis.clean_performance(recorded.read("faces").results).set_index("detector")
    assert clean["accuracy"].idxmax() == "efficientnet"
    assert clean.loc["efficientnet", "accuracy"] >= 0.85


def test_the_checkpoints_of_the_record_are_small(here):
    given = [path for path in Path("data/checkpoints").glob("faces-*/*") if path.is_file()]
    assert len(given) == 18
    assert sum(path.stat().st_size for path in given) < 10_000_000


def test_no_published_detector_detects_these_portraits(here):
    from rrlib import analysis

    clean = analysis.clean_performance(recorded.read("faces-published").results)
    assert not clean["detects"].any()


def test_the_start_line_tells_the_record_and_leads_to_its_page(here):
    from rrlib import analysis
    from rrlib.report import recordings

    found = recorded.read("faces")
    worst = analysis.worst_case(found.results).query("epsilon == 0.002 and detector == 'efficientnet'")
    said = recordings.start_line()
    assert said.startswith("**On [real faces](faces) (recorded),** efficientnet tells portraits of StyleGAN2")
    assert f"its RA is {worst['correct'].mean():.3f} [" in said
    assert f"its RR(0.1) {(worst['shift'] <= 0.1).mean():.3f} [" in said
