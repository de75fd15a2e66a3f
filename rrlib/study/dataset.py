"""The stage `dataset`: the samples of a data set, drawn or found, and their manifest."""

from pathlib import Path

from filelock import FileLock

from rrlib import datasets, files
from rrlib.evaluation import code
from rrlib.study import paths
from rrlib.study.params import Study, known


def prepare_dataset(study: Study, dataset: str) -> None:
    """The validation and test samples of a data set, if they have to be made, and its manifest.

    Training samples that have to be drawn are drawn when something is trained, which the given checkpoints spare.
    """
    known(dataset, study.datasets, "data set")
    datasets.prepare(dataset, study.datasets[dataset].without_training(), paths.dataset_folder(dataset))


def prepare_training(study: Study, dataset: str) -> Path:
    """The folder in which the training samples of a data set lie, drawn now if they have to be.

    Several detectors may be trained on it at once: one of them draws, and what was drawn as the study says stays.
    """
    definition = study.datasets[dataset]
    if definition.without_training() == definition:
        return paths.dataset_folder(dataset)
    folder, made = paths.training_folder(dataset), paths.training_note(dataset)
    folder.parent.mkdir(parents=True, exist_ok=True)
    drawn = f"{definition!r}\n{code.digest_of('datasets/catalogue.py')}\n"
    with FileLock(made.with_suffix(".lock")):
        if not (made.is_file() and made.read_text() == drawn and (folder / "manifest.csv").is_file()):
            made.unlink(missing_ok=True)
            datasets.prepare(dataset, definition, folder)
            files.write_text(made, drawn)
    return folder
