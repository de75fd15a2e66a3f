"""What a data set leaves out, counted and told: in sentences for its report, which its page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rrlib.datasets.found import Found, shown


@dataclass
class LeftOut:
    """skip: go on without what cannot be used, in place of refusing the source.

    skipped: path and reason of each source that could not be used; passed_over: what is no sample by what it is, by
    reason, as paths from the source; notes: what else was decided about the samples, a sentence each.
    """

    skip: bool = False
    skipped: list[dict[str, str]] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def pass_over(self, source: Path, found: Found) -> None:
        """Take over what a search passed over."""
        for reason, paths in found.passed_over.items():
            self.passed_over.setdefault(reason, []).extend(shown(path.relative_to(source)) for path in paths)

    def report(self) -> dict[str, Any]:
        """For a report in JSON: skipped and notes as they are, passed_over as reason, count and the first path."""
        counted = [
            {"what": reason, "count": len(paths), "first": min(paths)}
            for reason, paths in sorted(self.passed_over.items())
        ]
        return {"skipped": sorted(self.skipped, key=_path), "passed_over": counted, "notes": self.notes}


def _path(entry: Mapping[str, str]) -> str:
    return entry["path"]
