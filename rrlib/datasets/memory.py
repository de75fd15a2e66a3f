"""A bound on the bytes that are decoded at once, however many threads read."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 2**27  # bytes; of less, what the allocator keeps for later use does not matter


class Budget:
    """So many bytes for all threads together; who needs more than are free waits.

    A thread that holds some is given more at once, so that one reading inside another cannot wait for itself; and what
    is larger than all of the budget is let in when nobody else holds any.
    """

    def __init__(self, total: int):
        self.total = total
        self._held = 0
        self._freed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def hold(self, needed: int) -> Iterator[None]:
        """Wait until `needed` bytes are free, and hold them.

        >>> with Budget(10).hold(7):
        ...     pass
        """
        if getattr(self._own, "holding", False):
            yield
            return
        needed = min(needed, self.total)
        with self._freed:
            self._freed.wait_for(lambda: self._held + needed <= self.total)
            self._held += needed
        self._own.holding = True
        try:
            yield
        finally:
            self._own.holding = False
            if needed >= LARGE:
                give_back()
            with self._freed:
                self._held -= needed
                self._freed.notify_all()


def give_back() -> None:
    """Let glibc return freed memory to the system, which it was told (see the Makefile) to keep for training's sake.

    Kept by each of several threads, the memory of a few large pictures would be several times that of one.
    """
    if trim := getattr(_C, "malloc_trim", None):  # other systems have none, and keep nothing
        trim(0)


_C = ctypes.CDLL(None) if os.name == "posix" else None
DECODING = Budget(2**30)
