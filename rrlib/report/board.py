"""The tables of decisions: every detector of a study beside the others, with its band."""

import math
from collections.abc import Collection

import pandas as pd

from rrlib import analysis
from rrlib.analysis import guardrails, summary

BAND = {
    "detector": "detector",
    "verdict": "promise",
    "band": "abstain if |p − threshold| ≤",
    "decided": "clean inputs decided [95 %]",
    "right": "right when decided",
    "flipped": "decided, then flipped",
    "narrowest": "narrowest on all samples",
    "bound": "1 − RR(band)",
    "clean": "band by clean scores",
}


def board(
    worst: pd.DataFrame,
    epsilon: float,
    tolerance: float,
    bands: pd.DataFrame,
    distrusted: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """One row per (data set, detector): what it does unattacked, what is left in the worst case at ε, and its band.

    `worst` is from `analysis.worst_case`; `bands` from `analysis.bands` at the same ε, missing for whom nothing is
    promised; `distrusted` are (data set, detector) the attacks on which cannot be trusted. Higher is better in every
    column of shares; a narrower band decides more.
    """
    clean = analysis.clean_performance(worst)
    left = summary.overview(summary.at_epsilon(worst, epsilon), [tolerance])
    promised = bands[bands["on"] == guardrails.ON_ATTACKED]
    rows = clean.merge(
        left[["dataset", "detector", "RA", f"RR({tolerance:g})", "stability"]], on=["dataset", "detector"]
    )
    rows = rows.merge(
        promised[["dataset", "detector", "verdict", "band", "decided"]], on=["dataset", "detector"], how="left"
    )
    pairs = zip(rows["dataset"], rows["detector"], strict=True)
    rows["attacks"] = ["not trusted" if pair in distrusted else "trusted" for pair in pairs]
    rows["detects"] = rows["detects"].map({True: "yes", False: "not here"})
    shown = {
        "detector": "detector",
        "detects": "detects",
        "attacks": "attacks",
        "accuracy": "clean accuracy",
        "auc": "AUC",
        "RA": "RA",
        f"RR({tolerance:g})": f"RR({tolerance:g})",
        "stability": "stability",
        "band": "band",
        "decided": "decided",
    }
    return rows[["dataset", *shown]].rename(columns=shown)


def bands_shown(bands: pd.DataFrame) -> pd.DataFrame:
    """The columns of `analysis.bands` that a page shows: who abstains by the score that is seen, which may be attacked.

    Beside the band stands that of a system that abstains by the score before the attack.
    """
    shown = bands[bands["on"] == guardrails.ON_ATTACKED].astype({"decided": object})
    shares = (shown[name].tolist() for name in ("decided", "decided_low", "decided_high"))
    shown["decided"] = [
        "–" if math.isnan(share) else f"{share:.3f} [{low:.3f}, {high:.3f}]"
        for share, low, high in zip(*shares, strict=True)
    ]
    of_clean = bands[bands["on"] == guardrails.ON_CLEAN].set_index(["dataset", "detector"])["band"]
    shown["clean"] = [of_clean[pair] for pair in zip(shown["dataset"], shown["detector"], strict=True)]
    return shown[list(BAND)].rename(columns=BAND)


def does_not_detect(worst: pd.DataFrame) -> set[str]:
    """The detectors whose AUC's interval reaches 0.6 on some data set: figures show them grey."""
    clean = analysis.clean_performance(worst)
    return set(clean.loc[~clean["detects"], "detector"])
