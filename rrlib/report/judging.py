"""What a page says of the threshold by which it judges, where that is not ½."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rrlib import attacks, study
from rrlib.study import thresholds

STOP_AT_HALF = ("cw", "cw_l2")  # they seek the border between the two labels, and no further


def threshold_note(found: study.Study, table: pd.DataFrame) -> str:
    """Markdown: the threshold of each detector of a table, how it was chosen, and that attacks knew nothing of it.

    "" where it is ½, the border that detectors are trained for and attacks aim at.
    """
    if found.threshold == thresholds.HALF:
        return ""
    told, fallen = _thresholds(found, list(dict.fromkeys(zip(table["dataset"], table["detector"], strict=True))))
    if isinstance(found.threshold, dict):
        how = f"chosen on the validation split so that at most {found.threshold['fpr']:g} of its reals are called fake"
    elif isinstance(found.threshold, float):
        how = "as params.yaml says"
    else:
        how = "chosen on the validation split, where false alarms and missed fakes are equally frequent (EER)"
    note = f"> **Threshold.** Fake is said where P(fake) is above {told}: {how}. RA, flips and bands go by it."
    if fallen:
        note += f" It is ½ where none could be chosen: {fallen}."
    note += " Attacks were measured knowing nothing of it."
    names = _aiming_at_half(found)
    if names:
        verb, stops = ("aims", "stops") if len(names) == 1 else ("aim", "stop")
        note += (
            f" {_listed(names)} {verb} at ½ and {stops} there, so RA at another threshold may be higher under "
            f"{'it' if len(names) == 1 else 'them'} than it had to be."
        )
    return note + " The worst case counts what any attack pushed over the threshold, and stays an upper bound of RA."


def rule_of(found: study.Study) -> str:
    """The threshold as params.yaml asks for it, in a word.

    >>> from types import SimpleNamespace
    >>> rule_of(SimpleNamespace(threshold={"fpr": 0.05})), rule_of(SimpleNamespace(threshold="eer"))
    ('fpr 0.05 on the validation split', 'eer on the validation split')
    """
    if isinstance(found.threshold, dict):
        return f"fpr {found.threshold['fpr']:g} on the validation split"
    return f"{found.threshold} on the validation split" if isinstance(found.threshold, str) else "given"


def _thresholds(found: study.Study, pairs: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The thresholds of these pairs in words, and why some have none."""
    if isinstance(found.threshold, float):
        return f"{found.threshold:g}", ""
    chosen: dict[tuple[str, str], dict[str, Any]] = study.read_thresholds()
    told = ", ".join(f"{chosen[pair]['threshold']:.3f} ({pair[1]} on {pair[0]})" for pair in pairs)
    fallen = "; ".join(f"{pair[1]} on {pair[0]}, as {chosen[pair]['none']}" for pair in pairs if "none" in chosen[pair])
    return told, fallen


def _aiming_at_half(found: study.Study) -> list[str]:
    """The attacks of the study that stop at the border between the labels."""
    rules = found.image.attacks | found.video.attacks
    kinds = tuple(attacks.RULES[name] for name in STOP_AT_HALF)
    return [name for name, rule in rules.items() if isinstance(getattr(rule, "rule", rule), kinds)]


def _listed(names: Sequence[str]) -> str:
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} and {last}" if most else last
