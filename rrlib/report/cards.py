"""A card per detector and data set: what is promised of it, for what, on what evidence, and what that does not show."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import rrlib
from rrlib import analysis, files, study
from rrlib.analysis import guardrails, rules, summary
from rrlib.detectors import checkpoints
from rrlib.errors import InputError
from rrlib.report import card_files, judging, trusted
from rrlib.report.provenance import PACKAGES
from rrlib.study import paths

UNATTACKED = {"accuracy": "clean accuracy", "auc": "AUC", "tpr": "TPR", "fpr": "FPR"}
WORDS = {
    "narrowest": "narrowest_without_promise",
    "tolerance": "band_by_rr_alone",
    "bound": "flipped_at_most_by_rr_alone",
}
ABOUT_ITS_WRITING = ("made_with", "commit", "uncommitted_changes", card_files.DIGEST)  # what no number depends on


def content(
    found: study.Study,
    dataset: str,
    detector: str,
    table: pd.DataFrame,
    epsilon: float | None = None,
    budget: float | None = None,
    confidence: float | None = None,
) -> dict[str, Any]:
    """All that a card says but for commit and digest, as plain numbers, texts, lists and dicts.

    Args:
        found: the study.
        dataset, detector: names of it.
        table: the tables of all attacks on this detector and data set, one below the other.
        epsilon: that of the promise; the one that the study singles out, unless given.
        budget: share of all inputs that may be decided and then flipped, in (0, 1); the study's unless given.
        confidence: of the promise and of all intervals of the card, in (0.5, 1); the study's unless given.

    Raises:
        InputError: for an ε that the table lacks, a budget or confidence out of range, or a checkpoint that is absent.
    """
    epsilon = found.highlight.epsilon if epsilon is None else epsilon
    budget = found.highlight.budget if budget is None else budget
    confidence = found.highlight.confidence if confidence is None else confidence
    about = _about_detector(dataset, detector)
    table = study.judged(found, table)
    worst = analysis.worst_case(table)
    clean = analysis.clean_performance(worst, confidence=confidence).iloc[0]
    bands = analysis.bands_over_epsilon(worst, budget, confidence)
    here = bands[bands["epsilon"] == epsilon]
    left = _left(summary.at_epsilon(worst, epsilon), found, confidence)
    if here.empty:
        raise InputError("a card needs an ε above 0, as nothing is attacked at 0; choose from the others of the study")
    names = ["epsilon", "on", "verdict", "band", "decided", "decided_low", "decided_high"]
    curve = bands[names].rename(columns={"on": "abstains_by"})  # "on" is a yes to YAML
    return _plain(
        {
            "detector": about,
            "data": _about_data(found, dataset, worst),
            "threat": {
                "epsilon": epsilon,
                "ball": "L∞ round the clean input, pixels in [0, 1]; the attacker knows the detector",
                "attacks": {name: str(rule) for name, rule in study.half_of(found, dataset, detector).attacks.items()},
                "epsilons": [each for each in sorted(worst["epsilon"].unique()) if each <= epsilon],
                "seed": found.seed,
            },
            "before_attack": {
                **{name: _number(clean, name) for name in ("accuracy", "auc", "tpr", "fpr")},
                "threshold": rules.thresholds(worst, rules.USUAL)[0],
                "threshold_by": judging.rule_of(found),
                "detects": clean["detects"],
            },
            "worst_case": left,
            "guardrail": {row["on"]: _promise(row, budget, confidence) for _, row in here.iterrows()},
            "guardrail_over_epsilon": curve.to_dict("records"),
            "does_not_show": [
                *filter(None, [trusted.on_a_card(found, dataset, detector, table, worst)]),
                *_not_shown(found, dataset, (about["calibration"] or {}).get("none"), clean, here),
            ],
            "made_with": {"rrlib": rrlib.__version__, **{package: version(package) for package in PACKAGES}},
        }
    )


def write_all(found: study.Study) -> Iterator[Path]:
    """The cards of all detectors from the study's results, without a commit; their paths."""
    files.remove(card_files.CARDS)
    files.mark(card_files.CARDS)
    for name, table in study.read_results(found).items():
        for dataset, detector in getattr(found, name).pairs():
            of_pair = table[(table["dataset"] == dataset) & (table["detector"] == detector)]
            target = card_files.card_path(dataset, detector)
            files.write_text(target, card_files.text(content(found, dataset, detector, of_pair)))
            yield target


def shown(card: Mapping[str, Any]) -> pd.DataFrame:
    """The main numbers of a card as a page shows them: what, value, and its interval."""
    rows: list[tuple[str, str, str]] = [
        ("checkpoint", f"SHA-256 {card['detector']['checkpoint_sha256'][:12]}…", ""),
        ("test samples", f"{card['data']['test_samples']} in {card['data']['test_groups']} groups", ""),
        ("attacks", f"{', '.join(card['threat']['attacks'])}, each ε up to {card['threat']['epsilon']:g}", ""),
    ]
    for name, of_name in {**card["before_attack"], **card["worst_case"]}.items():
        if isinstance(of_name, dict):
            rows.append((UNATTACKED.get(name, name), *_shown(of_name["value"], of_name["low"], of_name["high"])))
    for on, of_on in card["guardrail"].items():
        measured, band = of_on["measured"], of_on["promise"]["band"]
        rows.append((f"band, abstaining by the {on}", measured["verdict"] if band is None else f"{band:.3f}", ""))
        for name, words in (
            ("decided", "clean inputs still decided"),
            ("right", "right, of those decided"),
            ("flipped", "decided, then flipped"),
        ):
            if measured[name] is not None:
                limits = (measured[f"{name}_low"], measured[f"{name}_high"])
                rows.append((f"… {words}", *_shown(measured[name], *limits)))
    return pd.DataFrame(rows, columns=["what", "value", "interval"])


