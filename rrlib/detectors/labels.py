"""A classifier's label names, which every author chooses anew, to real and fake."""

import re
from collections.abc import Mapping, Sequence

from rrlib.errors import InputError

REAL = frozenset({"real", "authentic", "original", "genuine", "human", "pristine", "bonafide"})
FAKE = frozenset(
    {"fake", "deepfake", "ai", "synthetic", "manipulated", "generated", "artificial", "forged", "tampered"}
)

Labels = Mapping[str, str | Sequence[str]]  # {"real": a label name or several, "fake": a label name or several}


def columns(names: Mapping[int, str], where: str, labels: Labels | None = None) -> tuple[list[int], list[int]]:
    """Which of a classifier's outputs say real, and which say fake, by its label names, its `id2label`.

    Without `labels` there must be two names, one with a word for real and one with a word for fake. `labels` says
    otherwise, {"real": name or names, "fake": name or names}; outputs that it leaves out are ignored. Raises
    InputError, beginning with `where`, for names that do not tell, and for `labels` that do not fit them.

    >>> columns({0: "AI-generated", 1: "Real"}, "mine")
    ([1], [0])
    >>> columns({0: "LABEL_0", 1: "LABEL_1"}, "mine")
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: mine has the labels LABEL_0, LABEL_1, which do not name one as real and one as fake; \
say which are which with labels: {real: NAME, fake: NAME}
    """
    if labels is None:
        real = [number for number, name in names.items() if _means(name, REAL, FAKE)]
        fake = [number for number, name in names.items() if _means(name, FAKE, REAL)]
        if len(names) != 2 or len(real) != 1 or len(fake) != 1:
            raise InputError(
                f"{where} has the labels {_listed(names)}, which do not name one as real and one as fake; "
                "say which are which with labels: {real: NAME, fake: NAME}"
            )
        return real, fake
    check_labels(labels, where)
    real, fake = (_given(names, labels[key], where) for key in ("real", "fake"))
    if set(real) & set(fake):
        raise InputError(f"{where}: labels gives the same name as real and as fake; give each name once")
    return real, fake


def check_labels(labels: object, where: str) -> None:
    """Raises InputError unless `labels` is {"real": name or names, "fake": name or names}."""
    names = labels.values() if isinstance(labels, Mapping) and set(labels) == {"real", "fake"} else [None]
    if not all(_as_list(value) for value in names):
        raise InputError(f"{where}: labels is {labels!r}; give {{real: NAME, fake: NAME}}, or lists of names")


def _means(name: str, words: frozenset[str], others: frozenset[str]) -> bool:
    found = set(re.findall(r"[a-z]+", str(name).lower()))
    return bool(found & words) and not found & (others | {"not", "non", "no", "un"})


def _given(names: Mapping[int, str], wanted: str | Sequence[str], where: str) -> list[int]:
    by_name = {str(name): number for number, name in names.items()}
    for name in _as_list(wanted):
        if name not in by_name:
            raise InputError(f"{where} has no label {name}; its labels are {_listed(names)}")
    return [by_name[name] for name in _as_list(wanted)]


def _as_list(value: object) -> list[str]:
    """A name or a list of names as a list; empty for anything else."""
    value = [value] if isinstance(value, str) else value
    return list(value) if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value) else []


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(map(str, names.values())) or "none"
