"""How far RR(τ) is from a straight line, and whether it is straighter on video than on images, as the paper finds.

What "linear" means is our reading: the paper's body could not be consulted. RR(τ) is taken at the 101 tolerances of
`GRID`, the line is fitted to these by least squares, and two numbers say how straight the curve is: the largest
vertical distance between curve and line (0 for a straight line, towards 1 for a step near an end) and
R² = 1 − SS_res / SS_tot. Where nothing moves, RR ≡ 1: the distance is 0 and R² is missing. Where everything moves by
less than 0.01, RR jumps from 0 at τ = 0 to 1 at the next tolerance: the distance is 0.96 and R² is 0.03.

Intervals are jackknife intervals over groups (Tukey 1958): each group is left out once, and the spread of the results
gives a t interval with as many degrees of freedom as groups, less one. Nothing is drawn, so no seed can change a
verdict. RR of few samples is a staircase, so its distance is too large where the true curve is close to a line: n
independent shifts that are uniform on [0, 1] show about 0.6 / √n. Intervals are to be trusted where the distance is
well above that. With fewer than 20 groups there is no verdict.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from rrlib import text
from rrlib.analysis.rules import robust
from rrlib.analysis.summary import CELL, at_epsilon
from rrlib.analysis.words import DOES_NOT_HOLD, ENOUGH_GROUPS, HOLDS, UNDECIDED

Array = NDArray[np.float64]
GRID: Array = np.linspace(0, 1, 101)
ALL_ATTACKS = "all attacks"
ROUNDING = 1e-9  # a difference below it is none


class _Estimate(NamedTuple):
    value: float
    variance: float
    groups: int  # of the data set with the fewest


def fitted_line(curves: Array) -> Array:
    """The least-squares line of each curve, at the tolerances of `GRID`: (…, 101) → (…, 101).

    >>> fitted_line(GRID**2)[[0, 50, 100]].round(3).tolist()
    [-0.165, 0.335, 0.835]
    """
    centred = GRID - GRID.mean()
    slope = curves @ centred / (centred @ centred)
    line: Array = curves.mean(axis=-1, keepdims=True) + np.multiply.outer(slope, centred)
    return line


def straightness(curves: Array) -> tuple[Array, Array]:
    """The largest vertical distance from the fitted line, and R²: curves (…, 101) at `GRID` → two arrays (…).

    R² = 1 − SS_res / SS_tot, the coefficient of determination, is NaN for a constant curve, whose SS_tot is 0.

    >>> distance, r2 = straightness(GRID**2)  # on all of [0, 1]: 1/6 and 15/16
    >>> print(f"{distance:.3f} {r2:.3f}")
    0.165 0.936
    """
    residuals = curves - fitted_line(curves)
    total = ((curves - curves.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    total = np.where(np.ptp(curves, axis=-1) > 0, total, np.nan)
    distance: Array = np.abs(residuals).max(axis=-1)
    return distance, 1 - (residuals**2).sum(axis=-1) / total


def linearity(table: pd.DataFrame) -> pd.DataFrame:
    """How straight RR(τ) is, per cell and ε > 0 (at ε = 0 RR ≡ 1 by definition).

    Columns: dataset, detector, attack, epsilon, distance, low, high, r2, r2_low, r2_high, samples, groups; distance
    and R² lie in [0, 1]. R² and its interval are missing for a constant curve, every interval where there is one
    group. Intervals are 95 %, each for itself.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1,
    ...                       "shift": [0.1, 0.2, 0.3, 0.4], "group": [1, 2, 3, 4]})
    >>> linearity(table)[["distance", "r2", "samples", "groups"]].round(3).values.tolist()
    [[0.351, 0.73, 4.0, 4.0]]
    """
    rows = []
    for (*cell, epsilon), part in table[table["epsilon"] > 0].groupby([*CELL, "epsilon"], sort=False):
        without, whole = _left_out(part)
        found: list[float] = []
        for value, values in zip(straightness(whole), straightness(without), strict=True):
            known = values[~np.isnan(values)]
            variance = _jackknife(known) if len(known) > 1 else np.nan
            low, high = _interval(float(value), variance, len(known), 0.95)
            found += [float(value), float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))]
        rows.append([*cell, epsilon, *found, len(part), len(without)])
    names = ["epsilon", "distance", "low", "high", "r2", "r2_low", "r2_high", "samples", "groups"]
    return pd.DataFrame(rows, columns=[*CELL, *names])


def compare_image_video(image: pd.DataFrame, video: pd.DataFrame, epsilon: float) -> pd.DataFrame:
    """The distance from a straight line on images and on video, per attack that both tables hold, at one ε > 0.

    Columns: attack, epsilon, image and video (the mean distance over the detectors of each data set), difference
    (image − video), its interval low and high, groups (of the data set with the fewest), and verdict: "holds" where
    the interval lies above 0 (video is straighter, as the paper finds), "does not hold" where it lies below, else
    "undecided", and always so with fewer than 20 groups. The first row is the mean over these attacks. Detectors of a
    data set share its groups. The intervals hold for all rows together (95 %, Bonferroni); they do not cover the choice
    of detectors. Empty where either table is, or where no attack is in both.

    Raises:
        InputError: for an ε that a table does not hold.
    """
    names = ["attack", "epsilon", "image", "video", "difference", "low", "high", "groups", "verdict"]
    if image.empty or video.empty:
        return pd.DataFrame(columns=names)
    image, video = at_epsilon(image, epsilon), at_epsilon(video, epsilon)
    there = set(video["attack"])
    attacks = [attack for attack in image["attack"].unique() if attack in there]
    chosen = [(ALL_ATTACKS, attacks), *((attack, [attack]) for attack in attacks)] if attacks else []
    rows = []
    for name, some in chosen:
        of_image, of_video = (_distance(half[half["attack"].isin(some)]) for half in (image, video))
        difference, groups = of_image.value - of_video.value, min(of_image.groups, of_video.groups)
        variance = of_image.variance + of_video.variance
        low, high = _interval(difference, variance, groups, 1 - 0.05 / len(chosen))
        word = _verdict(low, high) if groups >= ENOUGH_GROUPS else UNDECIDED
        rows.append([name, epsilon, of_image.value, of_video.value, difference, low, high, groups, word])
    return pd.DataFrame(rows, columns=names)


def verdict(comparison: pd.DataFrame) -> str:
    """Markdown: whether the paper's finding holds here, does not, or is undecided, from `compare_image_video`."""
    if comparison.empty:
        return "This study holds no attack with results on images and on video, so there is nothing to compare."
    overall, attacks = comparison.iloc[0], comparison.iloc[1:]
    opening = {
        HOLDS: "The paper's finding holds here: RR is closer to linear in the tolerance on video than on images.",
        DOES_NOT_HOLD: (
            "The paper's finding does not hold here: RR is closer to linear in the tolerance on images than on video."
        ),
        UNDECIDED: "Whether RR is closer to linear in the tolerance on video, as the paper finds, is undecided here.",
    }[overall["verdict"]]
    if np.isnan(overall["low"]):
        interval = "there is no interval for the difference, as one half has a single group"
    else:
        interval = f"the interval of the difference is [{overall['low']:+.3f}, {overall['high']:+.3f}]"
        if overall["groups"] < ENOUGH_GROUPS:
            interval += f", and {overall['groups']} groups are too few for a verdict ({ENOUGH_GROUPS} are needed)"
    by_attack = ", ".join(f"{text.markdown(row.attack)} {row.verdict}" for row in attacks.itertuples())
    return (
        f"**{opening}** At ε = {overall['epsilon']:g} the largest vertical distance of RR(τ) from its fitted line is "
        f"{overall['image']:.3f} on images and {overall['video']:.3f} on video (means over detectors and attacks); "
        f"{interval}.\n\n"
        f"By attack: {by_attack}. Intervals hold for all of these together (95 %, a jackknife over groups); they say "
        "nothing about other detectors or other data."
    )


