"""Where the stages put what they make, by the names of params.yaml."""

from pathlib import Path

from rrlib.evaluation import Cell

OUTPUTS = Path("outputs")
VIDEOS = OUTPUTS / "videos"


def dataset_folder(dataset: str) -> Path:
    """Where the prepared data set lies."""
    return OUTPUTS / "datasets" / dataset


def checkpoint_path(dataset: str, detector: str) -> Path:
    """Where the detector trained on that data set lies."""
    return OUTPUTS / "checkpoints" / dataset / f"{detector}.safetensors"


def unfinished_folder(cell: Cell) -> Path:
    """Where the finished batches of the cell lie until its table is whole."""
    return OUTPUTS / "unfinished" / cell.dataset / cell.detector / cell.attack


def table_path(cell: Cell) -> Path:
    """Where the cell's result table lies."""
    return OUTPUTS / "tables" / cell.dataset / cell.detector / f"{cell.attack}.parquet"


def videos_path(cell: Cell) -> Path:
    """Where the result table of the videos lies whose frames are the cell's samples."""
    return VIDEOS / cell.dataset / cell.detector / f"{cell.attack}.parquet"


def videos_name(dataset: str) -> str:
    """What the videos of a data set of frames are called where data sets are.

    >>> videos_name("talks")
    'talks-videos'
    """
    return f"{dataset}-videos"
