"""How straight RR(τ) is: curves whose distance is known, independent references, and each verdict."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, t

from rrlib.analysis import linearity
from rrlib.analysis.linearity import GRID, compare_image_video, straightness, verdict
from rrlib.errors import InputError


def results(shift: np.ndarray, groups: int = 50, **names: object) -> pd.DataFrame:
    """The result table of one cell with these shifts, at ε = 0.1 unless said, its samples spread over groups."""
    cell = {"dataset": "faces", "detector": "meso4", "attack": "pgd", "epsilon": 0.1} | names
    samples = np.arange(len(shift))
    columns = {"sample": [f"s{n:04d}" for n in samples], "group": [f"g{n:03d}" for n in samples % groups]}
    return pd.DataFrame(cell | columns | {"shift": shift})


def even(power: float, count: int = 500) -> np.ndarray:
    """Shifts whose RR(τ) is τ ** (1 / power), without chance; 1 is a straight line."""
    return ((np.arange(count) + 0.5) / count) ** power


# The measure


def test_a_straight_curve_has_distance_0_and_r2_1():
    distance, r2 = straightness(np.stack([GRID, 0.2 + 0.5 * GRID, 1 - 0.3 * GRID]))
    assert distance == pytest.approx(0, abs=1e-12)
    assert r2 == pytest.approx(1)


def test_the_line_is_that_of_numpy_and_r2_that_of_scipy():
    curves = np.sort(np.random.default_rng(0).random((5, len(GRID))), axis=1)
    lines, (distance, r2) = linearity.fitted_line(curves), straightness(curves)
    for number, curve in enumerate(curves):
        expected = np.polyval(np.polyfit(GRID, curve, deg=1), GRID)
        assert lines[number] == pytest.approx(expected)
        assert distance[number] == pytest.approx(np.abs(curve - expected).max())
        assert r2[number] == pytest.approx(linregress(GRID, curve).rvalue ** 2)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.8])
def test_a_step_has_the_distance_that_the_integral_gives(place):
    # The least-squares line of 1[τ ≥ c] on [0, 1] has the mean 1 − c and the slope 6 c (1 − c).
    line = 1 - place + 6 * place * (1 - place) * (np.array([0, place, 1]) - 0.5)
    expected = max(abs(line[0]), line[1], 1 - line[1], abs(1 - line[2]))
    distance, r2 = straightness((place <= GRID).astype(float))
    assert distance == pytest.approx(expected, abs=0.02)
    assert r2 == pytest.approx(3 * place * (1 - place), abs=0.02)


@pytest.mark.parametrize("height", [0.0, 0.37, 1.0])
def test_a_constant_curve_has_distance_0_and_no_r2(height):
    distance, r2 = straightness(np.full(len(GRID), height))
    assert distance == pytest.approx(0, abs=1e-12)
    assert np.isnan(r2)


def test_a_stack_of_curves_is_measured_curve_by_curve():
    curves = np.random.default_rng(1).random((2, 3, len(GRID)))
    distance, r2 = straightness(curves)
    assert distance.shape == r2.shape == (2, 3)
    assert straightness(curves[1, 2]) == pytest.approx((distance[1, 2], r2[1, 2]))


# From result tables


def test_evenly_spread_shifts_are_straight_and_squared_ones_are_as_far_off_as_a_square_root():
    table = pd.concat([results(even(1)), results(even(2), detector="resnet")])
    straight, root = linearity.linearity(table).itertuples()
    assert (straight.distance, straight.r2) == pytest.approx((0, 1), abs=0.01)
    # The line of √τ is 4/15 + 4τ/5, which is farthest off at τ = 0; R² = 24/25.
    assert (root.distance, root.r2) == pytest.approx((4 / 15, 24 / 25), abs=0.01)
    assert (straight.samples, straight.groups) == (500, 50)


def test_there_is_a_row_for_each_cell_and_epsilon_but_the_clean_input(six_rows):
    table = pd.concat([six_rows, six_rows.assign(attack="fgsm")])
    found = linearity.linearity(table)
    assert found[["attack", "epsilon"]].to_numpy().tolist() == [["pgd", 0.1], ["fgsm", 0.1]]
    shares = [(np.array([0.5, 0.125, 0]) <= tolerance).mean() for tolerance in GRID]
    assert found.loc[0, "r2"] == pytest.approx(linregress(GRID, shares).rvalue ** 2)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    truth = straightness(1 - (1 - GRID) ** 4)
    rows = [linearity.linearity(results(rng.beta(1, 4, 100), groups=100)).iloc[0] for _ in range(60)]
    assert 0.88 <= np.mean([row["low"] <= truth[0] <= row["high"] for row in rows]) <= 0.99
    assert 0.88 <= np.mean([row["r2_low"] <= truth[1] <= row["r2_high"] for row in rows]) <= 0.99


def test_an_interval_over_groups_is_the_jackknifes():
    rng = np.random.default_rng(3)
    table = results(rng.random(12) ** 3, groups=4)
    row = linearity.linearity(table).iloc[0]
    distances = []
    for group in table["group"].unique():
        left = table.loc[table["group"] != group, "shift"].to_numpy()
        distances.append(straightness((left[:, None] <= GRID).mean(axis=0))[0])
    half = t.isf(0.025, 3) * np.sqrt(3 / 4 * np.sum((distances - np.mean(distances)) ** 2))
    expected = (max(0, row["distance"] - half), min(1, row["distance"] + half))
    assert (row["low"], row["high"]) == pytest.approx(expected)


def test_the_same_table_gives_the_same_numbers_in_any_order_of_rows():
    table = results(np.random.default_rng(4).random(200))
    first = linearity.linearity(table)
    pd.testing.assert_frame_equal(first, linearity.linearity(table.sample(frac=1, random_state=0)))


def test_where_nothing_moves_the_distance_is_0_and_r2_missing():
    row = linearity.linearity(results(np.zeros(20))).iloc[0]
    assert row[["distance", "low", "high"]].tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert row[["r2", "r2_low", "r2_high"]].isna().all()


def test_where_everything_moves_by_little_rr_is_a_jump_and_a_plateau():
    row = linearity.linearity(results(np.full(20, 1e-6))).iloc[0]
    assert (row["distance"], row["r2"]) == pytest.approx((0.96, 0.03), abs=0.005)


def test_a_single_group_has_no_interval():
    row = linearity.linearity(results(even(2), groups=1)).iloc[0]
    assert row["distance"] > 0.2
    assert row[["low", "high", "r2_low", "r2_high"]].isna().all()


# Images beside video


def half(power: float, seed: int, attacks: tuple = ("fgsm", "pgd"), count: int = 300) -> pd.DataFrame:
    """Two detectors under these attacks, their shifts drawn so that RR(τ) is about τ ** (1 / power)."""
    rng = np.random.default_rng(seed)
    names = [{"detector": detector, "attack": attack} for detector in ("a", "b") for attack in attacks]
    return pd.concat([results(rng.random(count) ** power, **name) for name in names], ignore_index=True)


def test_the_mean_over_detectors_is_compared_per_attack_and_over_the_attacks_of_both():
    image, video = half(4, 0, attacks=("noise", "fgsm", "pgd")), half(1.5, 1, attacks=("pgd", "fgsm", "cw"))
    found = compare_image_video(image, video, 0.1).set_index("attack")
    assert list(found.index) == ["all attacks", "fgsm", "pgd"]
    for name, table in (("image", image), ("video", video)):
        means = linearity.linearity(table).groupby("attack")["distance"].mean()
        assert found.loc[["fgsm", "pgd"], name].tolist() == pytest.approx([means["fgsm"], means["pgd"]])
        assert found.loc["all attacks", name] == pytest.approx((means["fgsm"] + means["pgd"]) / 2)
    assert found["difference"].to_numpy() == pytest.approx((found["image"] - found["video"]).to_numpy())
    assert (found["low"] < found["difference"]).all()
    assert (found["difference"] < found["high"]).all()


def test_the_interval_of_the_difference_is_that_of_two_independent_halves():
    image, video = results(even(4)), results(even(2))
    row = compare_image_video(image, video, 0.1).iloc[0]
    widths = [(of.loc[0, "high"] - of.loc[0, "low"]) for of in map(linearity.linearity, (image, video))]
    corrected = t.isf(0.05 / 2 / 2, 49) / t.isf(0.025, 49)  # two rows: all attacks, and the one
    assert row["high"] - row["low"] == pytest.approx(np.hypot(*widths) * corrected)


@pytest.mark.parametrize(("groups", "word"), [(16, "undecided"), (20, "holds")])
def test_fewer_than_20_groups_are_undecided_whatever_they_show(groups, word):
    found = compare_image_video(results(even(4)), results(even(1), groups=groups), 0.1)
    assert set(found["verdict"]) == {word}
    assert ("too few for a verdict (20 are needed)" in verdict(found)) == (word == "undecided")


def test_detectors_of_one_data_set_share_its_groups():
    one = results(np.random.default_rng(5).random(300) ** 3)
    twins = pd.concat([one, one.assign(detector="twin")])
    other = half(1, 6, attacks=("pgd",))
    columns = ["difference", "low", "high"]
    alone, both = compare_image_video(one, other, 0.1)[columns], compare_image_video(twins, other, 0.1)[columns]
    assert both.to_numpy() == pytest.approx(alone.to_numpy())


def test_the_intervals_of_a_difference_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(7)
    of_image, of_video = (straightness(1 - (1 - GRID) ** power)[0] for power in (4, 2))
    held = []
    for _ in range(60):
        image, video = results(rng.beta(1, 4, 150), groups=150), results(rng.beta(1, 2, 60), groups=60)
        row = compare_image_video(image, video, 0.1).iloc[0]
        held.append(row["low"] <= of_image - of_video <= row["high"])
    assert np.mean(held) >= 0.9  # 97.5 % asked, of each of two rows


@pytest.mark.parametrize(
    ("image", "video", "expected"),
    [(4, 1, "holds"), (1, 4, "does not hold"), (3, 3, "undecided")],
)
def test_the_verdict_follows_the_interval(image, video, expected):
    assert set(compare_image_video(half(image, 0), half(video, 1), 0.1)["verdict"]) == {expected}


def test_equal_tables_are_undecided_and_no_rounding_decides():
    small = results(np.full(30, 1e-6))
    three = pd.concat([small.assign(detector=name) for name in "abc"])
    row = compare_image_video(small, three, 0.1).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0, 0), abs=1e-12)
    assert row["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("image", "video"),
    [
        (half(2, 0), pd.DataFrame()),
        (pd.DataFrame(), half(2, 0)),
        (half(2, 0, attacks=("fgsm",)), half(2, 1, attacks=("pgd",))),
    ],
)
def test_with_one_half_or_no_attack_in_both_there_is_nothing_to_compare(image, video):
    comparison = compare_image_video(image, video, 0.1)
    assert comparison.empty
    assert verdict(comparison) == (
        "This study holds no attack with results on images and on video, so there is nothing to compare."
    )


def test_an_epsilon_that_a_half_does_not_hold_is_answered_with_those_it_does():
    with pytest.raises(InputError, match="^" + re.escape("the table has no rows at ε = 0.2; choose from 0.1") + "$"):
        compare_image_video(half(2, 0), half(2, 1), 0.2)


# In words


def comparison(low: float, high: float, word: str) -> pd.DataFrame:
    numbers = {"epsilon": 0.01, "image": 0.5, "video": 0.25, "difference": 0.25, "low": low, "high": high, "groups": 20}
    return pd.DataFrame({"attack": ["all attacks", "fgsm", "pgd"], **numbers, "verdict": [word, "undecided", word]})


@pytest.mark.parametrize(
    ("low", "high", "word", "opening", "interval"),
    [
        (
            0.1,
            0.4,
            "holds",
            "The paper's finding holds here: RR is closer to linear in the tolerance on video than on images.",
            "the interval of the difference is [+0.100, +0.400]",
        ),
        (
            -0.4,
            -0.1,
            "does not hold",
            "The paper's finding does not hold here: RR is closer to linear in the tolerance on images than on video.",
            "the interval of the difference is [-0.400, -0.100]",
        ),
        (
            -0.1,
            0.4,
            "undecided",
            "Whether RR is closer to linear in the tolerance on video, as the paper finds, is undecided here.",
            "the interval of the difference is [-0.100, +0.400]",
        ),
        (
            np.nan,
            np.nan,
            "undecided",
            "Whether RR is closer to linear in the tolerance on video, as the paper finds, is undecided here.",
            "there is no interval for the difference, as one half has a single group",
        ),
    ],
)
def test_the_paragraph_is_worded_by_the_comparison(low, high, word, opening, interval):
    assert verdict(comparison(low, high, word)) == (
        f"**{opening}** At ε = 0.01 the largest vertical distance of RR(τ) from its fitted line is 0.500 on images and "
        f"0.250 on video (means over detectors and attacks); {interval}.\n\n"
        f"By attack: fgsm undecided, pgd {word}. Intervals hold for all of these together (95 %, a jackknife over "
        "groups); they say nothing about other detectors or other data."
    )
