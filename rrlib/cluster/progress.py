"""One line over everything that a run does, and about how long it still takes."""

import json
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from rrlib import files


class Progress:
    """What a run says while it runs, to stderr: a line of its own for each stage, or one that is written over.

    expected: the stages that may have to run. remembered: the seconds that they took when they last ran, which is where
    the time left comes from; a stage that never ran is taken for the mean of those that begin alike.
    """

    def __init__(self, expected: Collection[str], remembered: Path):
        self.expected = set(expected)
        self._count = len(self.expected)
        self._left = set(expected)
        self._file = remembered
        self._seconds: dict[str, float] = {}
        with suppress(OSError, ValueError, TypeError):
            self._seconds = {str(name): float(took) for name, took in json.loads(remembered.read_text()).items()}
        self._begun, self._busy = time.monotonic(), 0.0

    def ended(self, name: str, seconds: float) -> None:
        """A command took so long; said with the next `done`."""
        self._seconds[name] = seconds
        self._busy += seconds

    def done(self, name: str) -> None:
        """A stage is as it should be, having run or not."""
        if name in self._left:
            self._left.remove(name)
            self._say(f"{self._count - len(self._left)} of {self._count} stages, {name}{self._remaining()}")

    def failed(self, told: str) -> None:
        """A stage failed; the run may go on."""
        self._say(told, stays=True)

    def close(self) -> None:
        """End the line, and remember what the stages took."""
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if self._busy:
            files.write_text(self._file, json.dumps(self._seconds, indent=0, sort_keys=True))

    def _say(self, line: str, stays: bool = False) -> None:
        over = sys.stderr.isatty() and not stays
        print(f"\r\033[K{line}" if over else line, end="" if over else "\n", file=sys.stderr, flush=True)

    def _remaining(self) -> str:
        """About the time left, where something is known of all stages that are."""
        alike: dict[str, list[float]] = {}
        for name, took in self._seconds.items():
            alike.setdefault(_kind(name), []).append(took)
        means = {kind: sum(took) / len(took) for kind, took in alike.items()}
        known = [self._seconds.get(name, means.get(_kind(name))) for name in self._left]
        if not known or None in known:
            return ""
        at_a_time = max(1.0, self._busy / (time.monotonic() - self._begun))
        minutes = sum(filter(None, known)) / at_a_time / 60
        return f"; about {minutes:.0f} min left" if minutes >= 1 else "; less than a minute left"


def _kind(name: str) -> str:
    return name.split("@")[0]
