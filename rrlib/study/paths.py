"""Where the stages put what they make, by the names of params.yaml."""

from pathlib import Path

from rrlib.evaluation import Cell

DATA = Path("data")
OUTPUTS = Path("outputs")
GIVEN = DATA / "checkpoints"
RESULTS = OUTPUTS / "results"
TABLES = OUTPUTS / "tables"
NOTEBOOKS = OUTPUTS / "notebooks"
MEASURED = OUTPUTS / "measured"
CELLS = OUTPUTS / "cells"


def dataset_folder(dataset: str) -> Path:
    """Where the prepared data set lies."""
    return OUTPUTS / "datasets" / dataset


def training_folder(dataset: str) -> Path:
    """Where the whole of a drawn data set lies once something was trained on it."""
    return OUTPUTS / "training" / dataset


def training_note(dataset: str) -> Path:
    """Beside it: what the training samples were drawn from. With the suffix .lock, who draws them now."""
    return training_folder(dataset).with_name(f".{dataset}.txt")


def given_path(dataset: str, detector: str) -> Path:
    """Where the checkpoint lies that the repository gives for a detector on a data set, if it gives one."""
    return GIVEN / dataset / f"{detector}.safetensors"


def trained_path(dataset: str, detector: str) -> Path:
    """Where `python -m rrlib train` puts what it trained."""
    return OUTPUTS / "trained" / dataset / f"{detector}.safetensors"


def checkpoint_path(dataset: str, detector: str) -> Path:
    """Where the detector lies that is measured on that data set."""
    return OUTPUTS / "checkpoints" / dataset / f"{detector}.safetensors"


def measured_folder(dataset: str, detector: str) -> Path:
    """Where all that was ever measured of a detector on a data set lies, by key; DVC knows nothing of it."""
    return MEASURED / dataset / detector


def unfinished_folder(dataset: str, detector: str) -> Path:
    """Where the finished batches of an interrupted measurement lie."""
    return OUTPUTS / "unfinished" / dataset / detector


def tables_folder(dataset: str, detector: str) -> Path:
    """Where the result tables of a detector on a data set lie, a file for each attack."""
    return TABLES / dataset / detector


def table_path(cell: Cell) -> Path:
    """Where the cell's result table lies."""
    return tables_folder(cell.dataset, cell.detector) / f"{cell.attack}.parquet"


def damage_path(dataset: str, detector: str) -> Path:
    """Where the table of a detector under ordinary damage lies."""
    return OUTPUTS / "damage" / dataset / f"{detector}.parquet"


def transfer_folder(dataset: str) -> Path:
    """Where the tables of transfer on a data set lie, a file for each source."""
    return OUTPUTS / "transfer" / dataset


def transfer_path(dataset: str, source: str) -> Path:
    """Where the table of one source's adversarial inputs lies, as all detectors see them."""
    return transfer_folder(dataset) / f"{source}.parquet"


def probe_path(dataset: str, detector: str) -> Path:
    """Where the few looks lie that tell whether the attacks on a detector can be trusted."""
    return OUTPUTS / "trust" / dataset / f"{detector}.json"


def results_path(modality: str) -> Path:
    """Where all tables of the study's images, or of its video, lie below each other in one file."""
    return RESULTS / f"{modality}.parquet"


def dataset_page(dataset: str) -> Path:
    """The executed notebook about a data set."""
    return NOTEBOOKS / "datasets" / f"{dataset}.ipynb"


def detector_pages(dataset: str, detector: str) -> Path:
    """The folder of the executed notebooks about a detector on a data set."""
    return NOTEBOOKS / "detectors" / dataset / detector


def detector_page(dataset: str, detector: str) -> Path:
    """The executed notebook about how a detector was made."""
    return detector_pages(dataset, detector) / "detector.ipynb"


def evaluation_page(cell: Cell) -> Path:
    """The executed notebook about a detector under one attack."""
    return detector_pages(cell.dataset, cell.detector) / f"{cell.attack}.ipynb"


def videos_name(dataset: str) -> str:
    """What the videos of a data set of frames are called where data sets are.

    >>> videos_name("talks")
    'talks-videos'
    """
    return f"{dataset}-videos"
