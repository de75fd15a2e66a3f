"""The stage `dataset`: the samples of a data set, drawn or found, and their manifest."""

from pathlib import Path

from rrlib import datasets
from rrlib.study import paths
from rrlib.study.params import Study, known


def prepare_dataset(study: Study, dataset: str) -> None:
    """The validation and test samples of a data set, if they have to be made, and its manifest.

    Training samples that have to be drawn are drawn when something is trained, which the given checkpoints spare.
    """
    known(dataset, study.datasets, "data set")
    datasets.prepare(dataset, study.datasets[dataset].without_training(), paths.dataset_folder(dataset))


def prepare_training(study: Study, dataset: str) -> Path:
    """The folder in which the training samples of a data set lie, drawn now if they have to be."""
    definition = study.datasets[dataset]
    if definition.without_training() == definition:
        return paths.dataset_folder(dataset)
    folder = paths.training_folder(dataset)
    datasets.prepare(dataset, definition, folder)
    return folder
