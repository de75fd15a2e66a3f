"""The words of a verdict, and what is needed for one."""

from collections import Counter
from collections.abc import Iterable

HOLDS, DOES_NOT_HOLD, UNDECIDED = "holds", "does not hold", "undecided"
ENOUGH_GROUPS = 20  # with fewer, "undecided" (design section 3)
_TOLD = {HOLDS: ("holds", "hold"), DOES_NOT_HOLD: ("does not hold", "do not hold")}
_TOLD[UNDECIDED] = ("is undecided", "are undecided")


def counted(verdicts: Iterable[str]) -> str:
    """How many of the verdicts are which.

    >>> counted([HOLDS, UNDECIDED, UNDECIDED])
    '1 holds, 0 do not hold and 2 are undecided'
    """
    counts = Counter(verdicts)
    first, second, third = (f"{counts[word]} {forms[counts[word] != 1]}" for word, forms in _TOLD.items())
    return f"{first}, {second} and {third}"
