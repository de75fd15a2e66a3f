"""Checks of the options that attacks have in common."""

import math
from typing import TypeGuard

from rrlib.errors import InputError


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Raise InputError unless `value` is a whole number ≥ `least`.

    >>> check_whole("steps", 2.5)
    Traceback (most recent call last):
    rrlib.errors.InputError: steps is 2.5; it is a whole number ≥ 1
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}; it is a whole number ≥ {least}")


def check_positive(name: str, value: object) -> None:
    """Raise InputError unless `value` is a finite number > 0.

    >>> check_positive("learning_rate", 0)
    Traceback (most recent call last):
    rrlib.errors.InputError: learning_rate is 0; it is a finite number > 0
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise InputError(f"{name} is {value!r}; it is a finite number > 0")


def check_confidence(value: object) -> None:
    """Raise InputError unless `value` is a finite number of logits ≥ 0."""
    if not _is_number(value) or not 0 <= value < math.inf:
        raise InputError(f"confidence is {value!r}; it is a finite number of logits ≥ 0")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
