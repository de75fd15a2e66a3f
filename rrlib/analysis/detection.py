"""Whether a detector detects: clean accuracy, AUC, TPR and FPR, with intervals.

Where it does not, RA and RR say nothing: a detector that calls everything fake has an RA that no attack moves and an
RR as high as you like.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from rrlib.analysis.intervals import FEW_GROUPS, Array, Effective, checked_confidence, clopper_pearson, share_interval
from rrlib.analysis.rules import Threshold, clean_correct, thresholds
from rrlib.errors import InputError
from rrlib.metrics import predicted_fake

BARELY = 0.6  # an AUC whose interval reaches it is not clearly above chance


class Auc(NamedTuple):
    """The area under the ROC curve with its interval; missing where there is one class only."""

    value: float
    low: float
    high: float
    trusted: bool


def auc(p_fake: ArrayLike, label: ArrayLike, groups: ArrayLike, confidence: float = 0.95) -> Auc:
    """AUC of grouped samples: the share of (fake, real) pairs in which the fake scores higher, ties counted half.

    The variance is Obuchowski's for clustered ROC curves (Biometrics 53, 1997), from the placement values of each
    group, real and fake samples of one group together; where each sample is a group it is DeLong's (1988). The interval
    is Clopper and Pearson's on the number of trials that would have this variance, but on no fewer than there are
    groups of the rarer class: where every fake scores above every real the variance is 0 and would promise too much.

    Args:
        p_fake: (N,) scores, larger for fake.
        label: (N,) 0 real, 1 fake.
        groups: (N,) labels.
        confidence: in (0, 1).

    >>> found = auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], ["a", "b", "c", "d"])
    >>> print(f"{found.value:.2f} {found.low:.2f} {found.high:.2f} {found.trusted}")
    0.75 0.06 1.00 False
    """
    score, fake = np.asarray(p_fake, dtype=float), np.asarray(label) == 1
    codes, names = pd.factorize(np.asarray(groups), sort=True)
    n_fake, n_real = int(fake.sum()), int((~fake).sum())
    if not n_fake or not n_real:
        return Auc(np.nan, np.nan, np.nan, False)
    ranks = rankdata(score)
    placed: Array = np.zeros(len(score))
    placed[fake] = (ranks[fake] - rankdata(score[fake])) / n_real  # reals below each fake
    placed[~fake] = 1 - (ranks[~fake] - rankdata(score[~fake])) / n_fake  # fakes above each real
    value = float(placed[fake].mean())
    spread, groups_of = np.zeros(len(names)), []
    for chosen, count in ((fake, n_fake), (~fake, n_real)):
        sums = np.bincount(codes[chosen], placed[chosen] - value, minlength=len(names))
        there = len(np.unique(codes[chosen]))
        groups_of.append(there)
        spread += np.sqrt(there / max(there - 1, 1)) * sums / count
    variance, fewest = float((spread**2).sum()), min(groups_of)
    measured = value * (1 - value) / variance if variance > 0 else 0.0
    size = float(np.clip(measured, fewest, len(score)))
    found = Effective(np.array([value]), np.array([size]), fewest - 1, np.ones(1))
    low, high = clopper_pearson(found, float(len(score)), (1 - checked_confidence(confidence)) / 2)
    return Auc(value, float(low[0]), float(high[0]), fewest >= FEW_GROUPS)


def clean_performance(table: pd.DataFrame, threshold: Threshold = 0.5, confidence: float = 0.95) -> pd.DataFrame:
    """How well each detector of the table tells clean fakes from reals: a row per (data set, detector).

    Columns: dataset, detector, samples, groups, accuracy, accuracy_low, accuracy_high, auc, auc_low, auc_high, tpr,
    tpr_low, tpr_high, fpr, fpr_low, fpr_high (rates at the threshold), detects, and reason, a sentence. A detector
    detects if the interval of its AUC lies above 0.6.

    >>> table = pd.DataFrame({"dataset": "d", "detector": "f", "sample": range(40), "group": range(40),
    ...                       "label": [0, 1] * 20, "p_clean": [0.2, 0.9] * 20})
    >>> clean_performance(table)[["accuracy", "auc", "tpr", "fpr", "detects"]].values.tolist()
    [[1.0, 1.0, 1.0, 0.0, True]]
    """
    rows = []
    for (dataset, detector), every in table.groupby(["dataset", "detector"], sort=False):
        part = every.drop_duplicates("sample").sort_values("sample", kind="stable")
        group, fake = part["group"].to_numpy(), part["label"].to_numpy() == 1
        said_fake = _said_fake(part, threshold)
        area = auc(part["p_clean"].to_numpy(float), part["label"].to_numpy(), group, confidence)
        row: dict[str, Any] = {"dataset": dataset, "detector": detector, "samples": len(part)}
        row["groups"] = part["group"].nunique()
        row |= _rate("accuracy", clean_correct(part, threshold), group, confidence)
        row |= {"auc": area.value, "auc_low": area.low, "auc_high": area.high}
        row |= _rate("tpr", said_fake[fake], group[fake], confidence)
        row |= _rate("fpr", said_fake[~fake], group[~fake], confidence)
        row["detects"] = bool(area.low > BARELY)
        row["reason"] = _reason(str(detector), str(dataset), area)
        rows.append(row)
    if not rows:
        raise InputError("a table without rows was given; pass the table of at least one detector")
    return pd.DataFrame(rows)


def _said_fake(part: pd.DataFrame, threshold: Threshold) -> NDArray[np.bool_]:
    (at,) = np.unique(thresholds(part, threshold))  # of one detector on one data set
    return predicted_fake(part["p_clean"].to_numpy(float), float(at))


def _rate(name: str, hits: NDArray[np.bool_], groups: NDArray[Any], confidence: float) -> dict[str, float]:
    if len(hits) == 0:
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    interval = share_interval(hits, groups, confidence)
    return {name: float(hits.mean()), f"{name}_low": interval.low, f"{name}_high": interval.high}


def _reason(detector: str, dataset: str, area: Auc) -> str:
    if np.isnan(area.value):
        return f"{detector} saw one class only on {dataset}, so whether it detects is unknown"
    interval = f"AUC {area.value:.3f}, interval [{area.low:.3f}, {area.high:.3f}]"
    if area.low > BARELY:
        return f"{detector} detects on {dataset}: {interval}"
    return f"{detector} does not detect on {dataset}: {interval}, not all above {BARELY:g}"
