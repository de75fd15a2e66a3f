"""The paper's claims as statements about these tables, each with a verdict and the numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from rrlib.analysis.comparisons import ALIKE, RISK, SETTING, compare, found_pairs, holm
from rrlib.analysis.detection import clean_performance
from rrlib.analysis.differences import difference_interval, difference_p
from rrlib.analysis.linearity import compare_image_video
from rrlib.analysis.rules import Threshold, robust
from rrlib.analysis.words import DOES_NOT_HOLD, ENOUGH_GROUPS, HOLDS, UNDECIDED, counted
from rrlib.errors import InputError


@dataclass(frozen=True)
class Claim:
    """A statement, its verdict ("holds", "does not hold", "undecided"), why, and the table that it follows from."""

    statement: str
    verdict: str
    reason: str
    numbers: pd.DataFrame


def paper_claims(
    worst: pd.DataFrame,
    tolerance: float,
    tolerances: Sequence[float],
    image: pd.DataFrame | None = None,
    video: pd.DataFrame | None = None,
    epsilon: float | None = None,
    threshold: Threshold = 0.5,
) -> list[Claim]:
    """All claims, from a worst case; that on video from the image and video tables, where both are given with an ε."""
    found = [
        alike_and_apart(compare(worst, tolerance, threshold), tolerance),
        order_changes(worst, tolerances, threshold),
        patterns(compare(worst, tolerance, threshold), tolerance),
    ]
    if image is not None and video is not None and epsilon is not None:
        found.append(linear_on_video(image, video, epsilon))
    return found


def alike_and_apart(comparison: pd.DataFrame, tolerance: float) -> Claim:
    """Detectors alike in RA are apart in RR(τ): it holds if any pair of `compare` holds."""
    statement = f"There are detectors alike in robust accuracy and apart in RR({tolerance:g})."
    held = found_pairs(comparison)
    if comparison.empty:
        return Claim(statement, UNDECIDED, "there is one detector, so nothing to compare", comparison)
    reason = f"of {len(comparison)} comparisons, {counted(comparison['verdict'])}"
    if len(held):
        return Claim(statement, HOLDS, reason, held)
    if (comparison["verdict"] == DOES_NOT_HOLD).all():
        return Claim(statement, DOES_NOT_HOLD, reason, comparison)
    return Claim(statement, UNDECIDED, reason, comparison)


def patterns(comparison: pd.DataFrame, tolerance: float) -> Claim:
    """RA hides patterns of single models: most differences in RR are between detectors that RA does not tell apart.

    It holds where a pair that is alike in RA is apart in RR, and does not hold where every pair that is apart in RR
    differs in RA by more than 0.05.
    """
    statement = f"Robust accuracy hides differences between models that RR({tolerance:g}) shows."
    fit = comparison[~comparison["reason"].str.contains("detect|saturated|too few")] if len(comparison) else comparison
    apart = fit[fit["apart"] == HOLDS] if len(fit) else fit
    hidden = apart[apart["alike"] == HOLDS] if len(apart) else apart
    reason = (
        f"of {len(fit)} comparisons that could be made, {len(apart)} are apart in RR, and {len(hidden)} alike in RA"
    )
    if len(hidden):
        return Claim(statement, HOLDS, reason, hidden)
    if len(apart) and (apart["alike"] == DOES_NOT_HOLD).all():
        return Claim(statement, DOES_NOT_HOLD, reason, apart)
    return Claim(statement, UNDECIDED, reason, apart)


def order_changes(table: pd.DataFrame, tolerances: Sequence[float], threshold: Threshold = 0.5) -> Claim:
    """The order of two detectors by RR changes with τ: one is ahead at one tolerance and behind at another.

    It holds if both differences exclude 0, with Holm over all pairs, ε and tolerances; it does not hold if each pair is
    in one order or alike (± 0.05) at every tolerance. Detectors that do not detect take no part.

    Raises:
        InputError: where two detectors were judged on different samples.
    """
    statement = "Which of two detectors has the higher robust ratio depends on the tolerance."
    fit = {
        (row["dataset"], row["detector"])
        for row in clean_performance(table, threshold).to_dict("records")
        if row["detects"]
    }
    table = table[table["epsilon"] > 0].sort_values("sample", kind="stable")
    rows, hits = [], []
    for setting, part in table.groupby(SETTING, sort=True):
        dataset = str(part["dataset"].iloc[0])
        each = {str(name): of for name, of in part.groupby("detector", sort=True) if (dataset, name) in fit}
        for first, second in combinations(each, 2):
            a, b = each[first], each[second]
            if not np.array_equal(a["sample"].to_numpy(), b["sample"].to_numpy()):
                raise InputError(f"{first} and {second} were judged on different samples of {dataset}")
            groups = a["group"].to_numpy()
            if len(np.unique(groups.astype(str))) < ENOUGH_GROUPS:
                continue
            one, two = robust(a, tolerances), robust(b, tolerances)
            p = difference_p(one, two, groups)
            near = difference_interval(one, two, groups, 1 - 2 * RISK)
            for number, tolerance in enumerate(tolerances):
                rows.append(
                    {
                        **dict(zip(SETTING, setting, strict=True)),
                        **{"first": first, "second": second, "tolerance": tolerance},
                        "difference": float(one[:, number].mean() - two[:, number].mean()),
                        "p": float(p[number]),
                        "alike": bool(near.low[number] > -ALIKE and near.high[number] < ALIKE),
                    }
                )
            hits.append((one, two))
    columns = [*SETTING, "first", "second", "tolerance", "difference", "p", "alike"]
    found = pd.DataFrame(rows, columns=columns)
    if found.empty:
        return Claim(statement, UNDECIDED, "no two detectors here could be compared", found)
    found["p_holm"] = [adjusted for adjusted, _ in holm(found["p"].tolist())]
    found["ahead"] = np.where(found["p_holm"] <= RISK, np.sign(found["difference"]), 0)
    by_pair = found.groupby([*SETTING, "first", "second"], sort=False)
    spans = by_pair["ahead"].agg(["min", "max"])
    crossing = spans[(spans["min"] < 0) & (spans["max"] > 0)]
    reason = f"of {len(spans)} pairs at one ε, {len(crossing)} change their order with the tolerance"
    if len(crossing):
        keys = pd.MultiIndex.from_frame(found[[*SETTING, "first", "second"]])
        return Claim(statement, HOLDS, reason, found[keys.isin(crossing.index)].reset_index(drop=True))
    settled = (found["ahead"] != 0) | found["alike"]
    return Claim(statement, DOES_NOT_HOLD if settled.all() else UNDECIDED, reason, found)


def linear_on_video(image: pd.DataFrame, video: pd.DataFrame, epsilon: float) -> Claim:
    """RR is closer to linear in τ on video than on images; the verdict over all attacks of `compare_image_video`."""
    statement = "RR is closer to linear in the tolerance on video than on images."
    found = compare_image_video(image, video, epsilon)
    if found.empty:
        return Claim(statement, UNDECIDED, "no attack has results on images and on video", found)
    row = found.iloc[0]
    reason = f"difference of distances {row['difference']:+.3f}, interval [{row['low']:+.3f}, {row['high']:+.3f}]"
    if row["groups"] < ENOUGH_GROUPS:
        reason += f", on {row['groups']} groups, which are too few"
    return Claim(statement, str(row["verdict"]), reason, found)
