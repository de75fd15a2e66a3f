"""Two cards of one detector, of two checkpoints or two dates: what moved, and what could be the reason."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rrlib import analysis
from rrlib.errors import InputError, parsing
from rrlib.report import card_files

# What can be the reason, as cards name it: where it stands, and what it is called.
REASONS = {
    "detector/checkpoint_sha256": "checkpoint",
    "detector/architecture": "architecture",
    "detector/input_size": "input size",
    "detector/temperature": "temperature",
    "detector/trained": "training",
    "detector/weights": "weights",
    "data/definition": "definition of the data set",
    "data/manifest_sha256": "samples of the data set",
    "data/test_samples": "number of test samples",
    "threat/attacks": "attacks",
    "threat/epsilons": "epsilons",
    "threat/seed": "seed of the attacks",
    "before_attack/threshold": "threshold",
    "made_with": "versions",
    "commit": "commit",
    "uncommitted_changes": "uncommitted changes",
}
DIGESTS = ("checkpoint_sha256", "manifest_sha256", "commit")
SHOWN = 12  # digits of a digest


def lines(first: Path, second: Path) -> Iterator[str]:
    """What two card files say beside each other, a line each; A is `first`, and differences are A − B.

    Cards hold no samples, so their numbers are compared by their intervals: *apart* where these do not overlap, which
    is stricter than a test of the difference, else *undecided*.

    Raises:
        InputError: for what is no card or was changed since, and for cards of two ε or two distances.
    """
    cards = (card_files.read(first), card_files.read(second))
    for key in ("threat/epsilon", "worst_case/distance"):
        values = [_at(card, key) for card in cards]
        if values[0] != values[1]:
            name = key.rpartition("/")[2]
            raise InputError(
                f"{first} is of the {name} {values[0]} and {second} of {values[1]}; make both alike, with "
                "`python -m rrlib card DATASET DETECTOR --epsilon ε`"
            )
    with parsing(f"{first} or {second}", "a card of this version", "make it again with `python -m rrlib card`"):
        head = f"the worst case at ε = {_at(cards[0], 'threat/epsilon'):g}; differences are A − B"
        found = [head, *_numbers(cards), *_promises(cards), *_reasons(cards)]  # cards are others' files
    yield f"A: {first}, {_name(cards[0])}"
    yield f"B: {second}, {_name(cards[1])}"
    yield from found


def _numbers(cards: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Iterator[str]:
    for part in ("before_attack", "worst_case"):
        of_first, of_second = (card[part] for card in cards)
        names = [name for name in of_first if isinstance(of_first[name], dict) and name in of_second]
        for name in names:
            yield _number(name, of_first[name], of_second[name])


def _number(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    values = [number["value"] for number in (first, second)]
    if None in values:
        return f"{name}: not known in {'A' if values[0] is None else 'B'}"
    told = " and ".join(
        f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]" for number in (first, second)
    )
    return f"{name}: {told}, {values[0] - values[1]:+.3f}, {_verdict(first, second)}"


def _verdict(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    if first == second:
        return "the same"
    if not (first.get("trusted", True) and second.get("trusted", True)):
        return f"{analysis.UNDECIDED}: too little to trust an interval"
    if first["high"] < second["low"] or second["high"] < first["low"]:
        return "apart"
    return f"{analysis.UNDECIDED}: the intervals overlap"


def _promises(cards: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Iterator[str]:
    """The verdicts on guardrails, and where both promise one the bands."""
    detects = [card["before_attack"]["detects"] for card in cards]
    yield f"detects: {_both(*('yes' if each else 'no' for each in detects))}"
    for on, of_first in cards[0]["guardrail"].items():
        if on in cards[1]["guardrail"]:
            said = [_promise(each) for each in (of_first, cards[1]["guardrail"][on])]
            yield f"band, abstaining by the {on}: {_both(*said)}"


def _promise(guardrail: Mapping[str, Any]) -> str:
    band, promise = guardrail["promise"]["band"], guardrail["promise"]
    under = f"for a budget of {promise['budget']:g} at {promise['confidence']:.0%}"
    return f"{guardrail['measured']['verdict']}, {'' if band is None else f'{band:.3f} '}{under}"


def _both(first: str, second: str) -> str:
    return f"{first} in both" if first == second else f"A {first}; B {second}"


def _reasons(cards: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Iterator[str]:
    """What differs beside the numbers; a key that neither card has differs in nothing."""
    differing = [key for key in REASONS if _at(cards[0], key) != _at(cards[1], key)]
    if not differing:
        yield "nothing else differs: the same checkpoint, data, attacks and versions"
    for key in differing:
        told = [_told(_at(card, key), key) for card in cards]
        if all(isinstance(_at(card, key), dict) for card in cards):
            told = [_told(each, key) for each in _apart(*(_at(card, key) for card in cards))]
        yield f"differs: {REASONS[key]}: A {told[0]}; B {told[1]}"


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two mappings less what both say alike.

    >>> _apart({"pgd": 10, "cw": 5}, {"pgd": 10, "cw": 9, "fgsm": 1})
    ({'cw': 5}, {'cw': 9, 'fgsm': 1})
    """
    return (
        {key: value for key, value in first.items() if second.get(key) != value},
        {key: value for key, value in second.items() if first.get(key) != value},
    )


def _told(value: object, key: str) -> str:
    if value is None:
        return "does not say"
    if key.endswith(DIGESTS):
        return f"{str(value)[:SHOWN]}…"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "nothing more"
    return str(value)


def _name(card: Mapping[str, Any]) -> str:
    return f"{_at(card, 'detector/name')} on {_at(card, 'detector/dataset')}"


def _at(card: Mapping[str, Any], key: str) -> Any:
    value: Any = card
    for part in key.split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
