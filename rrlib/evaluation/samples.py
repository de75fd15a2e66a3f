"""What a person has at hand, tensors, a data set or a loader, as the labelled samples that an evaluation reads."""

from collections.abc import Callable, Sequence, Sized
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from rrlib.errors import InputError


class Labelled(Protocol):
    """Samples (pixels, label 0 or 1, number), asked for by number, and a `table` of their names and groups."""

    @property
    def table(self) -> pd.DataFrame:
        """Columns `sample` and `group`, a row for each sample, in their order."""
        ...

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[torch.Tensor, int, int]: ...


class _Numbered(Dataset[tuple[torch.Tensor, int, int]]):
    """Samples without names: each is called by its number, and is a group of its own."""

    def __init__(self, count: int, item: Callable[[int], tuple[Any, Any]]) -> None:
        names = [f"{number}" for number in range(count)]
        self.table = pd.DataFrame({"sample": names, "group": names})
        self._item = item

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        x, label = self._item(index)
        return torch.as_tensor(x), int(label), index


def labelled(data: object) -> Labelled:
    """`data` as samples (pixels, label, number) with a `table` of their names and groups, one row each.

    Data sets of this project have all that. Taken besides, each sample then a group of its own: a pair (images, labels)
    of tensors or arrays; a data set of (image, label), such as a TensorDataset; a DataLoader of one, whose order and
    batches do not matter, but whose collate function is applied. Raises InputError for anything else.

    >>> x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    >>> labelled((x, y)).table["sample"].tolist()
    ['0', '1', '2', '3']
    >>> labelled(torch.utils.data.TensorDataset(x, y))[1][1]
    1
    """
    if isinstance(getattr(data, "table", None), pd.DataFrame):
        return cast(Labelled, data)
    if isinstance(data, DataLoader):
        return _of_loader(data)
    if (
        isinstance(data, tuple | list)
        and len(data) == 2
        and all(isinstance(part, torch.Tensor | np.ndarray) for part in data)
    ):
        x, labels = data
        if len(x) != len(labels):
            raise InputError(f"{len(x)} images and {len(labels)} labels are given; give one label for each image")
        return _Numbered(len(x), lambda index: (x[index], labels[index]))
    if isinstance(data, Dataset) and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        _check_pair(data[0], "the data set")
        return _Numbered(len(cast(Sized, data)), lambda index: data[index][:2])
    raise InputError(
        f"a {type(data).__name__} is given as data; give (images, labels), a data set of (image, label) with a length, "
        "or a DataLoader of one"
    )


def _of_loader(loader: DataLoader[Any]) -> Labelled:
    dataset = loader.dataset
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise InputError(
            "the DataLoader reads a stream; give one of a data set whose samples can be asked for by number"
        )
    if isinstance(getattr(dataset, "table", None), pd.DataFrame):
        return cast(Labelled, dataset)

    def item(index: int) -> tuple[Any, Any]:
        batch = loader.collate_fn([dataset[index]])
        _check_pair(batch, "the DataLoader")
        return batch[0][0], batch[1][0]

    item(0)
    return _Numbered(len(cast(Sized, dataset)), item)


def _check_pair(item: object, where: str) -> None:
    if not isinstance(item, Sequence) or len(item) < 2:
        raise InputError(f"{where} gives a {type(item).__name__}; each sample is a pair (image, label)")
