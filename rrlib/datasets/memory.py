"""A bound on the bytes that are decoded at once, however many threads read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
            with self._freed:
                self._held -= needed
                self._freed.notify_all()


DECODING = Budget(2**30)
