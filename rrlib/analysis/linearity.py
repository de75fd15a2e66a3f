"""How far RR(τ) is from a straight line, and whether it is straighter on video than on images, as the paper finds.

What "linear" means is our reading: the paper's body could not be consulted. RR(τ) is taken at the 101 tolerances of
`GRID`, the line is fitted to these by least squares, and two numbers say how straight the curve is: the largest
vertical distance between curve and line (0 for a straight line, towards 1 for a step near an end) and
R² = 1 − SS_res / SS_tot. Where nothing moves, RR ≡ 1: the distance is 0 and R² is missing. Where everything moves by
less than 0.01, RR jumps from 0 at τ = 0 to 1 at the next tolerance: the distance is 0.96 and R² is 0.03.

Intervals are 95 % percentile bootstraps over groups. RR of few samples is a staircase, so its distance is too large
where the true curve is close to a line: n independent shifts that are uniform on [0, 1] show about 0.6 / √n. Intervals
are to be trusted where the distance is well above that.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rrlib.analysis.intervals import resampled_means
from rrlib.analysis.summary import CELL, at_epsilon, robust

GRID = np.linspace(0, 1, 101)
DRAWS = 1000
ALL_ATTACKS = "all attacks"
ROUNDING = 1e-9  # a difference below it is none
HOLDS, DOES_NOT_HOLD, UNDECIDED = "holds", "does not hold", "undecided"


def fitted_line(curves: np.ndarray) -> np.ndarray:
    """The least-squares line of each curve, at the tolerances of `GRID`: (…, 101) → (…, 101).

    >>> fitted_line(GRID**2)[[0, 50, 100]].round(3).tolist()
    [-0.165, 0.335, 0.835]
    """
    centred = GRID - GRID.mean()
    slope = curves @ centred / (centred @ centred)
    return curves.mean(axis=-1, keepdims=True) + np.multiply.outer(slope, centred)


def straightness(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest vertical distance from the fitted line, and R²: curves (…, 101) at `GRID` → two arrays (…).

    R² = 1 − SS_res / SS_tot, the coefficient of determination, is NaN for a constant curve, whose SS_tot is 0.

    >>> distance, r2 = straightness(GRID**2)  # on all of [0, 1]: 1/6 and 15/16
    >>> print(f"{distance:.3f} {r2:.3f}")
    0.165 0.936
    """
    residuals = curves - fitted_line(curves)
    total = ((curves - curves.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    total = np.where(np.ptp(curves, axis=-1) > 0, total, np.nan)
    return np.abs(residuals).max(axis=-1), 1 - (residuals**2).sum(axis=-1) / total


def linearity(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """How straight RR(τ) is, per cell and ε > 0 (at ε = 0 RR ≡ 1 by definition).

    Columns: dataset, detector, attack, epsilon, distance, low, high, r2, r2_low, r2_high, samples, groups; distance
    and R² lie in [0, 1]. R² and its interval are missing for a constant curve, every interval where there is one
    group. Constant resamples have no R² and do not enter its interval.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1,
    ...                       "shift": [0.1, 0.2, 0.3, 0.4], "group": [1, 2, 3, 4]})
    >>> linearity(table)[["distance", "r2", "samples", "groups"]].round(3).values.tolist()
    [[0.351, 0.73, 4.0, 4.0]]
    """
    rows = []
    for (*cell, epsilon), part in table[table["epsilon"] > 0].groupby([*CELL, "epsilon"], sort=False):
        distance, r2 = straightness(robust(part, GRID).mean(axis=0))
        (low, high), (r2_low, r2_high) = map(_interval, straightness(_resampled(part, seed)))
        samples, groups = len(part), part["group"].nunique()
        rows.append([*cell, epsilon, distance, low, high, r2, r2_low, r2_high, samples, groups])
    names = ["epsilon", "distance", "low", "high", "r2", "r2_low", "r2_high", "samples", "groups"]
    return pd.DataFrame(rows, columns=[*CELL, *names])


def compare_image_video(image: pd.DataFrame, video: pd.DataFrame, epsilon: float, seed: int = 0) -> pd.DataFrame:
    """The distance from a straight line on images and on video, per attack that both tables hold, at one ε > 0.

    Columns: attack, epsilon, image and video (the mean distance over the detectors of each data set), difference
    (image − video), its interval low and high, and verdict: "holds" where the interval lies above 0 (video is
    straighter, as the paper finds), "does not hold" where it lies below, else "undecided". The first row is the mean
    over these attacks. Groups of the two tables are resampled independently; the detectors of one data set share
    theirs. Each interval is for itself, without a correction for their number; it does not cover the choice of
    detectors. Empty where either table is, or where no attack is in both.

    Raises:
        InputError: for an ε that a table does not hold.
    """
    halves = [_distances(table, epsilon, [seed, number]) for number, table in enumerate((image, video))]
    attacks = [attack for attack in halves[0] if attack in halves[1]]
    if attacks:
        halves = [{ALL_ATTACKS: np.mean([half[attack] for attack in attacks], axis=0), **half} for half in halves]
        attacks = [ALL_ATTACKS, *attacks]
    rows = []
    for attack in attacks:
        of_image, of_video = (half[attack] for half in halves)
        difference = of_image - of_video
        low, high = _interval(difference[1:])
        rows.append([attack, epsilon, of_image[0], of_video[0], difference[0], low, high, _verdict(low, high)])
    names = ["attack", "epsilon", "image", "video", "difference", "low", "high", "verdict"]
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
        where = {HOLDS: "lies above zero", DOES_NOT_HOLD: "lies below zero", UNDECIDED: "holds zero"}
        interval = (
            f"the interval of the difference, [{overall['low']:+.3f}, {overall['high']:+.3f}], "
            f"{where[overall['verdict']]}"
        )
    by_attack = ", ".join(f"{row.attack} {row.verdict}" for row in attacks.itertuples())
    return (
        f"**{opening}** At ε = {overall['epsilon']:g} the largest vertical distance of RR(τ) from its fitted line is "
        f"{overall['image']:.3f} on images and {overall['video']:.3f} on video (means over detectors and attacks); "
        f"{interval}.\n\n"
        f"By attack: {by_attack}. Intervals are 95 %, each for itself, from a bootstrap over groups; they say nothing "
        "about other detectors or other data."
    )


def _distances(table: pd.DataFrame, epsilon: float, seed: list[int]) -> Mapping[str, np.ndarray]:
    """For each attack the mean distance over data sets and detectors: first as measured, then `DRAWS` resampled."""
    if table.empty:
        return {}
    found = {}
    for number, (_, of_dataset) in enumerate(at_epsilon(table, epsilon).groupby("dataset", sort=False)):
        for (attack, _), part in of_dataset.groupby(["attack", "detector"], sort=False):
            curves = np.vstack([robust(part, GRID).mean(axis=0), _resampled(part, [*seed, number])])
            found.setdefault(attack, []).append(straightness(curves)[0])
    return {attack: np.mean(distances, axis=0) for attack, distances in found.items()}


def _resampled(part: pd.DataFrame, seed: int | list[int]) -> np.ndarray:
    """RR at `GRID` in each of `DRAWS` resamples of the groups of one cell; missing where there is one group."""
    if part["group"].nunique() < 2:
        return np.full((DRAWS, len(GRID)), np.nan)
    return resampled_means(robust(part, GRID), part["group"], DRAWS, seed)


def _interval(draws: np.ndarray) -> tuple[float, float]:
    draws = draws[~np.isnan(draws)]
    low, high = np.quantile(draws, [0.025, 0.975]) if len(draws) else (np.nan, np.nan)
    return low, high


def _verdict(low: float, high: float) -> str:
    return HOLDS if low > ROUNDING else DOES_NOT_HOLD if high < -ROUNDING else UNDECIDED
