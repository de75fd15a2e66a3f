"""Which processes there are (Linux)."""

import time
from collections.abc import Iterable
from pathlib import Path


def lives(number: int | str) -> bool:
    """Whether there is a process of this number that has not ended, if only to be asked how."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def left(numbers: Iterable[str], seconds: float = 5) -> list[str]:
    """Those of some processes that still live after so long; sooner where none does."""
    until = time.monotonic() + seconds
    while (found := list(filter(lives, numbers))) and time.monotonic() < until:
        time.sleep(0.05)
    return found
