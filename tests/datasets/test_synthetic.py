"""Facts about the drawn faces and their forgeries."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from processes import left

from rrlib.datasets.synthetic import write
from rrlib.datasets.synthetic.camera import Camera, shoot
from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.forgery import FAMILIES, Flaws, inner_face, mouth_region
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.plan import Shot, plan
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.write import draw_shot
from rrlib.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = 48
ARGUMENTS = {"size": SIZE, "images": {"train": 32, "validation": 8, "test": 8}, "seed": 3, "strength": 0.7}
REGIONS = {"swap": inner_face, "reenactment": mouth_region, "resynthesis": inner_face}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faces")


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    return write(folder, **ARGUMENTS, workers=1)


def cast(seed: int) -> tuple[Identity, Identity, Scene]:
    rng = np.random.default_rng(seed)
    return Identity.draw(rng), Identity.draw(rng), Scene.draw(rng)


def test_every_row_is_one_rgb_png_of_the_asked_size(folder, table):
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == list(table["path"])
    for path in table["path"]:
        with Image.open(folder / path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (SIZE, SIZE))


def test_table_has_the_promised_columns_and_is_sorted_by_path(table):
    assert list(table.columns) == ["path", "label", "group", "split", "family"]
    assert table["path"].is_monotonic_increasing


def test_folder_and_family_agree_with_the_label(table):
    assert (table["path"].str.startswith("fake/") == (table["label"] == 1)).all()
    assert ((table["family"] == "") == (table["label"] == 0)).all()


def test_half_of_every_split_is_fake_and_families_are_balanced(table):
    assert (table.groupby("split")["label"].mean() == 0.5).all()
    families = table[table["split"] == "train"]["family"].value_counts()[list(FAMILIES)]
    assert families.sum() == 16
    assert families.max() - families.min() <= 2


def test_every_identity_has_eight_training_images_half_of_them_fake():
    shots = pd.DataFrame(plan("train", 800, tuple(FAMILIES)))
    images = shots.groupby("identity")["family"]
    assert (images.size() == 8).all()
    assert (images.agg(lambda families: (families == "").sum()) == 4).all()
    assert (images.nunique() == 4).all()  # real, and all three families


@pytest.mark.parametrize("split", ["validation", "test"])
def test_elsewhere_every_identity_has_a_real_image_and_a_fake_one(split):
    shots = pd.DataFrame(plan(split, 384, tuple(FAMILIES)))
    assert shots["identity"].nunique() == 192
    real = shots["family"] == ""
    assert (shots["identity"].value_counts() == 2).all()
    assert (shots[real]["identity"].value_counts() == 1).all()
    assert (shots[~real]["family"].value_counts() == 64).all()


def test_splits_share_no_identity(table):
    assert (table.groupby("group")["split"].nunique() == 1).all()


def test_the_same_identity_number_is_another_person_in_another_split():
    first, second = (draw_shot(Shot(s, 0, 0, 1, ""), size=32, seed=0, strength=1.0) for s in ("train", "test"))
    assert not np.array_equal(first, second)


def test_a_donor_is_another_identity_of_the_same_split():
    for split, count in product(("train", "test"), (1, 6, 100)):
        shots = plan(split, count, tuple(FAMILIES))
        identities = max(2, round(count / (8 if split == "train" else 2)))
        assert all(shot.donor != shot.identity and 0 <= shot.donor < identities for shot in shots)


def test_bytes_do_not_depend_on_the_number_of_workers(folder, table, tmp_path):
    again = write(tmp_path, **ARGUMENTS, workers=2)
    pd.testing.assert_frame_equal(again, table)
    assert all((tmp_path / path).read_bytes() == (folder / path).read_bytes() for path in table["path"])


def test_another_seed_draws_other_images():
    shot = plan("train", 2, tuple(FAMILIES))[1]
    first, second = (draw_shot(shot, size=32, seed=seed, strength=0.5) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("family", FAMILIES)
def test_scene_and_camera_do_not_depend_on_the_label(family):
    # With next to no strength a resynthesis is its target, so equal bytes mean equal scene, camera and noise; the
    # others change the expression or the person, but nothing of the background.
    real = draw_shot(Shot("train", 5, 0, 1, ""), size=SIZE, seed=0, strength=1e-9)
    fake = draw_shot(Shot("train", 5, 0, 1, family), size=SIZE, seed=0, strength=1e-9)
    assert np.array_equal(real[: SIZE // 8, : SIZE // 4], fake[: SIZE // 8, : SIZE // 4])
    assert np.array_equal(real, fake) == (family == "resynthesis")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_a_forgery_changes_its_region_and_nothing_else(family, seed):
    target, donor, scene = cast(seed)
    flaws = Flaws.draw(np.random.default_rng(seed), strength=0.7)
    change = np.abs(FAMILIES[family](target, donor, scene, SIZE, flaws) - render(target, scene, SIZE)).max(axis=2)
    outside = REGIONS[family](target, scene, SIZE) == 0
    assert outside.mean() > 0.5
    assert change[outside].max() == 0
    assert change[~outside].max() > 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stronger_forgery_is_more_visible(family):
    def change(strength: float) -> float:
        target, _, scene = cast(0)
        flaws = Flaws.draw(np.random.default_rng(0), strength)
        flaws = replace(flaws, mouth_open=scene.mouth_open, smile=scene.smile)
        # The target is its own donor and keeps its expression: what is left are the flaws.
        return np.abs(FAMILIES[family](target, target, scene, SIZE, flaws) - render(target, scene, SIZE)).mean()

    assert 0 < change(0.25) < change(0.5) < change(1.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_is_float32_within_the_unit_range_and_not_saturated(seed):
    target, _, scene = cast(seed)
    picture = render(target, scene, 40)
    assert picture.shape == (40, 40, 3)
    assert picture.dtype == np.float32
    assert 0 < picture.min() < picture.max() < 1


@pytest.mark.parametrize("moved", ["yaw", "pitch", "roll", "scale", "mouth_open", "smile", "eyes_open", "brows_raised"])
def test_a_small_movement_is_a_small_change(moved):
    target, _, scene = cast(1)
    still = render(target, scene, 64)
    steps = [
        np.abs(render(target, replace(scene, **{moved: getattr(scene, moved) + step}), 64) - still).mean()
        for step in (0.08, 0.01, 0.001)
    ]
    assert steps[0] > steps[1] > steps[2] > 0
    assert steps[2] < 0.002


def test_the_picture_follows_the_light_from_one_side_to_the_other():
    target, _, scene = cast(1)
    left, right = (render(target, replace(scene, light=np.array([x, 0.0, 1.0])), 64) for x in (-1e-4, 1e-4))
    assert np.abs(left - right).max() < 1e-3


def test_a_camera_without_flaws_keeps_the_picture_but_for_jpeg():
    target, _, scene = cast(2)
    picture = render(target, scene, 64)
    photograph = shoot(picture, Camera(blur=0, noise=0, quality=95), np.random.default_rng(0))
    assert photograph.dtype == np.uint8
    assert np.abs(photograph / 255 - picture).mean() < 0.02


def test_a_camera_adds_the_noise_it_says():
    grey = np.full((64, 64, 3), 0.5)
    photograph = shoot(grey, Camera(blur=0, noise=0.05, quality=95), np.random.default_rng(0)) / 255
    assert photograph.mean(axis=2).std() == pytest.approx(0.05 / np.sqrt(3), rel=0.2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 31}, "size is 31; a face needs at least 32 pixels; give a larger size"),
        ({"images": {}}, "images is {}; give a count for at least one of train, validation, test"),
        ({"images": {"val": 8}}, "images.val is not known; choose from train, validation, test"),
        ({"images": {"test": 0}}, "images.test is 0; a count is at least 1; leave a split out to have none"),
        ({"seed": -1}, "seed is -1; a seed is a whole number, 0 or more; give another"),
        ({"strength": 0.0}, "strength is 0.0; it lies above 0 and up to 1; give one in that range"),
        ({"strength": 1.5}, "strength is 1.5; it lies above 0 and up to 1; give one in that range"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, given, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write(tmp_path / "faces", **(ARGUMENTS | given))
    assert not (tmp_path / "faces").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end no process with its parent")
def test_who_draws_ends_with_who_asked_however_that_ends(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\ndef job(shot):\n    pathlib.Path(str(os.getpid())).touch()\n    time.sleep(60)\n"
    )
    shots = "plan.plan('test', 64, ['swap'])"
    code = f"import slow; from rrlib.datasets.synthetic import plan; plan.take(slow.job, {shots}, '', '', 2)"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    main = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    until = time.monotonic() + 20
    while len(at_work := [path.name for path in tmp_path.iterdir() if path.name.isdigit()]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    main.kill()
    main.wait()
    assert left(at_work) == []
