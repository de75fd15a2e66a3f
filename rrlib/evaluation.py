"""One cell, (data set, detector, attack), to one table."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from rrlib import attacks, metrics
from rrlib.attacks.sweep import Rule
from rrlib.detectors.contract import check_logits
from rrlib.devices import place


class Cell(NamedTuple):
    """The names of one evaluation, as in params.yaml."""

    dataset: str
    detector: str
    attack: str

    def __str__(self) -> str:
        return "/".join(self)


def probabilities(detector: nn.Module, x: torch.Tensor, name: str) -> torch.Tensor:
    """Probability vectors [real, fake], (N, 2), on the processor; float64, as float32 rounds what is near 0 and 1."""
    with torch.no_grad():
        return check_logits(detector(x), len(x), name).cpu().double().softmax(dim=1)  # Apple's GPUs have no float64


def evaluate(
    detector: nn.Module,
    dataset: Dataset,
    attack: str | Rule,
    epsilons: Sequence[float],
    *,
    cell: Cell | None = None,
    distance: str = "linf",
    seed: int = 0,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
) -> pd.DataFrame:
    """Attack every sample of `dataset` at every epsilon: the result table of `tables.py`, sample by sample.

    `dataset` gives (pixels, label, index) and has a `table` with sample, group and label, as `datasets.load` returns.
    The detector is copied and stays as it is. Memory is that of one batch and of the table; batch size and order do
    not change a row beyond the rounding of float32 sums. Raises InputError if the detector breaks its contract.

    >>> from rrlib.detectors.catalogue import build
    >>> class TwoImages(torch.utils.data.Dataset):
    ...     table = pd.DataFrame({"sample": ["a", "b"], "group": ["a", "b"], "label": [0, 1]})
    ...     def __len__(self): return 2
    ...     def __getitem__(self, i): return torch.full((3, 32, 32), 0.5), i, i
    >>> table = evaluate(build("resnet", 32, seed=0), TwoImages(), "fgsm", [0, 0.1])
    >>> table[["sample", "epsilon"]].values.tolist()
    [['a', 0.0], ['a', 0.1], ['b', 0.0], ['b', 0.1]]
    """
    cell = cell or Cell("", type(detector).__name__, str(attack))
    detector = place(copy.deepcopy(detector), device).eval()
    parts = []
    with tqdm(total=len(dataset), desc=str(cell), unit="sample") as progress:
        # every pass over a loader draws a number, without a generator from the global one
        for x, labels, samples in DataLoader(dataset, batch_size=batch_size, generator=torch.Generator()):
            x, labels = x.to(device), labels.to(device)
            rows = []
            p_clean = probabilities(detector, x, cell.detector)
            for step in attacks.sweep(attack, detector, x, labels, epsilons, seed=seed, samples=samples):
                p_attacked = p_clean if step.epsilon == 0 else probabilities(detector, step.images, cell.detector)
                rows.append(_columns(step, x, p_clean, p_attacked, distance))
            parts.append(_interleave(rows, dataset.table.iloc[samples.numpy()], epsilons))
            progress.update(len(x))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(dataset=cell.dataset, detector=cell.detector, attack=cell.attack)


def _columns(
    step: attacks.Attacked, x: torch.Tensor, p_clean: torch.Tensor, p_attacked: torch.Tensor, distance: str
) -> dict[str, np.ndarray]:
    """The numbers of one epsilon, each (N,)."""
    none = pd.array([pd.NA] * len(x), dtype="boolean")
    return {
        "p_clean": p_clean[:, 1].cpu().numpy(),
        "p_attacked": p_attacked[:, 1].cpu().numpy(),
        "shift": metrics.probability_shift(p_clean, p_attacked, distance).cpu().numpy(),
        "linf": (step.images - x).abs().flatten(1).amax(dim=1).double().cpu().numpy(),
        "gradient": none if step.gradient is None else pd.array(step.gradient.cpu().numpy(), dtype="boolean"),
    }


def _interleave(rows: list[dict[str, np.ndarray]], samples: pd.DataFrame, epsilons: Sequence[float]) -> pd.DataFrame:
    """One batch, ordered by sample and then by epsilon."""
    by_epsilon = [
        pd.DataFrame(columns).assign(epsilon=float(epsilon), **{key: samples[key].to_numpy() for key in samples})
        for epsilon, columns in zip(epsilons, rows, strict=True)
    ]
    batch = pd.concat(by_epsilon)
    return batch.sort_index(kind="stable")
