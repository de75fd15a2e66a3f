"""Facts about the drawn clips: how people move, what forgeries change in time, and what one frame may not tell."""

import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from rrlib.datasets import catalogue
from rrlib.datasets.clips import stream
from rrlib.datasets.synthetic.camera import Camera, shoot
from rrlib.datasets.synthetic.clip_forgery import (
    CARELESSNESS,
    CHANGING,
    DEPARTURES,
    FAMILIES,
    RETOUCHED,
    departures,
    mix,
    pictures,
)
from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.motion import Motion, blinks, mouth_open, move, wave
from rrlib.datasets.synthetic.plan import Shot, plan
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.write_clips import draw_clip, write
from rrlib.errors import InputError

ARGUMENTS = {
    "size": 32,
    "frames": 4,
    "clips": {"train": 16, "validation": 4, "test": 4},
    "seed": 3,
    "strength": 0.6,
}
MANY = 400


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def cast(seed: int, frames: int) -> tuple[Identity, Identity, Motion]:
    draw = rng(seed)
    return Identity.draw(draw), Identity.draw(draw), move(Scene.draw(draw), frames, draw)


def filmed(seed: int, family: str, strength: float = 0.6, frames: int = 6, size: int = 48) -> np.ndarray:
    target, donor, motion = cast(seed, frames)
    return np.stack(list(pictures(target, donor, motion, size, family, strength, rng(seed), rng(seed + 1000))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def table(folder) -> pd.DataFrame:
    return write(folder, **ARGUMENTS, workers=1)


# how people move


def test_a_wave_is_standard_normal_at_each_time():
    paths = wave(rng(0), 20, 0.5, 3.0, 4000)
    for time in (0, 7, 19):
        assert kstest(paths[time], "norm").pvalue > 0.01


def test_a_wave_moves_by_little_from_frame_to_frame():
    slow, fast = (wave(rng(0), 200, *limits, 300) for limits in ((0.2, 1.0), (6.0, 12.0)))
    # a cosine of f Hz of variance 1 changes by 2 sin(π f / 25) from one frame to the next, root mean square
    assert np.sqrt((np.diff(slow, axis=0) ** 2).mean()) < 2 * np.sin(np.pi * 1.0 / 25)
    assert np.sqrt((np.diff(fast, axis=0) ** 2).mean()) > 2 * np.sin(np.pi * 6.0 / 25)


def test_every_number_of_a_scene_moves_smoothly_and_light_and_background_stay():
    _, _, motion = cast(0, 250)
    for field in fields(Scene):
        path = np.stack([getattr(scene, field.name) for scene in motion.scenes]).reshape(250, -1)
        if field.name in ("scale", "light", "light_colour", "ambient", "background", "clutter"):
            assert (path == path[0]).all()
        else:
            # independent values would step by √2 standard deviations, root mean square
            assert (np.diff(path, axis=0).std(axis=0) > 0).all()
            assert (np.diff(path, axis=0).std(axis=0) < 0.7 * np.sqrt(2) * path.std(axis=0)).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_picture_of_a_person_who_moves_changes_little_from_frame_to_frame(seed):
    target, _, motion = cast(seed, 25)
    clip = np.stack([render(target, scene, 32) for scene in motion.scenes])
    step = np.abs(np.diff(clip, axis=0)).mean()
    apart = np.abs(clip[:, None] - clip[None]).mean(axis=(2, 3, 4)).max()
    assert 0 < step < apart / 3


def test_who_talks_moves_brows_and_head_in_step_with_the_mouth():
    paths = [move(Scene.draw(rng(seed)), 25, rng(seed)) for seed in range(20)]
    for name in ("brows_raised", "pitch"):
        together = [np.corrcoef(motion.speech, [getattr(s, name) for s in motion.scenes])[0, 1] for motion in paths]
        assert np.mean(together) > 0.7
    for motion in paths:
        assert [scene.mouth_open for scene in motion.scenes] == mouth_open(motion.speech).tolist()


def test_people_blink_every_two_to_five_seconds():
    closed = blinks(rng(0), 25 * 60) > 0.5
    blinked = int((np.diff(closed.astype(int)) == 1).sum())
    assert 60 / 5 - 1 <= blinked <= 60 / 2 + 1


# what forgeries change in time


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_at_each_time_departures_have_the_same_distribution_in_every_family(family):
    drawn = [departures(family, 3, 0.6, rng(seed), rng(seed + 10_000)) for seed in range(MANY)]
    for name, (_, deviation) in DEPARTURES.items():
        values = np.stack([paths[name] for paths in drawn]) / deviation  # (MANY, time, count)
        for time in (0, 2):
            assert kstest(values[:, time].ravel(), "norm").pvalue > 0.001


@pytest.mark.parametrize("family", ["", *FAMILIES])
def test_a_family_changes_what_it_says_and_a_real_clip_nothing(family):
    paths = departures(family, 5, 0.6, rng(0), rng(1))
    changed = {name for name, path in paths.items() if (path != path[0]).any()}
    assert changed == (CHANGING[family] | {"tint"} if family else set())


def test_the_share_that_changes_grows_with_the_strength():
    # the root of the mean square of a share that is uniform from CARELESSNESS to 1
    share = ((1 + CARELESSNESS + CARELESSNESS**2) / 3) ** 0.5
    for strength in (0.2, 0.6, 1.0):
        drawn = [departures("flicker", 30, strength, rng(seed), rng(seed + 10_000))["tint"] for seed in range(100)]
        deviation = np.sqrt(np.var(drawn, axis=1, ddof=1).mean())
        assert deviation == pytest.approx(strength * share * DEPARTURES["tint"][1], rel=0.1)


def test_a_mixture_of_standard_normals_is_one():
    steady, changing = rng(0).normal(size=(2, 4000))
    assert kstest(mix(steady, changing, 0.6), "norm").pvalue > 0.01


def test_the_mean_colour_of_one_frame_hardly_tells_a_flicker_from_a_real_clip_and_its_change_in_time_does():
    def colours(family: str) -> np.ndarray:
        clips = (filmed(seed, family, frames=4, size=32) for seed in range(60))
        return np.stack([clip[:, 8:26, 10:22].mean(axis=(1, 2)) for clip in clips])  # (clip, time, colour)

    real, fake = colours(""), colours("flicker")
    for colour in range(3):
        assert 0.3 < (real[:, 0, None, colour] < fake[None, :, 0, colour]).mean() < 0.7
    moved_real, moved_fake = (np.abs(np.diff(of, axis=1)).mean(axis=(1, 2)) for of in (real, fake))
    assert (moved_real[:, None] < moved_fake[None]).mean() > 0.95


def test_a_drifting_face_and_the_mouth_of_a_lipsync_have_paths_and_a_resynthesis_has_jumps():
    def roughness(family: str, name: str) -> float:
        path = np.stack([departures(family, 25, 1.0, rng(s), rng(s + 10_000))[name] for s in range(50)], axis=1)
        return float((np.diff(path, axis=0) ** 2).mean() / (2 * np.var(path, axis=0).mean()))

    assert roughness("drift", "turn") < 0.6
    assert roughness("resynthesis", "places") == pytest.approx(1, rel=0.1)  # independent draws


@pytest.mark.parametrize("seed", range(3))
def test_a_lipsync_differs_from_a_retouched_real_clip_in_mouth_and_tremor_alone(seed, monkeypatch):
    monkeypatch.setattr("rrlib.datasets.synthetic.clip_forgery.TREMOR", 0.0)
    target, donor, motion = cast(seed, 6)
    retouched = next(number for number in range(100) if rng(number).random() < RETOUCHED)
    real, fake = (
        np.stack(list(pictures(target, donor, motion, 48, family, 0.6, rng(retouched), rng(7))))
        for family in ("", "lipsync")
    )
    change = np.abs(fake - real)
    assert change[:, :20].max() == 0
    assert change[:, 20:].max() > 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stronger_forgery_changes_more_in_time(family):
    weak, strong = (np.abs(np.diff(filmed(1, family, strength, frames=12), axis=0)).mean() for strength in (0.2, 1.0))
    assert weak < strong


# what the camera does, and what is written


def test_noise_is_independent_from_frame_to_frame():
    camera, noise = Camera(blur=0, noise=0.03, quality=95), rng(0)
    first, second = (shoot(np.full((64, 64, 3), 0.5), camera, noise) / 255 for _ in range(2))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert (first - second).std() == pytest.approx(np.sqrt(2) * first.std(), rel=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forgery_has_the_background_of_its_real_twin_and_its_noise(family):
    real, fake = (
        draw_clip(Shot("train", 5, 0, 1, kind), size=48, frames=3, seed=0, strength=0.6) for kind in ("", family)
    )
    assert np.array_equal(real[:, :6, :12], fake[:, :6, :12])
    assert not np.array_equal(real, fake)


def test_every_row_is_a_video_that_gives_its_frames_back_exactly(folder, table):
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert files == list(table["path"])
    shot = plan("test", 4, FAMILIES)[1]
    drawn = draw_clip(shot, **{key: value for key, value in ARGUMENTS.items() if key != "clips"})
    assert np.array_equal(np.stack(list(stream(folder / f"{shot.name}.mp4", 4))), drawn)


def test_bytes_do_not_depend_on_the_number_of_workers(folder, table, tmp_path):
    again = write(tmp_path, **ARGUMENTS, workers=2)
    pd.testing.assert_frame_equal(again, table)
    assert all((tmp_path / path).read_bytes() == (folder / path).read_bytes() for path in table["path"])


def test_half_of_every_split_is_forged_by_all_families_and_splits_share_no_identity(table):
    assert (table.groupby("split")["label"].mean() == 0.5).all()
    assert set(table["family"]) == {"", *FAMILIES}
    assert (table["path"].str.startswith("fake/") == (table["label"] == 1)).all()
    assert (table.groupby("group")["split"].nunique() == 1).all()


def test_every_identity_has_four_real_training_clips_and_one_of_each_family():
    families = pd.DataFrame(plan("train", 800, FAMILIES)).groupby("identity")["family"]
    assert (families.size() == 8).all()
    assert (families.nunique() == 5).all()


def test_elsewhere_every_identity_has_a_real_clip_and_a_forged_one():
    shots = pd.DataFrame(plan("test", 128, FAMILIES))
    assert (shots.groupby("identity")["family"].agg(list).map(lambda families: families.count("")) == 1).all()
    assert shots["identity"].nunique() == 64
    assert (shots["family"].value_counts()[list(FAMILIES)] == 16).all()


def test_drawn_clips_are_prepared_and_loaded_like_any_others(tmp_path):
    definition = {"kind": "synthetic-clips", "source": "rrlib", **ARGUMENTS}
    catalogue.prepare("drawn", definition, tmp_path)
    test = catalogue.load(tmp_path, "test", 32)
    assert len(test) == 4
    assert {tuple(clip.shape) for clip, _, _ in test} == {(4, 3, 32, 32)}
    assert set(test.table["sample"].str[:10]) == {"real/test-", "fake/test-"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 31}, "size is 31; a face needs at least 32 pixels; give a larger size"),
        ({"frames": 1}, "frames is 1; what changes in time needs at least 2; give more frames"),
        ({"frames": 8.0}, "frames is 8.0; what changes in time needs at least 2; give more frames"),
        ({"clips": {"val": 8}}, "clips.val is not known; choose from train, validation, test"),
        ({"clips": {"test": 0}}, "clips.test is 0; a count is at least 1; leave a split out to have none"),
        ({"seed": -1}, "seed is -1; a seed is a whole number, 0 or more; give another"),
        ({"strength": 1.5}, "strength is 1.5; it lies above 0 and up to 1; give one in that range"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, given, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write(tmp_path / "clips", **(ARGUMENTS | given))
    assert not (tmp_path / "clips").exists()
    definition = {"kind": "synthetic-clips", **(ARGUMENTS | given)}
    with pytest.raises(InputError, match=f"^params.yaml: datasets.moving: {re.escape(message)}$"):
        catalogue.definition("params.yaml: datasets.moving", definition)
