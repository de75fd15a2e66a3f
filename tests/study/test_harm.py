"""The stages `damage` and `transfer` on a folder of tiny images: what they write, take again, and what params allow."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from brightness import dark_and_bright
from settings import SETTINGS

from rrlib import study as stages
from rrlib.errors import InputError
from rrlib.evaluation import Cell, damage, tables, transfer
from rrlib.study import paths

GIVEN = SETTINGS | {
    "epsilons": [0, 0.02],
    "tolerances": [0.1],
    "highlight": {"epsilon": 0.02, "tolerance": 0.1, "attack": "pgd"},
    "damage": {"jpeg": [50], "noise": [0.1]},
    "sources": {},
    "datasets": {"faces": {"kind": "folder", "source": "images", "seed": 0}},
    "detectors": {
        "small": {"architecture": "resnet", "input_size": 32, "training": {"epochs": 1, "batch_size": 4}},
        "larger": {"architecture": "resnet", "input_size": 48, "training": {"epochs": 1, "batch_size": 4}},
    },
    "attacks": {"pgd": {"rule": "pgd", "steps": 2}, "fgsm": {"rule": "fgsm"}},
    "video": {"datasets": {}, "detectors": {}, "attacks": {}},
}


def load(**changes: object) -> stages.Study:
    Path("params.yaml").write_text(yaml.safe_dump({**GIVEN, **changes}, sort_keys=False))
    return stages.load()


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """Twelve real and twelve brighter fake images, and two detectors of other input sizes."""
    folder = tmp_path_factory.mktemp("harm")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("data").mkdir()
        Path("data/catalogue.yaml").symlink_to(Path(__file__).resolve().parents[2] / "data/catalogue.yaml")
        dark_and_bright(12)
        stages.prepare_dataset(load(), "faces")
        for detector in ("small", "larger"):
            stages.make_checkpoint(load(), "faces", detector)
    return folder


@pytest.fixture
def study(repository, monkeypatch) -> stages.Study:
    monkeypatch.chdir(repository)
    return load()


def test_damage_is_a_table_of_the_studys_kinds_whose_clean_rows_are_the_studys(study):
    for detector in study.detectors:
        stages.make_damage(study, "faces", detector)
    table = stages.read_damage(study)["faces"]
    assert list(table) == tables.SCHEMA.names
    met = table.groupby("attack", sort=False)["epsilon"].unique().map(list).to_dict()
    assert met == {"jpeg": [0, 50], "noise": [0, 0.1]}
    clean = stages.clean_table(study, "faces", "small")
    rows = table[(table["detector"] == "small") & (table["attack"] == "jpeg") & (table["epsilon"] == 0)]
    assert rows["sample"].tolist() == clean["sample"].tolist()
    assert rows["p_clean"].tolist() == clean["p_clean"].tolist()


def test_what_was_seen_before_is_taken_and_other_severities_are_looked_at_again(study, monkeypatch):
    stages.make_damage(study, "faces", "small")
    path = paths.damage_path("faces", "small")
    before = path.read_bytes()
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(damage, "damaged", lambda *given, **options: pytest.fail("looked again"))
        stages.make_damage(study, "faces", "small")
    assert path.read_bytes() == before
    stages.make_damage(load(damage={"jpeg": [70]}), "faces", "small")
    assert set(tables.read(path, ball=False)["epsilon"]) == {0, 70}


def test_transfer_has_a_table_for_each_source_whose_own_rows_are_the_studys(study, monkeypatch):
    stages.make_transfer(study, "faces")
    table = stages.read_transfer(study)["faces"]
    assert set(zip(table["source"], table["detector"], strict=True)) == {
        (source, detector) for source in study.detectors for detector in study.detectors
    }
    for name in study.detectors:
        own = stages.table_of(study, Cell("faces", name, "pgd")).query("epsilon == 0.02")
        rows = table[(table["source"] == name) & (table["detector"] == name)]
        assert rows["p_attacked"].tolist() == pytest.approx(own["p_attacked"].tolist(), abs=1e-6)
        assert rows["shift"].tolist() == pytest.approx(own["shift"].tolist(), abs=1e-6)
        assert set(rows["attack"]) == {"pgd"}
    before = [path.read_bytes() for path in sorted(paths.transfer_folder("faces").glob("*.parquet"))]
    monkeypatch.setattr(transfer, "transferred", lambda *given, **options: pytest.fail("attacked again"))
    stages.make_transfer(study, "faces")
    assert [path.read_bytes() for path in sorted(paths.transfer_folder("faces").glob("*.parquet"))] == before


def test_nothing_is_transferred_at_an_epsilon_of_zero(repository, monkeypatch):
    monkeypatch.chdir(repository)
    still = load(highlight={"epsilon": 0, "tolerance": 0.1, "attack": "pgd"})
    stages.make_transfer(still, "faces")
    assert list(paths.transfer_folder("faces").glob("*.parquet")) == []
    assert stages.read_transfer(still) == {}


def test_what_an_earlier_study_left_is_removed(study):
    stages.make_damage(study, "faces", "small")
    left = paths.damage_path("faces", "gone")
    left.write_bytes(paths.damage_path("faces", "small").read_bytes())
    paths.transfer_folder("gone").mkdir(parents=True)
    assert set(stages.tidy(study)) == {left, paths.transfer_folder("gone")}


def test_without_a_value_the_usual_damage_is_meant(repository, monkeypatch):
    monkeypatch.chdir(repository)
    assert load(damage=None).damage == damage.USUAL


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jpg": [50]}, "damage: jpg is not a known key; choose from jpeg, resize, blur, noise, brightness, h264"),
        ({"jpeg": [500]}, "damage.jpeg: 500 is given; for jpeg (100 − JPEG quality) it is a whole number from 0 to 99"),
        ({"jpeg": 50}, "damage.jpeg: 50 is given; list at least one severity: 100 − JPEG quality"),
        ({"h264": [28]}, "damage names no kind for images; choose from jpeg, resize, blur, noise, brightness"),
        ([], "damage holds []; it holds the keys jpeg, resize, blur, noise, brightness, h264"),
    ],
)
def test_what_damage_may_say(repository, monkeypatch, given, said):
    monkeypatch.chdir(repository)
    with pytest.raises(InputError) as error:
        load(damage=given)
    assert str(error.value) == f"params.yaml: {said}"


def test_names_that_the_study_lacks_are_told(study):
    with pytest.raises(InputError, match=r"^data set places is not in params\.yaml; choose from faces"):
        stages.make_transfer(study, "places")
    with pytest.raises(InputError, match=r"^detector meso5 is not in params\.yaml; choose from small, larger"):
        stages.make_damage(study, "faces", "meso5")


def test_a_table_of_damage_keeps_to_all_laws_but_that_of_the_ball(study):
    stages.make_damage(study, "faces", "small")
    table = tables.read(paths.damage_path("faces", "small"), ball=False)
    wide = table.assign(linf=np.where(table["epsilon"] > 0, 1.0, 0.0), epsilon=table["epsilon"].clip(upper=0.1))
    tables.check(wide, "damage", ball=False)
    with pytest.raises(InputError, match="a perturbation beyond epsilon"):
        tables.check(wide, "damage")
    moved = wide.assign(shift=np.where(wide["epsilon"] == 0, 0.1, wide["shift"]))
    with pytest.raises(InputError, match="a shift at epsilon 0"):
        tables.check(moved, "damage", ball=False)
