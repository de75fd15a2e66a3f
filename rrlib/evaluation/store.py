"""What has been measured, by what it was measured from: nothing is measured twice, and nothing stale is taken.

A piece is what one attack found at one ε for all samples of one data set and detector, a file named after its key. A
key is a digest of everything the numbers rest on (`Basis`, the attack's rule, ε). So a new ε costs that ε, a new attack
that attack, an attack's new name nothing, and a changed detector everything.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from filelock import FileLock
from torch import nn

from rrlib.attacks import Rule
from rrlib.errors import InputError, parsing
from rrlib.evaluation import code as its_code
from rrlib.evaluation import measuring, resume, tables
from rrlib.evaluation.samples import Labelled

MEASURING = (
    "evaluation/measuring.py",
    "detectors/catalogue.py",
    "datasets/loading.py",
)  # the code, by where it begins


KEY = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Basis:
    """What all pieces of one data set and detector rest on, besides the attack and ε.

    `samples` and `detector` are digests: of what is looked at and how it is read, of the weights and what is built from
    them. `code` is that of the statements that measure.
    """

    samples: str
    detector: str
    distance: str
    seed: int
    fold: bool
    compiled: bool
    code: str = ""

    def key(self, rule: Rule | None, epsilon: float) -> str:
        """The name of one piece; `rule` is None for ε = 0, which all attacks share."""
        parts = asdict(replace(self, code=self.code or its_code.digest_of(*MEASURING)))
        text = json.dumps(
            parts | {"rule": repr(rule) if epsilon else "none", "epsilon": float(epsilon)}, sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:40]


def digest_of(about: Mapping[str, object], detector: nn.Module) -> str:
    """A SHA-256 of what a detector is built from and of the names, shapes, types and values of its weights."""
    hashed = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(detector.state_dict().items()):
        tensor = tensor.detach().cpu().contiguous()
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def keys(basis: Basis, rule: Rule, epsilons: Sequence[float]) -> dict[str, str]:
    """The key of each ε of one attack, by the ε as text; a table carries them, so that it can be told what it is of."""
    return {repr(float(epsilon)): basis.key(rule, epsilon) for epsilon in epsilons}


def measure(
    detector: nn.Module,
    dataset: Labelled,
    rules: Mapping[str, Rule],
    epsilons: Sequence[float],
    basis: Basis,
    folder: Path,
    unfinished: Path,
    **how: Any,
) -> dict[str, pd.DataFrame]:
    """The result table of each attack: what `folder` has is taken, what it lacks is measured first and kept there.

    `unfinished` is where the finished batches of an interrupted measurement, and of shards, lie. `how` are the options
    of `measuring.batches` that change no number, and its names. One process at a time works on a folder; a second one
    waits, as this one does for shards, and then finds what the first has measured.
    """
    epsilons = [float(epsilon) for epsilon in epsilons]
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        for shard in sorted(folder.glob(".shard-*.lock")):
            locks.enter_context(FileLock(shard))
        locks.enter_context(FileLock(folder / ".lock"))
        for names, lacking in missing(rules, epsilons, basis, lambda key: load(folder, key) is not None).items():
            work = _Work(detector, dataset, {name: rules[name] for name in names}, lacking, basis, unfinished, how)
            work.do(work.numbers)
            work.take_in(folder)
        resume.end(unfinished)
    return {name: table(rule, name, epsilons, basis, folder, how) for name, rule in rules.items()}


def measure_shard(
    shard: tuple[int, int],
    detector: nn.Module,
    dataset: Labelled,
    rules: Mapping[str, Rule],
    epsilons: Sequence[float],
    basis: Basis,
    folder: Path,
    unfinished: Path,
    **how: Any,
) -> None:
    """Shard (i, n), 1 ≤ i ≤ n, of what `measure` with the same arguments would do: every n-th batch from the i-th on.

    What it finishes lies in `unfinished`, where `measure` finds it. Shards may run at the same time, each in a process
    of its own, on machines that share a disk; the tables are the same bytes with any number of them, or without.
    """
    which, count = shard
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".shard-{which}.lock"):
        with FileLock(folder / ".lock"):  # a whole measurement that is at work leaves nothing to do
            lacking = missing(rules, epsilons, basis, lambda key: load(folder, key) is not None)
        for names, radii in lacking.items():
            work = _Work(detector, dataset, {name: rules[name] for name in names}, radii, basis, unfinished, how)
            work.do(work.numbers[which - 1 :: count])


def table(
    rule: Rule, name: str, epsilons: Sequence[float], basis: Basis, folder: Path, names: Mapping[str, Any]
) -> pd.DataFrame:
    """One attack's result table from its pieces; InputError if one of them is not there."""
    found = keys(basis, rule, epsilons)
    loaded = {epsilon: load(folder, key) for epsilon, key in found.items()}
    pieces = [piece for piece in loaded.values() if piece is not None]
    if absent := [epsilon for epsilon, piece in loaded.items() if piece is None]:
        raise InputError(f"{folder} has nothing of {name} at ε = {', '.join(absent)}; measure it with `dvc repro`")
    whole = pd.concat(pieces).sort_index(kind="stable").reset_index(drop=True)
    described = dict.fromkeys(piece.attrs["attacked"] for piece in pieces)
    whole = whole.assign(attack=name, dataset=names.get("dataset_name", ""), detector=names.get("detector_name", ""))
    whole.attrs = {"attacked": "; ".join(described), "keys": json.dumps(found)}
    return whole


