"""Time, memory and disk of a study: what is counted in `work`, times what is measured in `timing`."""

import resource
import sys
from dataclasses import dataclass

from rrlib.datasets import SIZE, Kind
from rrlib.evaluation import Cell
from rrlib.plan import done
from rrlib.plan.missing import download
from rrlib.plan.timing import Timing
from rrlib.plan.work import NONE, Calls, Samples, calls_of_attacks, calls_of_training
from rrlib.sources import OUTPUTS, is_here
from rrlib.study import Study, trains

# bytes of a row of a result table, in batches of 128 images and of 16 clips: measured on the default study
IMAGE_ROW, CLIP_ROW = 25, 47
# of the raw size of pixels: lossless images and videos of the default study take less, noisy photographs more
LOSSLESS = 0.6
# what a sweep adds to what can be counted: fitted to the peaks of six architectures on a processor, within 80 MB
BESIDE, FACTOR = 150e6, 1.35
COPIES = 6  # of a batch, beside what the detector keeps: clean, attacked, two bounds, direction, gradient


@dataclass(frozen=True)
class Cost:
    """Of a data set with a detector: how often the detector is called, and seconds; None where nobody knows."""

    calls: Calls | None
    seconds: float | None


NOTHING = Cost(NONE, 0)


def of_training(study: Study, dataset: str, detector: str, samples: Samples | None, timing: Timing | str) -> Cost:
    """The cost of one checkpoint; nothing where it is there, given, or not trained here."""
    recipe = study.detectors[detector].training
    if recipe is None or not trains(study, dataset, detector):
        return NOTHING
    return _cost(calls_of_training(recipe, samples) if samples else None, timing)


def of_measuring(study: Study, dataset: str, detector: str, samples: Samples | None, timing: Timing | str) -> Cost:
    """The cost of all tables of one data set and one detector; nothing for what was measured before."""
    rules, calls = study.half(dataset).attacks_on(dataset, detector), NONE
    for names, epsilons in done.lacking(study, dataset, detector).items():
        of_group = calls_of_attacks([rules[name] for name in names], epsilons, study.fold)
        if of_group is None or samples is None:
            return Cost(None, None)
        calls += of_group.times(samples.test)
    return NOTHING if calls == NONE else _cost(calls, timing)


def _cost(calls: Calls | None, timing: Timing | str) -> Cost:
    if calls is None or isinstance(timing, str):
        return Cost(calls, None)
    return Cost(calls, calls.gradients * timing.gradient + calls.forwards * timing.forward)


def memory(study: Study, detector: str, frames: int, timing: Timing, resident: int) -> float:
    """Bytes of one evaluation or, where that is more, training.

    `resident`, what a process has in memory without it, and `BESIDE`; then, `FACTOR` times, the weights thrice (the
    detector, the copy that is attacked, what loads them) and for each sample of a batch the activations that a gradient
    keeps and some copies of the sample.
    """
    entry = study.detectors[detector]
    together = max(1, study.batch_size // (frames or 1))
    if entry.training:
        together = max(together, entry.training.batch_size)
    pixels = 4 * 3 * entry.input_size**2 * (frames or 1)
    return resident + BESIDE + FACTOR * (3 * timing.weights + together * (timing.activations + COPIES * pixels))


def resident() -> int:
    """The most bytes that this process has held in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def downloads(study: Study) -> tuple[float, list[str]]:
    """Bytes of the sources that are not here, and the names of those whose size is not known."""
    absent = [source for source in study.sources.values() if not is_here(source, OUTPUTS / source.name)]
    sizes = {source.name: download(source) for source in absent if not source.folder}
    return sum(size or 0 for size in sizes.values()), [name for name, size in sizes.items() if size is None]


def prepared(entry: Kind, samples: Samples, trained_on: bool) -> float:
    """Bytes of the images or videos that a data set writes; none where it takes them as they lie.

    What is drawn is drawn without its training split, and whole in another folder where a detector is `trained_on` it.
    """
    crop = getattr(entry, "crop", None)
    if not entry.drawn and crop is None:
        return 0
    side = getattr(entry, "size", (crop or {}).get("size", SIZE))
    frames = entry.frames_each if entry.modality == "video" else 1
    count = samples.train + samples.validation + samples.test
    if entry.drawn:
        count = samples.validation + samples.test + (count if trained_on else 0)
    return LOSSLESS * 3 * side**2 * frames * count


def tables(study: Study, cells: list[Cell], samples: dict[str, Samples | None]) -> float:
    """Bytes of the result tables of some cells."""
    total = 0.0
    for cell in cells:
        known = samples[cell.dataset]
        row = CLIP_ROW if study.half(cell.dataset) is study.video else IMAGE_ROW
        total += row * len(study.epsilons) * known.test if known else 0
    return total
