"""The page "Which detector?": what is asked, of which data sets, and how the answer is shown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from rrlib import study
from rrlib.analysis import Choice, Requirements, choosing
from rrlib.errors import InputError

MODALITIES = ("image", "video")
ASKED = {
    "clean_accuracy": "clean accuracy at least",
    "fpr": "share of reals called fake at most",
    "ra": "worst-case RA at least",
    "rr": "worst-case RR at least",
    "decided": "clean inputs still decided at least",
}


def asked(found: study.Study, datasets: dict[str, list[str]], data: str = "", **parameters: Any) -> list[Requirements]:
    """The requirements for each data set that is meant.

    Args:
        found: the study; its highlight is what an empty `epsilon` or `tolerance` stands for.
        datasets: the data sets that have results, by modality, "image" and "video".
        data: a modality, a data set, or "" for every data set.
        parameters: of `Requirements` besides its data set; as a command line gives them, texts of numbers too.

    Raises:
        InputError: for a data set that has no results, a text that is no number, and as `Requirements`.
    """
    every = [name for names in datasets.values() for name in names]
    chosen = every if data == "" else datasets.get(data, [data] if data in every else [])
    if not chosen:
        raise InputError(f"data is {data}; choose from {', '.join([*datasets, *every])}")
    usual: dict[str, Any] = {"epsilon": found.highlight.epsilon, "tolerance": found.highlight.tolerance}
    read = {name: usual[name] if value == "" else value for name, value in parameters.items()}
    read = {name: value if name in ("by", "on") else _number(name, value) for name, value in read.items()}
    return [Requirements(name, **{**usual, **read}) for name in chosen]


def requirements_shown(requirements: Requirements) -> pd.DataFrame:
    """What is asked, a row each: requirement and value."""
    rows = [
        ("largest perturbation, ε", f"{requirements.epsilon:g}"),
        ("tolerance, τ", f"{requirements.tolerance:g}"),
        ("ranked by", choosing.RANKED_BY[requirements.by]),
        ("flips among all inputs at most (budget)", f"{requirements.budget:g}"),
        ("confidence", f"{requirements.confidence:g}"),
        ("abstains by", requirements.on),
    ]
    for name, words in ASKED.items():
        if (value := getattr(requirements, name)) != (1 if name == "fpr" else 0):
            rows.append((words, f"{value:g}"))
    return pd.DataFrame(rows, columns=["requirement", "value"])


def ranking_shown(choice: Choice) -> pd.DataFrame:
    """The ranking as the page shows it: one row per detector, intervals beside their shares."""
    rows, by = choice.ranking, choosing.RANKED_BY[choice.requirements.by]
    return pd.DataFrame(
        {
            "rank": rows["rank"],
            "detector": rows["detector"],
            "meets what is asked": rows["status"].map({"meets": "yes", "fails": "no", "undecided": "undecided"}),
            f"{by} [{100 * choice.requirements.confidence:g} %]": _with_interval(
                rows["value"], rows["low"], rows["high"]
            ),
            "behind the first [95 %]": _with_interval(rows["behind"], rows["behind_low"], rows["behind_high"], "+.3f"),
            "p (Holm)": ["–" if math.isnan(p) else f"{p:.2g}" for p in rows["p_to_first"]],
            "first place": ["open to it" if name in choice.first else "no" for name in rows["detector"]],
            "why": rows["reason"],
        }
    )


def one_recipe(choice: Choice, families: dict[str, str]) -> str:
    """A sentence where the first place is open between detectors that differ in their training seed alone, else ""."""
    several: dict[str, list[str]] = {}
    for name in choice.first:
        if name in families:
            several.setdefault(families[name], []).append(name)
    told = [", ".join(names) for names in several.values() if len(names) > 1]
    if not told:
        return ""
    return (
        f"Of these, {' and '.join(told)} are one recipe with several training seeds: a choice of recipe, not of seed."
    )


def _with_interval(
    values: Iterable[float], low: Iterable[float], high: Iterable[float], form: str = ".3f"
) -> list[str]:
    rows: Sequence[tuple[float, float, float]] = list(zip(values, low, high, strict=True))
    return ["–" if math.isnan(v) else f"{v:{form}} [{a:{form}}, {b:{form}}]" for v, a, b in rows]


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {value!r}; it is a number") from None