def is_of(whole: pd.DataFrame, basis: Basis, rule: Rule, epsilons: Sequence[float]) -> bool:
    """Whether a table was measured from just this."""
    return whole.attrs.get("keys") == json.dumps(keys(basis, rule, epsilons))


def load(folder: Path, key: str) -> pd.DataFrame | None:
    """A piece; None if there is none. One that is damaged is removed, with a line that says so."""
    path = Path(folder, f"{key}.parquet")
    if not path.is_file():
        return None
    try:
        return tables.read(path)
    except InputError as error:
        print(f"{error}; it is measured again", file=sys.stderr)
        path.unlink()
        return None


def adopt(path: Path, folder: Path) -> None:
    """Keep the pieces of a whole table that came from elsewhere, as from `dvc pull`, so that they are not lost.

    Raises InputError as `tables.read` does, and for keys that are none: they become names of files.
    """
    whole = tables.read(path)
    if "keys" not in whole.attrs:
        return
    for epsilon, key in _keys_in(whole, path).items():
        target = folder / f"{key}.parquet"
        piece = whole[whole["epsilon"] == epsilon].reset_index(drop=True)
        if not target.is_file() and len(piece):
            piece.attrs = {"attacked": whole.attrs["attacked"]}
            tables.write(target, piece)


def _keys_in(whole: pd.DataFrame, path: Path) -> dict[float, str]:
    """The keys that a table carries, by ε."""
    with parsing(path, "a table with its keys", "evaluate the cell again"):
        found = json.loads(whole.attrs["keys"])
        keys = {float(epsilon): key for epsilon, key in found.items()}
    if "attacked" not in whole.attrs or not all(isinstance(key, str) and KEY.fullmatch(key) for key in keys.values()):
        raise InputError(f"{path} does not say what it was measured from; evaluate the cell again")
    return keys


def missing(
    rules: Mapping[str, Rule], epsilons: Sequence[float], basis: Basis, has: Callable[[str], bool]
) -> dict[tuple[str, ...], list[float]]:
    """What has to be measured: epsilons by the attacks that lack just these, which are then measured together.

    `has` says of a key whether its piece is there.
    """
    by_epsilons: dict[tuple[float, ...], list[str]] = {}
    for name, rule in rules.items():
        lacking = tuple(epsilon for epsilon in epsilons if not has(basis.key(rule, epsilon)))
        if lacking:
            by_epsilons.setdefault(lacking, []).append(name)
    return {tuple(names): list(lacking) for lacking, names in by_epsilons.items()}


class _Work:
    """One pass over the data set: attacks that lack the same ε, measured together, batch by batch."""

    def __init__(
        self,
        detector: nn.Module,
        dataset: Labelled,
        rules: Mapping[str, Rule],
        epsilons: Sequence[float],
        basis: Basis,
        unfinished: Path,
        how: Mapping[str, Any],
    ):
        self.detector, self.dataset, self.rules, self.epsilons = detector, dataset, rules, epsilons
        self.basis = basis
        self.how = {"batch_size": 64, **how}
        self.numbers = range(-(-len(dataset) // self.how["batch_size"]))
        wanted = {name: [basis.key(rule, epsilon) for epsilon in epsilons] for name, rule in rules.items()}
        self.place = resume.begin(unfinished, json.dumps([wanted, self.how["batch_size"]]))

    def do(self, numbers: Sequence[int]) -> None:
        """Measure the batches with these numbers that are not finished."""
        done = resume.finished(self.place)
        lacking = [number for number in numbers if number not in done]
        if not lacking:
            return
        about: dict[str, Any] = {name: getattr(self.basis, name) for name in ("distance", "seed", "fold", "compiled")}
        run: Callable[..., Any] = measuring.batches
        with closing(
            run(self.detector, self.dataset, self.rules, self.epsilons, numbers=lacking, **about, **self.how)
        ) as parts:
            for number, part in zip(lacking, parts, strict=True):
                resume.keep(self.place, number, part)

    def take_in(self, folder: Path) -> None:
        """Keep what all batches found, a piece for each attack and ε."""
        found = resume.parts(self.place)
        expected = len(self.dataset) * len(self.rules) * len(self.epsilons)
        if len(found) != expected:
            raise InputError(
                f"{self.place} holds {len(found)} rows, where {len(self.dataset)} samples, {len(self.rules)} attacks "
                f"and {len(self.epsilons)} epsilons make {expected}; remove it and run again"
            )
        for names, rows in found.groupby(["attack", "epsilon"], sort=False):
            attack, epsilon = cast(tuple[str, float], names)
            piece = rows.reset_index(drop=True)
            piece.attrs = {"attacked": found.attrs["attacked"]}
            tables.write(folder / f"{self.basis.key(self.rules[attack], epsilon)}.parquet", piece)
