"""RR and the scale of logits: how well probabilities are calibrated, RR at another temperature, RR without any.

Dividing logits by a temperature keeps RA and changes RR (design law 10), so RR compares calibrated detectors alone. The
companion needs no temperature: it measures the move of a logit in units of how far the detector's own clean logits are
spread, so a temperature cancels.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from rrlib.analysis.intervals import Array
from rrlib.errors import InputError
from rrlib.metrics import probability_shift

# of a logit: a probability in float64 tells no larger one from 1, and on the other side as much is kept
LARGEST = float(np.log(2.0**53 - 1))
BINS = 10


def reliability(p_fake: ArrayLike, label: ArrayLike, bins: int = BINS) -> pd.DataFrame:
    """Calibration in equal bins of P(fake): a row per bin that holds samples.

    Columns: samples, p_fake (their mean), fake (the share that is). Of a calibrated detector the two are equal.

    >>> reliability([0.12, 0.18, 0.9, 0.94], [0, 0, 1, 0]).round(2).values.tolist()
    [[2.0, 0.15, 0.0], [2.0, 0.92, 0.5]]
    """
    p, fake = np.asarray(p_fake, dtype=float), np.asarray(label) == 1
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"place": place, "p_fake": p, "fake": fake.astype(float)}).groupby("place")
    return rows.agg(samples=("fake", "size"), p_fake=("p_fake", "mean"), fake=("fake", "mean")).reset_index(drop=True)


def calibration_error(p_fake: ArrayLike, label: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: Σ n_b / N · |share that is fake − mean P(fake)| over equal bins, in [0, 1].

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015. With few
    samples it is above 0 of a calibrated detector too.

    >>> calibration_error([0.25, 0.25, 0.75, 0.75], [0, 1, 1, 1])
    0.25
    """
    found = reliability(p_fake, label, bins)
    return float((found["samples"] * (found["fake"] - found["p_fake"]).abs()).sum() / found["samples"].sum())


def logits(p_fake: ArrayLike) -> Array:
    """log p / (1 − p), the difference of the two logits, (N,), within ± 36.7, which is as far as p in float64 tells.

    >>> logits([0.5, 1.0]).round(1).tolist()
    [0.0, 36.7]
    """
    p = np.asarray(p_fake, dtype=float)
    with np.errstate(divide="ignore"):
        found: Array = np.clip(np.log(p) - np.log1p(-p), -LARGEST, LARGEST)
    return found


def at_temperature(table: pd.DataFrame, temperature: float, distance: str = "linf") -> pd.DataFrame:
    """The table that the same attacked inputs give once the logits are divided by another temperature.

    Args:
        table: result tables of single attacks, as the shift that is largest may be another one afterwards.
        temperature: > 0, relative to that of the table; 1 / T undoes a temperature T.
        distance: of probability vectors, a name in `metrics.DISTANCES`.

    Returns:
        The table with other `p_clean`, `p_attacked` and `shift`; verdicts stay as they are. The attacks went by the
        detector as it was measured, so a shift is a lower bound of the largest.

    Raises:
        InputError: for a temperature that is no finite number above 0.

    >>> table = pd.DataFrame({"p_clean": [0.5], "p_attacked": [0.9]})
    >>> at_temperature(table, 2.0)[["p_clean", "p_attacked", "shift"]].round(2).values.tolist()
    [[0.5, 0.75, 0.25]]
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"the temperature {temperature} was given; it is a finite number above 0")
    if temperature == 1:
        return table
    before, after = (1 / (1 + np.exp(-logits(table[name]) / temperature)) for name in ("p_clean", "p_attacked"))
    shift = probability_shift(torch.from_numpy(before), torch.from_numpy(after), distance).numpy()
    return table.assign(p_clean=before, p_attacked=after, shift=shift)


def in_own_units(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each logit's move in place of its shift, in units of the spread of the detector's clean logits.

    The shift becomes |z′ − z| / s, with z the difference of the two logits and s the standard deviation of z over the
    clean samples of the (data set, detector). A temperature cancels: detectors that differ in it alone have the same
    table. `worst_case` and `summary.robust` of it give the companion of RR, the share of samples whose logit moves by
    at most u spreads.

    Raises:
        InputError: for a detector whose clean logits are all alike.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "sample": [0, 1],
    ...                       "p_clean": [0.2, 0.8], "p_attacked": [0.5, 0.8]})
    >>> in_own_units(table)["shift"].round(6).tolist()
    [1.0, 0.0]
    """
    before, after = logits(table["p_clean"]), logits(table["p_attacked"])
    moved = np.abs(after - before)
    spread: NDArray[np.float64] = np.zeros(len(table))
    places = pd.Series(np.arange(len(table)))
    cells: Sequence[pd.Series] = [table[name].reset_index(drop=True) for name in ("dataset", "detector")]
    for cell, at in places.groupby(list(cells), sort=False):
        first = ~table["sample"].iloc[at].duplicated().to_numpy()
        spread[at] = before[at][first].std()
        if not spread[at[at.index[0]]] > 0:
            raise InputError(f"the clean logits of {cell[1]} on {cell[0]} are all alike, so they are no unit of a move")
    return table.assign(shift=moved / spread)
