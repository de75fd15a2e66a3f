"""How many samples a study has, and how often each cell asks its detector; all counted, nothing run."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rrlib.attacks import Rule
from rrlib.datasets import manifest
from rrlib.evaluation import Madry, Recipe, Trades
from rrlib.sources import OUTPUTS, Source, owner
from rrlib.study import Study, dataset_folder

# of a detector's own gradient with respect to pixels; one with respect to weights as well costs half as much again
TRAINING_STEP = 1.5


@dataclass(frozen=True)
class Samples:
    """How many samples each split has, and where the numbers are from; estimates unless `exact`."""

    train: int
    validation: int
    test: int
    origin: str
    exact: bool = False


@dataclass(frozen=True)
class Asked:
    """Gradients and forwards, of samples."""

    gradients: float
    forwards: float

    def __add__(self, other: "Asked") -> "Asked":
        return Asked(self.gradients + other.gradients, self.forwards + other.forwards)

    def times(self, count: float) -> "Asked":
        """As often for each of so many."""
        return Asked(self.gradients * count, self.forwards * count)


NOTHING = Asked(0, 0)


def asked_by(rule: Rule, epsilons: tuple[float, ...]) -> Asked | None:
    """What one sample of a cell costs: the rule's own work, and a look at the sample clean and at each ε > 0.

    None where the rule cannot say.

    >>> from rrlib.attacks import rule
    >>> asked_by(rule("pgd", steps=10), (0, 0.01, 0.1))
    Asked(gradients=20, forwards=3)
    """
    attacked = sum(epsilon > 0 for epsilon in epsilons)
    work = rule.work(attacked)
    return None if work is None else Asked(work.gradients, work.forwards + attacked + 1)


def asked_by_training(recipe: Recipe, samples: Samples) -> Asked:
    """What training costs: a step on every training sample, a forward on every validation sample, epoch by epoch.

    A step counts as one and a half gradients with respect to pixels. Each epoch adversarial training attacks every
    second training sample (`madry`), or every one, and learns from it clean and attacked (`trades`); and it attacks
    every validation sample.
    """
    match recipe.adversarial:
        case Trades(steps=steps, beta=beta) if beta > 0:
            train = Asked(2 * TRAINING_STEP + steps, 1)
        case Madry(steps=steps):
            train = Asked(TRAINING_STEP + steps / 2, 0)
        case _:
            train = Asked(TRAINING_STEP, 0)
    train = train.times(samples.train)
    steps = recipe.adversarial.steps if recipe.adversarial else 0
    validation = Asked(steps, 2 if steps else 1).times(samples.validation)
    return (train + validation).times(recipe.epochs)


def samples_of(study: Study, dataset: str) -> Samples | None:
    """From what was prepared, else from the lines of the study, else from what was published, else by counting files.

    None where nothing says how many there are.
    """
    entry = study.datasets[dataset]
    prepared = dataset_folder(dataset) / manifest.NAME
    if prepared.is_file():
        split = pd.read_csv(prepared, usecols=["split"], dtype=str)["split"].value_counts()
        return Samples(*(int(split.get(name, 0)) for name in manifest.SPLITS), "prepared", exact=True)
    if entry.drawn:
        drawn = getattr(entry, entry.noun)
        return Samples(*(drawn.get(name, 0) for name in manifest.SPLITS), "drawn", exact=True)
    per_source = entry.frames_each if entry.of_frames else 1
    source = owner(entry.source, study.sources.values())
    if source and source.counts:
        return _published(source, per_source)
    path = Path(entry.source)
    if source and source.folder and not path.exists():  # a fetch will link it
        path = source.folder / path.relative_to(OUTPUTS / source.name)
    return _counted(path, per_source, videos=entry.noun != "images")


def _published(source: Source, per_source: int) -> Samples:
    counts = source.counts
    whole = counts["real"] + counts["fake"]
    test = counts.get("test", round(whole * manifest.FRACTIONS["test"]))
    share = manifest.FRACTIONS["validation"] / (1 - manifest.FRACTIONS["test"])
    validation = counts.get("validation", round((whole - test) * share))
    parts = (whole - test - validation, validation, test)
    origin = f"published: {counts['real']} real, {counts['fake']} fake"
    if per_source > 1:
        origin += f", {per_source} frames of each"
    return Samples(*(part * per_source for part in parts), origin)


def _counted(source: Path, per_source: int, videos: bool) -> Samples | None:
    """The files of a folder, or the rows of its table; of clips, a folder that holds no folder is one."""
    if not source.exists():
        return None
    table = source if source.is_file() else source / manifest.NAME
    if table.is_file():
        split = manifest.read_text(table)
        if "split" in split:
            counts = split["split"].value_counts()
            return Samples(*(int(counts.get(name, 0)) * per_source for name in manifest.SPLITS), "listed", exact=True)
        whole, origin = len(split), "listed, dealt out"
    else:
        whole, origin = _files(source, videos), "files there, dealt out"
    return Samples(*(round(whole * per_source * share) for share in manifest.FRACTIONS.values()), origin)


def _files(source: Path, videos: bool) -> int:
    count = 0
    for _, _, names in os.walk(source, followlinks=True):
        pictures = sum(name.lower().endswith((".png", ".jpg", ".jpeg")) for name in names)
        count += (bool(pictures) + len(names) - pictures) if videos else pictures
    return count
