"""Fixtures that several test files share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from studies import clone, study, talks  # noqa: F401 (fixtures of tests/pipeline and tests/book)
from torch import nn
from torch.utils.data import Dataset

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes first, so that no worker ends with it while the others have nothing left to do."""
    items.sort(key=lambda item: "slow" not in item.keywords)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads that share tensors as small as those of these tests only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real() -> Path:
    """Real detectors and faces, which lie beside the project because they may not be part of it."""
    folder = REPOSITORY.parent / "shared" / "real"
    if not folder.is_dir():
        pytest.skip(f"no real detectors and faces at {folder}")
    return folder


class InMemory(Dataset):
    """Images (N, 3, H, W) with labels (N,), as `datasets.load` gives them; every sample a group unless said."""

    def __init__(self, images: torch.Tensor, labels: Sequence[int], groups: Sequence[str] | None = None):
        samples = [f"sample{number}" for number in range(len(images))]
        self.images = images
        self.table = pd.DataFrame({"sample": samples, "group": groups or samples, "label": labels})

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        return self.images[index], int(self.table["label"][index]), index


class Brightness(nn.Module):
    """P(fake) = sigmoid(slope · (mean pixel − ½)): on grey images every attack's effect is known in closed form."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(slope)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.slope * (x.flatten(1).mean(dim=1) - 0.5)
        return torch.stack([torch.zeros_like(z), z], dim=1)


@pytest.fixture(scope="session")
def in_memory() -> type[InMemory]:
    """in_memory(images, labels, groups=None): a data set of images that are already there."""
    return InMemory


@pytest.fixture(scope="session")
def brightness() -> type[Brightness]:
    """brightness(slope): a detector that sees the mean pixel alone."""
    return Brightness


@pytest.fixture(scope="session")
def separable() -> type[InMemory]:
    """separable(count, seed=0): noisy 32 px images whose fakes are the brighter ones."""

    def make(count: int, seed: int = 0) -> InMemory:
        labels = torch.arange(count) % 2
        noise = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        return InMemory(0.2 + 0.3 * noise + 0.3 * labels.view(-1, 1, 1, 1), labels.tolist())

    return make


@pytest.fixture(scope="session")
def random_results() -> Callable[..., pd.DataFrame]:
    """random_results(datasets, detectors, attacks): a result table of random numbers, always the same."""

    def make(datasets=("faces", "drawn"), detectors=("meso4", "resnet"), attacks=("noise", "pgd")) -> pd.DataFrame:
        """20 samples in each cell at ε = 0, 0.01 and 0.1; shifts grow with ε."""
        rng = np.random.default_rng(0)
        names = ["dataset", "detector", "attack", "sample", "epsilon"]
        levels = [datasets, detectors, attacks, [f"s{number}" for number in range(20)], [0.0, 0.01, 0.1]]
        table = pd.MultiIndex.from_product(levels, names=names).to_frame(index=False)
        table["label"] = table["sample"].str[1:].astype(int) % 2
        table["p_clean"] = 0.5
        table["p_attacked"] = 0.5 + rng.uniform(-5, 5, len(table)) * table["epsilon"]
        table["shift"] = (table["p_attacked"] - 0.5).abs()
        return table.assign(group=table["sample"], gradient=True)

    return make


@pytest.fixture
def six_rows() -> pd.DataFrame:
    """The result table of one cell by hand: three samples at ε = 0 and ε = 0.1; sample c had no gradient."""
    return pd.DataFrame(
        {
            "dataset": "faces",
            "detector": "meso4",
            "attack": "pgd",
            "epsilon": [0.0, 0.1] * 3,
            "sample": ["a", "a", "b", "b", "c", "c"],
            "group": ["x", "x", "x", "x", "y", "y"],
            "label": [0, 0, 1, 1, 1, 1],
            "p_clean": [0.25, 0.25, 0.75, 0.75, 0.5, 0.5],
            "p_attacked": [0.25, 0.75, 0.75, 0.625, 0.5, 0.5],
            "shift": [0.0, 0.5, 0.0, 0.125, 0.0, 0.0],
            "linf": [0.0, 0.1, 0.0, 0.1, 0.0, 0.0],
            "gradient": pd.array([pd.NA, True, pd.NA, True, pd.NA, False], dtype="boolean"),
        }
    )
