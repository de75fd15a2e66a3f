"""What the stages of a pair (data set, detector) do where the study leaves it out: next to nothing."""

from itertools import product
from pathlib import Path

from rrlib import files
from rrlib.study import paths
from rrlib.study.params import Study

ASKED, LEFT_OUT = "asked\n", "left out\n"  # what a pair's file in outputs/cells says


def is_left_out(study: Study, dataset: str, detector: str) -> bool:
    """Whether the study has both names and measures no cell of the two together."""
    names = (dataset, detector)
    return dataset in study.datasets and detector in study.half(dataset).detectors and names not in study.pairs()


def leave_empty(place: Path) -> None:
    """What a stage makes of a pair that is left out, as DVC wants to see something: an empty file, or folder."""
    if place.suffix:
        files.write_text(place, "")
    else:
        files.mark(place)


def write_asked(study: Study) -> None:
    """outputs/cells: a file for each data set and detector that says whether it is asked for, for stages to rest on.

    So a change of `cells` makes those pairs stale that it means, and no others.
    """
    files.remove(paths.CELLS)
    files.mark(paths.CELLS)
    for half in (study.image, study.video):
        for dataset, detector in product(half.datasets, half.detectors):
            said = LEFT_OUT if is_left_out(study, dataset, detector) else ASKED
            files.write_text(paths.CELLS / dataset / f"{detector}.txt", said)


def spared(study: Study) -> dict[tuple[str, str], list[str]]:
    """By (data set, detector) the attacks, noise apart, that it is spared and another detector there is not.

    Its worst case is over fewer attacks than theirs.
    """
    found = {}
    for dataset, detector in study.pairs():
        half = study.half(dataset)
        of_others = {cell.attack for cell in half.cells() if cell.dataset == dataset}
        lacking = [name for name in half.attacks if name in of_others - half.attacks_on(dataset, detector).keys()]
        if harmful := [name for name in lacking if half.attacks[name].adversarial]:
            found[dataset, detector] = harmful
    return found
