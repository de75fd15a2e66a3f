"""The stage `dataset`: the samples of a data set, drawn or found, and their manifest."""

from dataclasses import replace
from pathlib import Path

from rrlib import datasets
from rrlib.datasets import Kind, Synthetic, SyntheticClips
from rrlib.study import paths
from rrlib.study.params import Study, known


def prepare_dataset(study: Study, dataset: str) -> None:
    """The validation and test samples of a data set, if they have to be made, and its manifest.

    Training samples that have to be drawn are drawn when something is trained, which the given checkpoints spare.
    """
    known(dataset, study.datasets, "data set")
    datasets.prepare(dataset, without_training(study.datasets[dataset]), paths.dataset_folder(dataset))


def prepare_training(study: Study, dataset: str) -> Path:
    """The folder in which the training samples of a data set lie, drawn now if they have to be."""
    definition = study.datasets[dataset]
    if without_training(definition) == definition:
        return paths.dataset_folder(dataset)
    folder = paths.training_folder(dataset)
    datasets.prepare(dataset, definition, folder)
    return folder


def without_training(definition: Kind) -> Kind:
    """A definition whose samples are drawn, without its training split; any other as it is."""
    if isinstance(definition, Synthetic):
        return replace(definition, images=_tested(definition.images))
    if isinstance(definition, SyntheticClips):
        return replace(definition, clips=_tested(definition.clips))
    return definition


def _tested(counts: dict[str, int]) -> dict[str, int]:
    return {split: count for split, count in counts.items() if split != "train"}
