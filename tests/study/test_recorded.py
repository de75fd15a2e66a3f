"""A recorded study: read without its images, folds put together, and measured again where the images are."""

import shutil
from pathlib import Path

import pytest
import yaml
from brightness import dark_and_bright
from PIL import Image
from settings import SETTINGS

from rrlib import study as stages
from rrlib.errors import InputError
from rrlib.study import again, recorded

TRAINED = {"architecture": "resnet", "input_size": 32, "training": {"epochs": 1, "batch_size": 4}}
GIVEN = SETTINGS | {
    "epsilons": [0, 0.01, 0.02],
    "tolerances": [0.1],
    "highlight": {"epsilon": 0.02, "tolerance": 0.1, "attack": "pgd"},
    "damage": {"jpeg": [50]},
    "sources": {},
    "datasets": {
        f"tiny-{number}": {"kind": "folder", "source": "images", "seed": 0, "fold": {"number": number, "of": 2}}
        for number in (1, 2)
    },
    "detectors": {"net": TRAINED},
    "attacks": {"noise": {"rule": "noise"}, "pgd": {"rule": "pgd", "steps": 2}},
    "video": {"datasets": {}, "detectors": {}, "attacks": {}},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A study of two folds of twelve real and twelve brighter fake images, run and recorded as `tiny`."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("data").mkdir()
        Path("data/catalogue.yaml").symlink_to(Path(__file__).resolve().parents[2] / "data/catalogue.yaml")
        dark_and_bright(12)
        for file in ("params.yaml", "params.tiny.yaml"):
            Path(file).write_text(yaml.safe_dump(GIVEN, sort_keys=False))
        study = stages.load()
        for dataset, detector in study.pairs():
            stages.prepare_dataset(study, dataset)
            stages.make_checkpoint(study, dataset, detector)
            stages.measure(study, dataset, detector)
            stages.make_damage(study, dataset, detector)
            stages.make_transfer(study, dataset)
            stages.make_probe(study, dataset, detector)
        recorded.record(Path("params.tiny.yaml"))
    return folder


@pytest.fixture
def here(repository, tmp_path, monkeypatch) -> Path:
    """The record with its images, and nothing of what its run left in outputs/."""
    for name in ("data", "images", "params.tiny.yaml"):
        if (repository / name).is_dir():
            shutil.copytree(repository / name, tmp_path / name, symlinks=True)
        else:
            shutil.copy(repository / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folds_are_read_as_one_data_set_in_which_each_image_was_tested_once(here):
    shutil.rmtree("images")
    found = recorded.read("tiny")
    assert set(found.results["dataset"]) == set(found.damage["dataset"]) == set(found.transfer["dataset"]) == {"tiny"}
    clean = found.results.query("epsilon == 0 and attack == 'pgd'")
    assert sorted(clean["sample"]) == sorted(found.samples["sample"])
    assert clean["sample"].nunique() == len(clean) == 24
    assert list(found.probes) == [("tiny", "net")]
    assert set(found.transfer["source"]) == {"net"}
    assert sorted(found.traces["sample"]) == sorted(found.samples["sample"])
    assert set(found.transfer["attack"]) == {"pgd"}


def test_a_record_says_how_it_was_made_and_names_no_machine(here):
    about = recorded.read("tiny").about
    assert about.keys() >= {"commit", "date", "processor", "python", "torch"}
    assert not {"host", "node", "user"} & about.keys()


def test_folds_of_which_one_is_not_in_the_study_stay_apart(here):
    alone = {"tiny-1": GIVEN["datasets"]["tiny-1"]}
    Path("params.alone.yaml").write_text(yaml.safe_dump(GIVEN | {"datasets": alone}))
    assert recorded.pooled(stages.load(Path("params.alone.yaml"))) == {"tiny-1": "tiny-1"}


def test_measured_again_everything_matches(here):
    looks = list(again.measure_again("tiny", count=None))
    assert [(look.dataset, look.detector, look.samples) for look in looks] == [
        ("tiny-1", "net", 12),
        ("tiny-2", "net", 12),
    ]
    for look in looks:
        assert len(look.compared) == 2 * 3
        assert set(look.compared["verdict"]) == {"match"}
        assert look.furthest < 1e-6
    told = list(again.lines(iter(looks)))
    assert told[-1] == "of 12 recorded rows of this study: 12 match, 0 within tolerance, 0 differs"


def test_a_part_is_of_the_highlighted_epsilon_and_matches_too(here):
    (look,) = again.measure_again("tiny", count=4, only=("tiny-2", "net"))
    assert look.samples == 4
    assert sorted(look.compared["epsilon"].unique()) == [0, 0.02]
    assert set(look.compared["verdict"]) == {"match"}


def test_images_may_lie_elsewhere(here):
    Path("images").rename("elsewhere")
    (look,) = again.measure_again("tiny", Path("elsewhere"), 4, ("tiny-1", "net"))
    assert set(look.compared["verdict"]) == {"match"}


def test_another_detector_differs(here):
    from rrlib.detectors import build, checkpoints

    path = Path("data/checkpoints/tiny-1/net.safetensors")
    _, metadata = checkpoints.read(path)
    checkpoints.save(path, build("resnet", 32, seed=5).eval(), metadata)
    (look,) = again.measure_again("tiny", count=None, only=("tiny-1", "net"))
    assert "differs" in set(look.compared["verdict"])


def test_a_changed_image_is_no_image_of_the_record(here):
    sample = recorded.samples_of("tiny").query("dataset == 'tiny-1'")["sample"].iloc[0]
    Image.new("RGB", (24, 24)).save(f"images/{sample}.png")
    with pytest.raises(InputError) as caught:
        list(again.measure_again("tiny"))
    assert str(caught.value).startswith(
        "1 of the 12 images of tiny-1 are not those that were measured, by their SHA-256"
    )


def test_without_images_nothing_is_measured_and_it_says_what_is_missing(here):
    shutil.rmtree("images")
    with pytest.raises(InputError) as caught:
        list(again.measure_again("tiny"))
    assert str(caught.value) == (
        "images is absent, so nothing can be measured again; fetch the images, or give --images"
    )


def test_a_detector_that_is_not_there_is_passed_over_with_a_reason(here):
    Path("data/checkpoints/tiny-1/net.safetensors").unlink()
    (look,) = again.measure_again("tiny", only=("tiny-1", "net"))
    assert look.skipped == "data/checkpoints/tiny-1/net.safetensors is absent, so it was not measured again"


def test_a_record_that_is_absent_says_how_it_comes_back(here):
    Path("data/recorded/tiny/samples.csv").unlink()
    with pytest.raises(InputError) as caught:
        recorded.read("tiny")
    assert str(caught.value).endswith("`git checkout data/recorded/tiny/samples.csv` brings it back")
