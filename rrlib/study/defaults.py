"""What a study means that says less: the values of params.yaml that a file may leave out."""

import hashlib
from pathlib import Path
from typing import Any

from rrlib.evaluation import damage

ATTACKS: dict[str, dict[str, Any]] = {
    "noise": {"rule": "noise"},
    "fgsm": {"rule": "fgsm"},
    "pgd": {"rule": "pgd", "steps": 10},
    "cw": {"rule": "cw", "steps": 10},
    "shift": {"rule": "shift", "steps": 10, "refine": 20},
}
TOP: dict[str, Any] = {
    "seed": 0,
    "device": "auto",
    "batch_size": 64,
    "workers": 0,
    "fold": True,
    "compiled": False,
    "retrain": False,
    "distance": "linf",
    "threshold": 0.5,
    "epsilons": [0, 0.002, 0.01, 0.02, 0.05, 0.2],
    "tolerances": [0.01, 0.05, 0.1, 0.2, 0.5],
    "highlight": {},
    "sources": {},
    "datasets": {},
    "detectors": {},
    "attacks": ATTACKS,
    "cells": {},
    "damage": {kind: list(severities) for kind, severities in damage.USUAL.items()},
    "video": {},
}
OWN = ("folder", "frames", "clips")  # kinds of data sets that take `train`
EPSILON, TOLERANCE, ATTACK = 0.01, 0.1, "pgd"


def completed(given: dict[str, Any]) -> dict[str, Any]:
    """A study's file with all that it leaves out: the values of the repository's own params.yaml, but for its names.

    Clips are attacked as images are, unless it says otherwise. The highlight is ε = 0.01, τ = 0.1 and PGD, or what of
    these the study has in the middle of its list or first. The seed of a data set is 0, the `sha256` of weights that of
    the file as it is now; where all detectors come trained, data sets of one's own have `train: false`. What is no
    mapping where one should be stays as it is, for `load` to tell.

    >>> completed({"epsilons": [0, 0.05, 0.1]})["highlight"]
    {'epsilon': 0.05, 'tolerance': 0.1, 'attack': 'pgd'}
    """
    whole = TOP | given
    if whole["damage"] is None:
        whole["damage"] = TOP["damage"]
    if isinstance(whole["video"], dict):
        whole["video"] = {"datasets": {}, "detectors": {}, "attacks": whole["attacks"]} | whole["video"]
    for half in (whole, whole["video"]):
        if isinstance(half, dict):
            half["datasets"] = _each(half["datasets"], _dataset)
            half["detectors"] = _each(half["detectors"], _detector)
            if not _trains(half["detectors"]):
                half["datasets"] = _each(half["datasets"], _untrained)
    if isinstance(whole["highlight"], dict):
        whole["highlight"] = _highlight(whole) | whole["highlight"]
    return whole


def lacking(given: object) -> list[str]:
    """The keys that a study's file leaves out; none of what is no mapping."""
    return [key for key in TOP if key not in given] if isinstance(given, dict) else []


def _each(named: object, complete: Any) -> Any:
    if not isinstance(named, dict):
        return named
    return {name: complete(entry) if isinstance(entry, dict) else entry for name, entry in named.items()}


def _dataset(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "seed": entry.get("seed", 0)}


def _trains(named: object) -> bool:
    entries = named.values() if isinstance(named, dict) else ()
    return any(isinstance(entry, dict) and "training" in entry for entry in entries)


def _untrained(entry: dict[str, Any]) -> dict[str, Any]:
    """Where nothing is trained, all samples of one's own are for calibration and test."""
    return entry if entry.get("kind") not in OWN or entry.get("layout") else {"train": False, **entry}


def _detector(entry: dict[str, Any]) -> dict[str, Any]:
    weights = entry.get("weights")
    if "sha256" in entry or not isinstance(weights, str) or not Path(weights).is_file():
        return entry
    with open(weights, "rb") as file:
        return entry | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _highlight(whole: dict[str, Any]) -> dict[str, Any]:
    epsilons = [each for each in _list(whole["epsilons"]) if each != 0]
    return {
        "epsilon": EPSILON if EPSILON in epsilons or not epsilons else epsilons[(len(epsilons) - 1) // 2],
        "tolerance": TOLERANCE,
        "attack": _attack(whole["attacks"]),
    }


def _attack(attacks: object) -> str:
    """PGD where it is; else the first that seeks to do harm."""
    names = list(attacks) if isinstance(attacks, dict) else []
    harmful = [name for name in names if isinstance(attacks, dict) and attacks[name] != ATTACKS["noise"]]
    return ATTACK if ATTACK in names or not names else (harmful or names)[0]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
