"""A detector as params.yaml names it: an architecture, and where its weights come from."""

import re
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from rrlib import entries
from rrlib.detectors import PRECISIONS, built_in
from rrlib.detectors import catalogue as detectors
from rrlib.errors import InputError
from rrlib.evaluation import METHODS, Adversarial, Augmentation, Recipe
from rrlib.sources import Source, awaited

# No machine does more; who writes more has slipped: pixels of a side, and any whole number of a recipe or an attack
# (epochs, steps, restarts).
LARGEST_SIZE, MOST_OFTEN = 16_384, 1_000_000


@dataclass(frozen=True)
class Detector:
    """One line of `detectors`: an architecture that is trained by `training`, whose `weights` are given, or that brings
    its own (`hub:`, `python:`). With both, training begins at those weights. `labels` says which label names of a hub's
    model are real and fake, or in which order the classes of a file of weights stand; `calibrate` whether weights that
    were not trained here get a temperature from the validation split; `precision` in which numbers it is measured, see
    `detectors.InDouble`."""

    architecture: str
    input_size: int
    seed: int
    training: Recipe | None
    weights: Path | None
    sha256: str | None
    labels: dict[str, str] | tuple[str, ...] | None = None
    calibrate: bool = True
    precision: str = "single"

    @property
    def as_given(self) -> Path | None:
        """The file of weights that is measured as it is; None where training makes or changes them."""
        return None if self.training else self.weights


def model_awaited(architecture: object, sources: Iterable[Source]) -> Source | None:
    """The source that will bring the folder of a `hub:` architecture; None if it is there, or none will."""
    if not isinstance(architecture, str) or not architecture.startswith(detectors.HUB):
        return None
    return awaited(architecture.removeprefix(detectors.HUB), sources)


def read_detector(name: str, entry: object, where: str, sources: Iterable[Source]) -> Detector:
    """Check the lines of a detector; raises InputError, beginning with `where`. What `sources` bring may be absent."""
    optional = ("seed", "training", "weights", "sha256", "labels", "calibrate", "precision")
    found = entries.mapping(entry, where, required=("architecture", "input_size"), optional=optional)
    architecture = found["architecture"]
    given = "training" in found or "weights" in found
    if not given and not detectors.architecture(architecture, f"{where}.architecture: ").brings_weights:
        raise InputError(
            f"{where}: give training (how to train it), weights (a file with its sha256), or both, to train on from a "
            "file's weights"
        )
    if ("weights" in found) != ("sha256" in found):
        raise InputError(f"{where}: weights and sha256 go together; `sha256sum FILE` prints what to write")
    size = entries.whole(found["input_size"], f"{where}.input_size", 1, LARGEST_SIZE)
    labels = found.get("labels")
    if labels is not None and isinstance(architecture, str) and built_in(architecture):
        labels = _order(labels, where, "weights" in found)
    if not model_awaited(architecture, sources):
        detectors.check(architecture, size, where, None if isinstance(labels, tuple) else labels)
    if "weights" in found:
        _check_weights(found, where, sources)
    return Detector(
        architecture=architecture,
        input_size=size,
        seed=entries.whole(found.get("seed", 0), f"{where}.seed", 0),
        training=_recipe(found["training"], where) if "training" in found else None,
        calibrate=_calibrate(found, where),
        precision=entries.choice(found.get("precision", "single"), PRECISIONS, f"{where}.precision"),
        weights=Path(found["weights"]) if "weights" in found else None,
        sha256=found.get("sha256"),
        labels=labels,
    )


def _calibrate(entry: dict[str, Any], where: str) -> bool:
    if "calibrate" in entry and "training" in entry:
        raise InputError(
            f"{where}: calibrate is for weights that are given; what is trained is calibrated, so leave it out"
        )
    return entries.switch(entry.get("calibrate", True), f"{where}.calibrate")


def _order(labels: object, where: str, weights: bool) -> tuple[str, ...]:
    """The classes of a file of weights, in the order of the numbers that they had in its training."""
    if not weights:
        raise InputError(f"{where}: labels is for given weights and for {detectors.HUB} alone; leave it out")
    if labels not in (["real", "fake"], ["fake", "real"]):
        raise InputError(f"{where}: labels is {labels!r}; of given weights it is [real, fake] or [fake, real]")
    return tuple(labels)


def _check_weights(entry: dict[str, Any], where: str, sources: Iterable[Source]) -> None:
    weights, sha256 = entry["weights"], entry["sha256"]
    absent = isinstance(weights, str) and awaited(weights, sources)
    network = built_in(entry["architecture"]) if isinstance(entry["architecture"], str) else None
    if network and network.backbone and "training" not in entry and Path(str(weights)).suffix != ".safetensors":
        raise InputError(
            f"{where}: the published weights of {network.name} tell no fake from real yet; give training, too"
        )
    if not isinstance(weights, str) or not (absent or Path(weights).is_file()):
        raise InputError(f"{where}.weights: {weights} is not a file; give the path of a .safetensors, .pth or .h5")
    if absent and sha256 is None:  # nobody can know it before the file is there
        return
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise InputError(f"{where}.sha256 is {sha256!r}; `sha256sum {weights}` prints what to write")


def _recipe(entry: object, where: str) -> Recipe:
    given = dict(entries.mapping(entry, f"{where}.training", optional=tuple(Recipe.__dataclass_fields__)))
    entries.bounded(given, f"{where}.training", MOST_OFTEN)
    if given.get("adversarial") is not None:
        given["adversarial"] = _adversarial(given["adversarial"], f"{where}.training.adversarial")
    if given.get("augmentation") is not None:
        options = tuple(Augmentation.__dataclass_fields__)
        augmentation = entries.mapping(given["augmentation"], f"{where}.training.augmentation", optional=options)
        given["augmentation"] = entries.placed(f"{where}.training", Augmentation, **augmentation)
    return entries.placed(where, Recipe, **given)


def _adversarial(entry: object, where: str) -> Adversarial:
    if not isinstance(entry, dict) or "method" not in entry:
        raise InputError(f"{where} holds {entry!r}; give its method, {' or '.join(METHODS)}, and that method's options")
    method = METHODS[entries.choice(entry["method"], METHODS, f"{where}.method")]
    options = [field for field in fields(method) if field.init]
    needed = tuple(field.name for field in options if field.default is MISSING)
    optional = tuple(field.name for field in options if field.default is not MISSING)
    given = dict(entries.mapping(entry, where, ("method", *needed), optional))
    del given["method"]
    return entries.placed(where, partial(method, **given))