def _distance(table: pd.DataFrame) -> _Estimate:
    """The mean distance over all cells, with a variance in which the cells of a data set share its groups."""
    values, variance, fewest, cells = 0.0, 0.0, len(table), 0
    for _, of_dataset in table.groupby("dataset", sort=False):
        total: Array | float = 0.0
        for _, part in of_dataset.groupby(["detector", "attack"], sort=False):
            without, whole = _left_out(part)
            values, cells = values + float(straightness(whole)[0]), cells + 1
            total = total + straightness(without)[0]
        variance += _jackknife(np.asarray(total))
        fewest = min(fewest, of_dataset["group"].nunique())
    return _Estimate(values / cells, variance / cells**2, fewest)


def _left_out(part: pd.DataFrame) -> tuple[Array, Array]:
    """RR at `GRID` without each group (G, 101), in the order of their names, and with all of them (101,)."""
    codes, _ = pd.factorize(part["group"], sort=True)
    sums = np.zeros((codes.max() + 1, len(GRID)))
    np.add.at(sums, codes, robust(part, GRID).astype(float))
    sizes = np.bincount(codes).astype(float)
    left = np.maximum(len(part) - sizes, 1)  # of a single group nothing is left, and no variance is taken
    return (sums.sum(0) - sums) / left[:, None], sums.sum(0) / len(part)


def _jackknife(values: Array) -> float:
    """The variance of a statistic from its values without each group; missing where there is one group."""
    if len(values) < 2:
        return float("nan")
    return float((len(values) - 1) * values.var())


def _interval(value: float, variance: float, groups: int, confidence: float) -> tuple[float, float]:
    half = t.isf((1 - confidence) / 2, groups - 1) * np.sqrt(variance) if groups > 1 else np.nan
    return float(value - half), float(value + half)


def _verdict(low: float, high: float) -> str:
    return HOLDS if low > ROUNDING else DOES_NOT_HOLD if high < -ROUNDING else UNDECIDED
