"""Time, memory and disk of a study: what is counted in `work`, times what is measured in `clock`."""

import resource
import sys
from dataclasses import dataclass

from rrlib.datasets import SIZE, Kind
from rrlib.evaluation import Cell
from rrlib.plan.clock import Pace
from rrlib.plan.missing import download
from rrlib.plan.work import NOTHING, Asked, Samples, asked_by, asked_by_training
from rrlib.sources import OUTPUTS, is_here
from rrlib.study import Study

# bytes of a row of a result table, in batches of 128 images and of 16 clips: measured on the default study
IMAGE_ROW, CLIP_ROW = 25, 47
# of the raw size of pixels: lossless images and videos of the default study take less, noisy photographs more
LOSSLESS = 0.6
# what a sweep adds to what can be counted: fitted to the peaks of six architectures on a processor, within 80 MB
BESIDE, FACTOR = 150e6, 1.35
COPIES = 6  # of a batch, beside what the detector keeps: clean, attacked, two bounds, direction, gradient


@dataclass(frozen=True)
class Cost:
    """Of a data set with a detector: what it asks, and seconds; None where nobody knows."""

    asked: Asked | None
    seconds: float | None


def of_training(study: Study, dataset: str, detector: str, samples: Samples | None, pace: Pace | str) -> Cost:
    """The cost of one checkpoint; nothing where weights are given."""
    recipe = study.detectors[detector].training
    if recipe is None:
        return Cost(NOTHING, 0)
    return _cost(samples and asked_by_training(recipe, samples), pace)


def of_cells(study: Study, cells: list[Cell], samples: Samples | None, pace: Pace | str) -> Cost:
    """The cost of some cells of one data set and one detector."""
    each = [asked_by(study.half(cell.dataset).attacks[cell.attack], study.epsilons) for cell in cells]
    if samples is None or None in each:
        return Cost(None, None)
    return _cost(sum(each, NOTHING).times(samples.test), pace)


def _cost(asked: Asked | None, pace: Pace | str) -> Cost:
    if asked is None or isinstance(pace, str):
        return Cost(asked, None)
    return Cost(asked, asked.gradients * pace.gradient + asked.forwards * pace.forward)


def memory(study: Study, detector: str, frames: int, pace: Pace, held: int) -> float:
    """Bytes of one evaluation or, where that is more, training.

    `held`, what a process holds without it, and `BESIDE`; then, `FACTOR` times, the weights thrice (the detector, the
    copy that is attacked, what loads them) and for each sample of a batch what a gradient keeps and some copies of it.
    """
    entry = study.detectors[detector]
    together = max(1, study.batch_size // (frames or 1))
    if entry.training:
        together = max(together, entry.training.batch_size)
    pixels = 4 * 3 * entry.input_size**2 * (frames or 1)
    return held + BESIDE + FACTOR * (3 * pace.weights + together * (pace.kept + COPIES * pixels))


def resident() -> int:
    """The most bytes that this process has held in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def downloads(study: Study) -> tuple[float, list[str]]:
    """Bytes of the sources that are not here, and the names of those whose size is not known."""
    absent = [source for source in study.sources.values() if not is_here(source, OUTPUTS / source.name)]
    sizes = {source.name: download(source) for source in absent if not source.folder}
    return sum(size or 0 for size in sizes.values()), [name for name, size in sizes.items() if size is None]


def prepared(entry: Kind, samples: Samples) -> float:
    """Bytes of the images or videos that a data set writes; none where it takes them as they lie."""
    crop = getattr(entry, "crop", None)
    if not entry.drawn and crop is None:
        return 0
    side = getattr(entry, "size", (crop or {}).get("size", SIZE))
    frames = entry.frames_each if entry.modality == "video" else 1
    count = samples.train + samples.validation + samples.test
    return LOSSLESS * 3 * side**2 * frames * count


def tables(study: Study, cells: list[Cell], samples: dict[str, Samples | None]) -> float:
    """Bytes of the result tables of some cells."""
    total = 0.0
    for cell in cells:
        known = samples[cell.dataset]
        row = CLIP_ROW if study.half(cell.dataset) is study.video else IMAGE_ROW
        total += row * len(study.epsilons) * known.test if known else 0
    return total
