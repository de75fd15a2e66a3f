"""What a file says of itself, checked value by value before anything is built from it.

A checkpoint may come from anybody. It chooses no code: only a built-in architecture is taken from its word, and of a
hub's model only numbers, names of labels and one of transformers' own types of model.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from rrlib.detectors.contract import Modality
from rrlib.detectors.preprocessing import LARGEST_SIZE, Preprocessing, from_fields
from rrlib.errors import InputError

TEMPERATURES = (1e-6, 1e6)
FIELDS = ("config", "preprocessing", "real", "fake", "modality")
# Keys of a configuration that have transformers fetch, import or run something that is not in it.
REFUSED = (
    *("auto_map", "backbone", "custom_", "kernel_config", "use_kernels", "quantization", "timm", "trust_remote_code"),
    "_implementation",
)
REPEATS = ("layers", "depth", "blocks", "stages")  # keys whose numbers say how often something is built
LARGEST_NUMBER, MOST_REPEATS, MOST_VALUES, LONGEST_TEXT, DEEPEST = 1_000_000, 1000, 20_000, 300, 8


class Description(NamedTuple):
    """Of a hub's model all but its weights."""

    config: dict
    preprocessing: Preprocessing
    real: list[int]
    fake: list[int]
    modality: Modality


def input_size(value: object, where: str) -> int:
    """A whole number of pixels from 1 to `LARGEST_SIZE`; InputError, beginning with `where`, for anything else.

    >>> input_size(64, "a.safetensors")
    64
    """
    if not _whole(value, 1, LARGEST_SIZE):
        raise InputError(f"{where} says input_size {shown(value)}; it is a whole number from 1 to {LARGEST_SIZE}")
    return value  # type: ignore[return-value]  # a whole number


def temperature(value: object, where: str) -> float:
    """A number from 1e-6 to 1e6; InputError, beginning with `where`, for anything else."""
    low, high = TEMPERATURES
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{where} says temperature {shown(value)}; it is a number from {low:g} to {high:g}")
    return value


def of_hub(value: object, types: Mapping[str, Collection[str]], where: str) -> Description:
    """What `hub.describe` wrote, once every value is of its type, in range, and names no code.

    `types` are the types of models that transformers has itself, by modality. Raises InputError, beginning with
    `where`, for everything else.
    """
    if not isinstance(value, dict) or set(value) != set(FIELDS):
        raise InputError(f"{where} does not describe its model of the hub; make it again with rrlib")
    found = value["modality"]
    if found not in list(types):  # a list, in which anything can be looked for
        raise InputError(f"{where} says modality {shown(found)}; it is one of {', '.join(types)}")
    config = value["config"]
    if not isinstance(config, dict) or config.get("model_type") not in list(types[found]):
        kind = config.get("model_type") if isinstance(config, dict) else config
        raise InputError(f"{where} holds a model of type {shown(kind)}; give one that transformers has for {found}s")
    for place, fault in _faults(config, "config", 1):
        raise InputError(f"{where}: {place} {fault}; a checkpoint that rrlib wrote does not say so")
    return Description(
        config,
        from_fields(value["preprocessing"], where),
        *_columns(value["real"], value["fake"], config, where),
        found,
    )


def check_numbers(config: dict, where: str) -> None:
    """Raise InputError, beginning with `where`, for whole numbers that no model has: building it would have no end.

    >>> check_numbers({"num_hidden_layers": 12}, "mine")
    """
    waiting: list[tuple[str, object]] = list(config.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, each) for each in value]
        elif isinstance(value, int) and abs(value) > _most(key):
            raise InputError(
                f"{where}: {key} is {shown(value)}, more than {_most(key)}; give a model that can be built"
            )


def shown(value: object) -> str:
    """A value for a message: as Python writes it, cut where it is long.

    >>> shown("x" * 1000)[-4:]
    'xxx…'
    """
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _faults(value: object, place: str, depth: int, counted: list[int] | None = None) -> Iterator[tuple[str, str]]:
    """(place, what is wrong there) of a configuration."""
    counted = counted if counted is not None else [0]
    counted[0] += 1
    key = place.rpartition(".")[2]
    if depth > DEEPEST or counted[0] > MOST_VALUES:
        yield place[:80], f"is more than {DEEPEST} deep or holds more than {MOST_VALUES} values"
    elif isinstance(value, dict):
        for name, each in value.items():
            if _refused(name) and each not in (None, False):
                yield f"{place}.{name[:40]}", "has a model fetch or run what is not in the file"
            yield from _faults(each, f"{place}.{name[:40]}", depth + 1, counted)
    elif isinstance(value, list):
        for each in value:
            yield from _faults(each, place, depth + 1, counted)
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield place, f"is a text of more than {LONGEST_TEXT} characters"
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, f"is {value}"
    elif isinstance(value, int | float) and abs(value) > _most(key):
        yield place, f"is {shown(value)}, more than {_most(key)}"


def _most(key: str) -> int:
    return MOST_REPEATS if any(word in key for word in REPEATS) else LARGEST_NUMBER


def _refused(key: str) -> bool:
    return any(word in key for word in REFUSED)


def _columns(real: object, fake: object, config: dict, where: str) -> tuple[list[int], list[int]]:
    names = config.get("id2label")
    outputs = len(names) if isinstance(names, dict) else 2
    for columns in (real, fake):
        if not isinstance(columns, list) or not columns or not all(_whole(each, 0, outputs - 1) for each in columns):
            raise InputError(
                f"{where} says that the outputs {shown(columns)} are real or fake; of its {outputs} outputs they are "
                "one or several, counted from 0"
            )
    if set(real) & set(fake):  # type: ignore[call-overload]  # lists by now
        raise InputError(f"{where} counts an output as real and as fake; give one that does not")
    return real, fake  # type: ignore[return-value]


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
