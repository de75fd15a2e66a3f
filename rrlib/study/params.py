"""params.yaml as checked dataclasses."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rrlib import attacks, entries
from rrlib.attacks import Rule
from rrlib.datasets import Kind, definition
from rrlib.detectors import catalogue as detectors
from rrlib.devices import DEVICES
from rrlib.errors import InputError
from rrlib.evaluation import Cell, damage
from rrlib.metrics import functional
from rrlib.sources import Source
from rrlib.sources import catalogue as published
from rrlib.study import cells, defaults, paths
from rrlib.study.cells import PARTS
from rrlib.study.detector import MOST_OFTEN, Detector, model_awaited, read_detector

PARAMS = Path("params.yaml")
PROMISE = {"budget": (0, 1), "confidence": (0.5, 1)}  # of guardrails, and between which limits
# No machine does more; who writes more has slipped: samples of a batch, processes, cells of a study.
MOST_TOGETHER, MOST_WORKERS, MOST_CELLS = 1_000_000, 256, 100_000


@dataclass(frozen=True)
class Highlight:
    """The ε and the tolerance that figures single out, the attack that the start page quotes, and what guardrails
    promise: the share of all inputs that may be decided and then flipped, and the confidence that it is kept."""

    epsilon: float
    tolerance: float
    attack: str
    budget: float = 0.05
    confidence: float = 0.95


@dataclass(frozen=True)
class Half:
    """What is crossed with each other, by name: data sets of images, or of clips, with their detectors and attacks; but
    for the cells that the study leaves out (`rrlib.study.cells`)."""

    datasets: dict[str, Kind]
    detectors: dict[str, Detector]
    attacks: dict[str, Rule]
    left_out: frozenset[Cell] = frozenset()

    def cells(self) -> list[Cell]:
        """Every evaluation, in the order of params.yaml."""
        every = (Cell(*names) for names in product(self.datasets, self.detectors, self.attacks))
        return [cell for cell in every if cell not in self.left_out]

    def pairs(self) -> list[tuple[str, str]]:
        """Every (data set, detector): one checkpoint each."""
        return [pair for pair in product(self.datasets, self.detectors) if self.attacks_on(*pair) or not self.attacks]

    def attacks_on(self, dataset: str, detector: str) -> dict[str, Rule]:
        """The attacks on a detector and a data set of this half, by name."""
        return {name: rule for name, rule in self.attacks.items() if Cell(dataset, detector, name) not in self.left_out}


@dataclass(frozen=True)
class Study:
    """What is evaluated. Epsilons are pixel units in [0, 1], tolerances are shifts ≥ 0.

    `sources` are fetched first: entries of data/catalogue.yaml, by name, as the study changes them. With `retrain` no
    checkpoint is taken that the repository gives. `damage` are severities by kind of ordinary damage.
    """

    seed: int
    device: str
    batch_size: int
    workers: int
    fold: bool
    compiled: bool
    retrain: bool
    distance: str
    epsilons: tuple[float, ...]
    tolerances: tuple[float, ...]
    highlight: Highlight
    sources: dict[str, Source]
    image: Half
    video: Half
    damage: dict[str, tuple[float, ...]] = field(default_factory=lambda: dict(damage.USUAL))
    threshold: float | str | dict[str, float] = 0.5  # a number, "eer", or {"fpr": share}: of P(fake), see `thresholds`

    @property
    def datasets(self) -> dict[str, Kind]:
        """The data sets of both halves."""
        return self.image.datasets | self.video.datasets

    @property
    def detectors(self) -> dict[str, Detector]:
        """The detectors of both halves."""
        return self.image.detectors | self.video.detectors

    @property
    def of_frames(self) -> list[str]:
        """The data sets whose images are frames of videos."""
        return [name for name, entry in self.image.datasets.items() if entry.of_frames]

    def half(self, dataset: str) -> Half:
        """The half that a data set belongs to."""
        return self.video if dataset in self.video.datasets else self.image

    def cells(self) -> list[Cell]:
        """Every evaluation: those of images, then those of clips."""
        return self.image.cells() + self.video.cells()

    def pairs(self) -> list[tuple[str, str]]:
        """Every (data set, detector) of both halves."""
        return self.image.pairs() + self.video.pairs()


def load(path: Path = PARAMS) -> Study:
    """Read and check a study; nothing is run. Raises InputError with the key, what was found and what is allowed.

    A file of another name than params.yaml may leave out what `defaults.completed` knows.

    What a source of the study will bring need not be there yet; it is checked when it is.
    """
    where = str(path)
    read = entries.read(path)
    own = tuple(name for name in Study.__dataclass_fields__ if name != "image")
    given = entries.mapping(read, where, optional=(*own, *PARTS, "cells"))
    if Path(path).name == PARAMS.name:
        _check_complete(given, where)
    else:
        given = defaults.completed(given)
    sources = published.chosen(given["sources"], f"{where}: sources", Path(path).parent)
    attacks.check_epsilons(given["epsilons"], f"{where}: epsilons")
    video = entries.mapping(given["video"], f"{where}: video", required=PARTS)
    study = Study(
        seed=entries.whole(given["seed"], f"{where}: seed", 0),
        device=entries.choice(given["device"], DEVICES, f"{where}: device"),
        batch_size=entries.whole(given["batch_size"], f"{where}: batch_size", 1, MOST_TOGETHER),
        workers=entries.whole(given["workers"], f"{where}: workers", 0, MOST_WORKERS),
        fold=entries.switch(given["fold"], f"{where}: fold"),
        compiled=entries.switch(given["compiled"], f"{where}: compiled"),
        retrain=entries.switch(given["retrain"], f"{where}: retrain"),
        distance=entries.choice(given["distance"], functional.DISTANCES, f"{where}: distance"),
        epsilons=tuple(given["epsilons"]),
        tolerances=entries.tolerances(given["tolerances"], f"{where}: tolerances"),
        highlight=_highlight(given["highlight"], f"{where}: highlight"),
        sources=sources,
        threshold=_threshold(given["threshold"], f"{where}: threshold"),
        image=_half({name: given[name] for name in PARTS}, f"{where}: ", sources, video=False),
        video=_half(video, f"{where}: video.", sources, video=True),
        damage=_damage(given["damage"], f"{where}: damage"),
    )
    count = sum(len(half.datasets) * len(half.detectors) * len(half.attacks) for half in (study.image, study.video))
    if count > MOST_CELLS:
        raise InputError(f"{where}: {count} cells are asked for; {MOST_CELLS} are the most, so split the study")
    if not count:
        raise InputError(f"{where}: there is no data set with a detector and an attack; name at least one of each")
    _check_apart(study, where)
    study = _without_left_out(study, given["cells"], f"{where}: cells")
    _check_highlight(study, f"{where}: highlight")
    _check_damage(study, f"{where}: damage")
    return study


def _check_complete(given: dict[str, Any], where: str) -> None:
    """DVC reads params.yaml as it stands, so nothing may be left to be understood there."""
    if lacking := defaults.lacking(given):
        raise InputError(
            f"{where} lacks {', '.join(lacking)}; add it, or give the study a file of another name, which may leave it "
            "out, and run `python -m rrlib run --study FILE`"
        )


def _half(given: dict[str, Any], where: str, sources: dict[str, Source], video: bool) -> Half:
    """One half, whose data sets and detectors must all be for clips, or all for images."""
    read = partial(read_detector, sources=sources.values())
    half = Half(
        datasets=entries.named(given["datasets"], f"{where}datasets", _dataset),
        detectors=entries.named(given["detectors"], f"{where}detectors", read),
        attacks=entries.named(given["attacks"], f"{where}attacks", _attack),
    )
    for name, entry in half.datasets.items():
        _check_place(entry.modality == "video", video, f"{where}datasets.{name}")
    for name, detector in half.detectors.items():
        if source := model_awaited(detector.architecture, sources.values()):
            _check_place(source.media == "videos", video, f"{where}detectors.{name}")
            continue
        takes_clips = detectors.architecture(detector.architecture).modality == "video"
        _check_place(takes_clips, video, f"{where}detectors.{name}")
        _check_frames(detector.architecture, half.datasets, where, name)
    return half


def _check_place(takes_clips: bool, video: bool, where: str) -> None:
    if takes_clips and not video:
        raise InputError(f"{where} is for clips, but stands among what is for images; move it to video")
    if video and not takes_clips:
        raise InputError(f"{where} is for images, but stands among what is for clips; move it out of video")


def _check_frames(architecture: str, clips: dict[str, Kind], where: str, name: str) -> None:
    needed = detectors.architecture(architecture).frames
    for dataset, entry in clips.items():
        if needed is not None and entry.frames_each != needed:
            raise InputError(
                f"{where}detectors.{name} takes clips of {needed} frames, but the data set {dataset} "
                f"has {entry.frames_each}; write frames: {needed} there"
            )


def _check_apart(study: Study, where: str) -> None:
    """Results are told apart by the names of data set, detector and attack."""
    for part in ("datasets", "detectors"):
        both = getattr(study.image, part).keys() & getattr(study.video, part).keys()
        if both:
            raise InputError(f"{where}: {part} and video.{part} share the name {min(both)}; rename one")
    joined: dict[str, tuple[str, str]] = {}
    for pair in study.pairs():
        before = joined.setdefault("-".join(pair), pair)  # so DVC names the stages of a pair
        if before != pair:
            raise InputError(
                f"{where}: {' on '.join(reversed(before))} and {' on '.join(reversed(pair))} are both called "
                f"{'-'.join(pair)} where stages are named; rename one of the detectors or data sets"
            )
    for half in (study.image, study.video):
        if "detector" in half.attacks:  # the page of the detector itself lies beside those of its attacks
            raise InputError(f"{where}: attacks.detector is the name of a page already; rename the attack")
    for name in study.of_frames:
        if paths.videos_name(name) in study.datasets:
            raise InputError(f"{where}: {paths.videos_name(name)} is what the videos of {name} are called; rename one")


def _dataset(name: str, entry: object, where: str) -> Kind:
    entries.bounded(entry, where)
    return definition(where, entry)


def _threshold(value: object, where: str) -> float | str | dict[str, float]:
    """The probability of fake above which a detector says fake, or how it is chosen on the validation split."""
    share = value.get("fpr") if isinstance(value, dict) and list(value) == ["fpr"] else value
    if value == "eer":
        return "eer"
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise InputError(f"{where} is {value!r}; it is a number in [0, 1], eer, or {{fpr: a number in [0, 1]}}")
    return {"fpr": float(share)} if isinstance(value, dict) else float(share)


def _attack(name: str, entry: object, where: str) -> Rule:
    if not isinstance(entry, dict) or not isinstance(entry.get("rule"), str):
        raise InputError(f"{where} holds {entry!r}; give its rule, such as pgd, and that rule's options")
    options = {key: value for key, value in entry.items() if key != "rule"}
    entries.bounded(options, where, MOST_OFTEN)
    try:
        return entries.placed(where, attacks.rule, entry["rule"], **options)
    except TypeError as error:
        raise InputError(f"{where}: {entry['rule']} cannot take {options!r} ({error}); correct its options") from None


def _damage(value: object, where: str) -> dict[str, tuple[float, ...]]:
    """Severities by kind; the usual ones where nothing is said."""
    if value is None:
        return dict(damage.USUAL)
    given = entries.mapping(value, where, optional=tuple(damage.KINDS))
    return {kind: damage.checked(kind, severities, f"{where}.{kind}") for kind, severities in given.items()}


def _highlight(value: object, where: str) -> Highlight:
    given = entries.mapping(value, where, required=("epsilon", "tolerance", "attack"), optional=tuple(PROMISE))
    for name, (low, high) in PROMISE.items():
        share = given.get(name, high)
        if name in given and (isinstance(share, bool) or not isinstance(share, int | float) or not low < share < high):
            raise InputError(f"{where}.{name} is {share!r}; it is a number between {low:g} and {high:g}")
    attacks.check_epsilons([given["epsilon"]], f"{where}.epsilon")
    tolerance = entries.tolerance(given["tolerance"], f"{where}.tolerance")
    promise = {name: float(given[name]) for name in PROMISE if name in given}
    return Highlight(given["epsilon"], tolerance, given["attack"], **promise)


def _without_left_out(study: Study, given: object, where: str) -> Study:
    halves = (study.image, study.video)
    names = [[list(getattr(half, part)) for part in PARTS] for half in halves]
    out = cells.left_out(given, names, where)
    image, video = (replace(half, left_out=each) for half, each in zip(halves, out, strict=True))
    return replace(study, image=image, video=video)


def _check_highlight(study: Study, where: str) -> None:
    entries.choice(study.highlight.epsilon, study.epsilons, f"{where}.epsilon")
    attack = study.highlight.attack
    for half in (study.image, study.video):
        if not half.cells():
            continue
        entries.choice(attack, half.attacks, f"{where}.attack")
        for pair in half.pairs():
            if attack not in half.attacks_on(*pair):
                raise InputError(
                    f"{where}.attack is {attack}, but cells leaves {'/'.join(pair)}/{attack} out; leave out all of "
                    f"{'/'.join(pair)}, keep that cell, or single out another attack"
                )


def _check_damage(study: Study, where: str) -> None:
    """Each half that has detectors has a kind of damage that its samples can suffer."""
    for half, what in ((study.image, "images"), (study.video, "clips")):
        allowed = [name for name, kind in damage.KINDS.items() if what == "clips" or not kind.clips_only]
        if half.pairs() and not set(study.damage) & set(allowed):
            raise InputError(f"{where} names no kind for {what}; choose from {', '.join(allowed)}")


def known(name: str, allowed: Iterable[str], what: str) -> None:
    """Raise InputError, with what is allowed, unless the study has that name."""
    if name not in allowed:
        raise InputError(f"{what} {name} is not in params.yaml; choose from {', '.join(allowed)}")