def verify(path: Path, found: study.Study | None = None) -> list[str]:
    """What can be said of a card, a line each: that it is whole, and whether `found`, the study here, says the same.

    Raises:
        InputError: as `card_files.read`.
    """
    card = card_files.read(path)
    said = [f"{path}: not changed since it was written (a digest says so; it does not say who wrote it)"]
    names = tuple(_of(card, "detector", key) for key in ("dataset", "name"))
    if found is None or names not in found.pairs():
        return [*said, f"not computed again: the study here does not hold {names[1]} on {names[0]}"]
    promise = next(iter(card["guardrail"].values()))["promise"]
    again = content(
        found, *names, study.all_tables_of(found, *names), promise["epsilon"], promise["budget"], promise["confidence"]
    )
    differing = [key for key in {**again, **card} if key not in ABOUT_ITS_WRITING and again.get(key) != card.get(key)]
    told = f"differs in {', '.join(differing)}" if differing else "the same in every number"
    return [*said, f"computed again from the tables here: {told}"]


def _about_detector(dataset: str, detector: str) -> dict[str, Any]:
    path = paths.checkpoint_path(dataset, detector)
    _, metadata = checkpoints.read(path)
    about = {name: metadata.get(name) for name in ("architecture", "input_size", "seed", "temperature")}
    about["calibration"] = metadata.get("calibration")
    if metadata.get("report"):
        begun = {"begun_from": metadata["begun_from"]} if metadata.get("begun_from") else {}
        about["trained"] = {"data": metadata["dataset"], "recipe": metadata["report"]["recipe"], **begun}
    else:
        about["weights"] = {"from": metadata.get("weights"), "sha256": metadata.get("sha256")}
    checkpoint = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"dataset": dataset, "name": detector, "checkpoint_sha256": checkpoint, **about}


def _about_data(found: study.Study, dataset: str, worst: pd.DataFrame) -> dict[str, Any]:
    definition = found.datasets[dataset]
    manifest = paths.dataset_folder(dataset) / "manifest.csv"
    return {
        "definition": {key: value for key, value in definition.to_dict().items() if key != "source"},
        "drawn_by_a_simulator": definition.drawn,
        "manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "test_samples": worst["sample"].nunique(),
        "test_groups": worst["group"].astype(str).nunique(),
    }


def _left(at: pd.DataFrame, found: study.Study, confidence: float) -> dict[str, Any]:
    """RA, RR at each tolerance and RR with the label kept in the worst case at one ε, with intervals."""
    group, stable = at["group"].to_numpy(), rules.robust(at, found.tolerances)
    hits = {"RA": rules.correct(at)}
    hits |= {f"RR({tolerance:g})": stable[:, number] for number, tolerance in enumerate(found.tolerances)}
    kept = f"RR({found.highlight.tolerance:g}), label kept"
    hits[kept] = rules.robust(at, [found.highlight.tolerance])[:, 0] & rules.kept(at)
    left: dict[str, Any] = {"distance": found.distance}
    for name, of_name in hits.items():
        low, high, trusted = analysis.share_interval(of_name, group, confidence)
        left[name] = {"value": of_name.mean(), "low": low, "high": high, **({} if trusted else {"trusted": False})}
    return left


def _promise(row: pd.Series, budget: float, confidence: float) -> dict[str, Any]:
    """The promise of one row of `bands`, and what was measured of it, under names that say what they are."""
    card = analysis.card(row, budget, confidence)
    measured = {WORDS.get(key, key): value for key, value in card["measured"].items() if key != "on"}
    return {"promise": card["promise"], "measured": measured}


def _not_shown(
    found: study.Study, dataset: str, uncalibrated: str | None, clean: pd.Series, bands: pd.DataFrame
) -> list[str]:
    told = []
    if found.datasets[dataset].drawn:
        told.append("The data are drawn by a simulator: nothing here is about detectors of real forgeries.")
    if not clean["detects"]:
        told.append(f"{clean['reason']}; where a detector does not detect, no other number says anything.")
    if found.threshold != rules.USUAL:
        told.append("The attacks knew nothing of the threshold and aimed at ½; one that aims at it may flip more.")
    if uncalibrated:
        told.append(f"Not calibrated ({uncalibrated}): do not compare its RR or its band with others'.")
    if (bands["verdict"] == guardrails.CANNOT).any():
        told.append(f"A band {bands['reason'].iloc[0]}.")
    return [
        *told,
        "A stronger attack than those listed may flip more; RA and RR are upper bounds of the true ones.",
        "A larger ε, another norm, compression, blur and physical attacks are not covered.",
        "Inputs unlike the test samples (other cameras, forgeries, sources) are not covered.",
        "Each ε has a promise of its own; the best of many cards promises less than each.",
        "Another training seed is another detector, with another card.",
    ]


def _shown(value: float, low: float, high: float) -> tuple[str, str]:
    return f"{value:.3f}", f"[{low:.3f}, {high:.3f}]"


def _number(row: pd.Series, name: str) -> dict[str, Any]:
    return {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}


def _plain(value: Any) -> Any:
    """What YAML and JSON both hold: no numpy, no tuples, None for what is missing."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _of(card: Mapping[str, Any], part: str, key: str) -> str:
    inner = card.get(part)
    return str(inner.get(key)) if isinstance(inner, dict) else "None"
