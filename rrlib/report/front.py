"""The first screen of the start page: what was found, how sure that is, and what to do."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from rrlib import study, text
from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, WORST_CASE, Choice, found_pairs, guardrails, summary, words

PROPOSITION = "alike in robust accuracy and apart in robust ratio"


def headline(comparison: pd.DataFrame, tolerance: float) -> str:
    """Markdown, one sentence: whether there are detectors alike in RA and apart in RR(τ), from `analysis.compare`."""
    if comparison.empty:
        return "**There are no two detectors here to compare.**"
    found = found_pairs(comparison)
    if found.empty:
        if (comparison["verdict"] == DOES_NOT_HOLD).all():
            return f"**No two detectors of this study are {PROPOSITION} at τ = {tolerance:g}.**"
        return (
            f"**This study does not show two detectors that are {PROPOSITION} at τ = {tolerance:g}, and cannot rule "
            "them out.**"
        )
    top = _escaped(found.iloc[0])
    return (
        f"**Two detectors can be {PROPOSITION}: on {top['dataset']} at ε = {top['epsilon']:g}, {top['first']} and "
        f"{top['second']} have RA {top['ra_first']:.3f} and {top['ra_second']:.3f}, but RR({tolerance:g}) "
        f"{top['rr_first']:.3f} and {top['rr_second']:.3f}.**"
    )


def of_drawn(found: study.Study) -> str:
    """The begin of the first sentence where all samples are drawn; empty where some are not, as each page's note tells.

    >>> of_drawn(study.load())
    'On drawn (synthetic) images and clips: '
    """
    if not all(each.drawn for each in found.datasets.values()):
        return ""
    return f"On drawn (synthetic) {' and '.join(dict.fromkeys(each.noun for each in found.datasets.values()))}: "


def how_sure(comparison: pd.DataFrame, tolerance: float) -> str:
    """Markdown: the verdict, how many comparisons it rests on, and the interval of the one that says most."""
    if comparison.empty:
        return ""
    counts = comparison["verdict"].value_counts()
    held, not_held = (int(counts.get(word, 0)) for word in (HOLDS, DOES_NOT_HOLD))
    verdict = HOLDS if held else DOES_NOT_HOLD if not_held == len(comparison) else UNDECIDED
    said = (
        f"**How sure: {verdict}.** Of {len(comparison)} comparisons (two detectors of one data set at one ε), "
        f"{words.counted(comparison['verdict'])}."
    )
    row = nearest(comparison)
    if row is None:
        return f"{said} No comparison has enough groups, detectors that detect, and RA between 0.05 and 0.95."
    row = _escaped(row)
    name = "The clearest" if held else "The nearest to it"
    return (
        f"{said} {name}: {row['first']} less {row['second']} on {row['dataset']} at ε = {row['epsilon']:g}, "
        f"{row['groups']} groups: RA {row['ra_difference']:+.3f} [{row['ra_low']:+.3f}, {row['ra_high']:+.3f}], "
        f"RR({tolerance:g}) {row['rr_difference']:+.3f} [{row['rr_low']:+.3f}, {row['rr_high']:+.3f}]. "
        "[All claims](claims), [all pairs](compare)."
    )


def nearest(comparison: pd.DataFrame) -> pd.Series | None:
    """The comparison that holds with the largest difference in RR or, where none holds, the one nearest to it.

    That is, of those that could have been decided, one whose RA is alike rather than one whose RA is not, and then the
    one with the smallest p of the difference in RR.
    """
    found = found_pairs(comparison)
    if len(found):
        return found.iloc[0]
    fit = comparison[~comparison["reason"].str.contains("detect|saturated|too few")]
    fit = fit[fit["verdict"] == UNDECIDED] if (fit["verdict"] == UNDECIDED).any() else fit
    if fit.empty:
        return None
    rank = fit["alike"].map({HOLDS: 0, UNDECIDED: 1, DOES_NOT_HOLD: 2})
    return fit.assign(_rank=rank).sort_values(["_rank", "rr_p"], kind="stable").iloc[0]


def what_to_do(choice: Choice, bands: pd.DataFrame, budget: float, confidence: float) -> str:
    """Markdown: which detector of a data set comes first, and the guardrail of it.

    bands: from `analysis.bands` at the ε of the choice; budget and confidence are those of the bands.
    """
    asked = choice.requirements
    where = f"**On {text.markdown(asked.dataset)}** at ε = {asked.epsilon:g}"
    if not choice.first:
        return f"{where}, no detector is fit: {text.markdown(choice.ranking.iloc[0]['reason'])}."
    named = [name for name in choice.ranking["detector"] if name in choice.first]
    top = choice.ranking[choice.ranking["detector"] == named[0]].iloc[0]
    share = f"{top['value']:.3f} [{top['low']:.3f}, {top['high']:.3f}] right and moved by at most {asked.tolerance:g}"
    said = f"{where}, take **{text.markdown(named[0])}** ({share})"
    if others := named[1:]:
        listed = ", ".join(map(text.markdown, others))
        said += f"; the samples cannot tell it from {listed}"
    return f"{said}. {_guardrail(named[0], asked.dataset, bands, budget, confidence)}"


def _guardrail(detector: str, dataset: str, bands: pd.DataFrame, budget: float, confidence: float) -> str:
    rows = bands[
        (bands["dataset"] == dataset) & (bands["detector"] == detector) & (bands["on"] == guardrails.ON_ATTACKED)
    ]
    promise: dict[Any, Any] = rows.iloc[0].to_dict() if len(rows) else {"verdict": guardrails.CANNOT, "band": math.nan}
    if promise["verdict"] == guardrails.CANNOT or math.isnan(promise["band"]):
        return f"A guardrail {text.markdown(promise.get('reason', 'cannot be promised for it'))}."
    kept = f"at most {budget:.0%} of all inputs are decided and then flipped, with {confidence:.0%} confidence"
    if promise["verdict"] == guardrails.DECIDES_NOTHING:
        return f"Its guardrail decides nothing: only so {kept}."
    return (
        f"Guardrail: abstain where |P(fake) − threshold| ≤ {promise['band']:.3f}. Then {kept}, and "
        f"{promise['decided']:.0%} [{promise['decided_low']:.0%}, {promise['decided_high']:.0%}] of clean inputs are "
        "still decided."
    )


def left_out(reasons: Collection[tuple[str, str]]) -> str:
    """Markdown: who takes part in no finding; empty for nobody."""
    if not reasons:
        return ""
    listed = ", ".join(f"{text.markdown(detector)} on {text.markdown(dataset)}" for dataset, detector in reasons)
    return f"Left out, as the attacks on it cannot be [trusted](trusted-attacks), and drawn grey: {listed}."


def _escaped(row: pd.Series) -> pd.Series:
    return row.map(lambda value: text.markdown(value) if isinstance(value, str) else value)


def ranges(worst: pd.DataFrame, epsilon: float, tolerance: float) -> str:
    """Markdown, a sentence: between which detectors RA and RR(τ) lie at ε in the worst case, on each data set."""
    if worst.empty:
        return "**The attacks on no detector of this study can be trusted, so nothing is found.**"
    rows = summary.overview(summary.at_epsilon(worst, epsilon), [tolerance])
    said = []
    for dataset, part in rows.groupby("dataset", sort=False):
        told = []
        for name in ("RA", f"RR({tolerance:g})"):
            ordered = part.sort_values(name, kind="stable")
            low, high = ordered.iloc[0], ordered.iloc[-1]
            told.append(
                f"{name} runs from {low[name]:.3f} ({text.markdown(low['detector'])}) to {high[name]:.3f} "
                f"({text.markdown(high['detector'])})"
            )
        said.append(f"on {text.markdown(dataset)}, {' and '.join(told)}")
    return f"**In the worst case at ε = {epsilon:g}: {'; '.join(said)}.**"


def figure_caption(
    found: study.Study,
    worst: pd.DataFrame,
    halves: Mapping[str, pd.DataFrame],
    epsilon: float,
    attack: str = WORST_CASE,
) -> str:
    """The caption of Figure 1, in the worst case or under one attack.

    `worst` is the worst case of all `halves`, which are from `study.read_results`.
    """
    names = list(dict.fromkeys(name for half in halves.values() for name in half["attack"]))
    counts = []
    for dataset, part in summary.at_epsilon(worst, epsilon).groupby("dataset", sort=False):
        samples = found.datasets[str(dataset)].noun if dataset in found.datasets else "videos"
        counts.append(
            f"{part['sample'].nunique()} {samples} of {dataset} in {part['group'].astype(str).nunique()} groups"
        )
    over = f"in the worst case over {', '.join(names)} and every smaller ε"
    under = over if attack == WORST_CASE else f"under {attack}"
    return (
        f"Robust ratio RR(τ) and robust accuracy RA at ε = {epsilon:g}, {under}: {'; '.join(counts)}. Curves with 95 % "
        "intervals for grouped samples: RR (left axis). Markers and numbers in the legend: RA (right axis). Higher is "
        "better; both are upper bounds."
    )
