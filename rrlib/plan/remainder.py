"""The part of a study that can run, as a file: what waits for something is left out by name."""

import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from rrlib import entries, files
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.plan.missing import Missing, paths, paths_of
from rrlib.sources import owner
from rrlib.study import PARTS, Half, Study, completed, lacking, matches


class _Plain(yaml.SafeDumper):
    """Without anchors: what the file shared is written out."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def write(study: Study, file: Path, missing: Missing, target: Path) -> list[str]:
    """Write what of the study in `file` can run to `target`; the names of what is left out.

    A study that names every key, and of which nothing is left out, is copied as it stands; of others the comments are
    lost. Raises InputError, and writes nothing, if nothing can run, or if `target` is there and git could not give its
    content back.
    """
    if not missing.left(study.cells()):
        raise InputError(f"{file}: nothing of it can run yet, so {target} was not written; do what the list says first")
    check_may_replace(target)
    out = left_out(study, missing)
    text = Path(file).read_text(encoding="utf-8")
    if out or lacking(entries.read(file)):
        said = [f"Written by `python -m rrlib plan {file} --write {target}`: the part of {file} that can run.", *out]
        rest = yaml.dump(
            remainder(study, file, missing), Dumper=_Plain, sort_keys=False, default_flow_style=None, width=100
        )
        text = "".join(f"# {line}\n" for line in said) + rest
    files.write_text(target, text)
    return out


def left_out(study: Study, missing: Missing) -> list[str]:
    """A line for each data set and detector that waits for something, each empty half, and each source not needed."""
    what = (("data set", missing.datasets), ("detector", missing.detectors))
    lines = [
        f"Left out: {kind} {name}, which waits for {', '.join(waits)}"
        for kind, named in what
        for name, needs in named.items()
        if (waits := missing.by_hand(needs))
    ]
    for name, half in (("images", study.image), ("video", study.video)):
        if half.cells() and not missing.left(half.cells()):
            lines.append(f"Left out: all of {name}, of which no cell can run")
    return lines + [f"Left out: source {name}" for name in study.sources if name not in _kept_sources(study, missing)]


def remainder(study: Study, file: Path, missing: Missing) -> dict[str, Any]:
    """The study's file without what waits for something; a half in which no cell is left is empty."""
    optional = (*Study.__dataclass_fields__, *PARTS, "cells")
    found = completed(entries.mapping(entries.read(file), str(file), optional=optional))
    given = found | _half(found, study.image, missing)
    given["video"] = _half(given["video"], study.video, missing)
    every = [Cell(*names) for half in (given, given["video"]) for names in product(*(half[part] for part in PARTS))]
    given["cells"] = {
        key: [pattern for pattern in patterns if any(matches(pattern, cell) for cell in every)]
        for key, patterns in given["cells"].items()
    }
    if study.sources:
        kept = _kept_sources(study, missing)
        given["sources"] = {name: change for name, change in given["sources"].items() if name in kept}
    return given


def check_may_replace(target: Path) -> None:
    """Raise InputError unless `target` is not there, or git holds it as it is."""
    if not target.exists():
        return
    for command in (["ls-files", "--error-unmatch"], ["diff", "--quiet", "HEAD"]):
        try:
            done = subprocess.run(["git", *command, "--", target.name], cwd=target.parent, capture_output=True)
        except OSError:  # no git here
            done = None
        if done is None or done.returncode:
            raise InputError(f"{target} is there and git does not hold it as it is; commit it, or give another name")


def _half(given: dict[str, Any], half: Half, missing: Missing) -> dict[str, Any]:
    left = missing.left(half.cells())
    used = {part: {cell[number] for cell in left} for number, part in enumerate(PARTS)}
    return {part: {name: entry for name, entry in given[part].items() if name in used[part]} for part in PARTS}


def _kept_sources(study: Study, missing: Missing) -> set[str]:
    """Those that can be had, but for those that only serve what is left out."""
    named = [(name, path) for name, entry in study.datasets.items() for path in paths(entry)]
    named += [(name, path) for name, entry in study.detectors.items() for path in paths_of(entry)]
    cells = missing.left(study.cells())
    used = {name for cell in cells for name in (cell.dataset, cell.detector)}
    serves: dict[str, set[str]] = {}
    for user, path in named:
        if source := owner(path, study.sources.values()):
            serves.setdefault(source.name, set()).add(user)
    had = missing.by_hand(study.sources)
    waiting = {task.name for task in missing.tasks}.intersection(had)
    return {name for name in study.sources if name not in waiting and (name not in serves or serves[name] & used)}
