"""How many samples a study has, and how often measuring and training call a detector; all counted, nothing run."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rrlib.attacks import Rule, work_together
from rrlib.datasets import Synthetic, SyntheticClips, manifest
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
class Calls:
    """How often a detector is called: gradients and forwards, each of one sample. `at_most`: some may be spared."""

    gradients: float
    forwards: float
    at_most: bool = False

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(self.gradients + other.gradients, self.forwards + other.forwards, self.at_most or other.at_most)

    def times(self, count: float) -> "Calls":
        """As often for each of so many samples."""
        return Calls(self.gradients * count, self.forwards * count, self.at_most)


NONE = Calls(0, 0)


def calls_of_attacks(rules: Collection[Rule], epsilons: Sequence[float], fold: bool) -> Calls | None:
    """What one sample costs under attacks that are measured together; None where one of them cannot say.

    Their own gradients and forwards, shared where they can be (`attacks.work_together`), and then what the detector
    says of the images of each attack at each ε > 0, and of the clean one. The clean one is spared where an attack asks
    for the clean gradient of the detector itself; with `fold` it asks that of a folded copy.

    >>> from rrlib.attacks import rule
    >>> calls_of_attacks([rule("fgsm"), rule("pgd", steps=10), rule("cw", steps=10)], (0, 0.01, 0.1), fold=True)
    Calls(gradients=21, forwards=7, at_most=False)
    """
    attacked = sum(epsilon > 0 for epsilon in epsilons)
    if not attacked:
        return Calls(0, 1)
    work = work_together(rules, attacked)
    if work is None:
        return None
    clean = 0 if work.clean and not fold else 1
    return Calls(work.gradients, work.forwards + len(rules) * attacked + clean, work.at_most)


def calls_of_training(recipe: Recipe, samples: Samples) -> Calls:
    """What training costs: a step on every training sample, a forward on every validation sample, epoch by epoch.

    A step counts as one and a half gradients with respect to pixels. Each epoch adversarial training attacks every
    second training sample (`madry`), or every one, and learns from it clean and attacked (`trades`); and it attacks
    every validation sample.
    """
    match recipe.adversarial:
        case Trades(steps=steps, beta=beta) if beta > 0:
            train = Calls(2 * TRAINING_STEP + steps, 1)
        case Madry(steps=steps):
            train = Calls(TRAINING_STEP + steps / 2, 0)
        case _:
            train = Calls(TRAINING_STEP, 0)
    train = train.times(samples.train)
    steps = recipe.adversarial.steps if recipe.adversarial else 0
    validation = Calls(steps, 2 if steps else 1).times(samples.validation)
    return (train + validation).times(recipe.epochs)


def samples_of(study: Study, dataset: str) -> Samples | None:
    """From what was prepared, else from the lines of the study, else from what was published, else by counting files.

    None where nothing says how many there are.
    """
    entry = study.datasets[dataset]
    prepared = dataset_folder(dataset) / manifest.NAME
    if prepared.is_file():
        return _of_splits(_counts(pd.read_csv(prepared, usecols=["split"], dtype=str)), "prepared")
    if isinstance(entry, Synthetic):
        return _of_splits(entry.images, "drawn")
    if isinstance(entry, SyntheticClips):
        return _of_splits(entry.clips, "drawn")
    if entry.source is None:
        return None
    per_source = entry.frames_each if entry.of_frames else 1
    source = owner(entry.source, study.sources.values())
    if source and source.counts:
        return _published(source, per_source)
    path = Path(entry.source)
    if source and source.folder and not path.exists():  # a fetch will link it
        path = source.folder / path.relative_to(OUTPUTS / source.name)
    return _counted(path, per_source, videos=entry.noun != "images")


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {str(split): int(count) for split, count in table["split"].value_counts().items()}


def _of_splits(counts: Mapping[str, int], origin: str, times: int = 1) -> Samples:
    """Samples that are known exactly."""
    train, validation, test = (counts.get(name, 0) * times for name in manifest.SPLITS)
    return Samples(train, validation, test, origin, exact=True)


def _published(source: Source, per_source: int) -> Samples:
    counts = source.counts
    whole = counts["real"] + counts["fake"]
    test = counts.get("test", round(whole * manifest.FRACTIONS["test"]))
    share = manifest.FRACTIONS["validation"] / (1 - manifest.FRACTIONS["test"])
    validation = counts.get("validation", round((whole - test) * share))
    origin = f"published: {counts['real']} real, {counts['fake']} fake"
    if per_source > 1:
        origin += f", {per_source} frames of each"
    return Samples((whole - test - validation) * per_source, validation * per_source, test * per_source, origin)


def _counted(source: Path, per_source: int, videos: bool) -> Samples | None:
    """The files of a folder, or the rows of its table; of clips, a folder that holds no folder is one."""
    if not source.exists():
        return None
    table = source if source.is_file() else source / manifest.NAME
    if table.is_file():
        split = manifest.read_text(table)
        if "split" in split:
            return _of_splits(_counts(split), "listed", per_source)
        whole, origin = len(split), "listed, dealt out"
    else:
        whole, origin = _files(source, videos), "files there, dealt out"
    train, validation, test = (round(whole * per_source * share) for share in manifest.FRACTIONS.values())
    return Samples(train, validation, test, origin)


def _files(source: Path, videos: bool) -> int:
    count = 0
    for _, _, names in os.walk(source, followlinks=True):
        pictures = sum(name.lower().endswith((".png", ".jpg", ".jpeg")) for name in names)
        count += (bool(pictures) + len(names) - pictures) if videos else pictures
    return count
