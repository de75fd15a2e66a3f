"""One cell, (data set, detector, attack), to one table, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, default_collate
from tqdm import tqdm

from rrlib import attacks
from rrlib.attacks import Clean, Rule
from rrlib.detectors import Surrogate, batch_to_device, check_logits, frozen, private, surrogate, to_device
from rrlib.metrics import functional


class Cell(NamedTuple):
    """The names of one evaluation, as in params.yaml."""

    dataset: str
    detector: str
    attack: str

    def __str__(self) -> str:
        return "/".join(self)


class Measured(NamedTuple):
    """One epsilon of one batch: what a table needs of the attacked images, so that they need not be kept."""

    epsilon: float
    p_attacked: torch.Tensor | None  # (N, 2) on the processor; None at ε = 0, where it is the clean one
    linf: torch.Tensor  # (N,)
    gradient: torch.Tensor | None  # (N,) bool


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Probability vectors [real, fake], (N, 2), on the processor; float64, as float32 rounds what is near 0 and 1.

    >>> probabilities(torch.tensor([[0.0, 0.0]]))
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    return logits.cpu().double().softmax(dim=1)  # Apple's GPUs have no float64


def scores_over_time(detector: nn.Module, clip: torch.Tensor) -> list[float]:
    """The probability of fake after each frame of a clip (T, 3, H, W): of its first frame, its first two, … all T.

    `detector` takes clips of any length; it is run in eval mode on its own device.
    """
    device = next((parameter.device for parameter in detector.parameters()), "cpu")
    frames = batch_to_device(clip[None], device, detector)
    with frozen(detector), torch.no_grad():
        seen = [detector(frames[:, : count + 1]) for count in range(len(clip))]
    return [float(probabilities(check_logits(logits, 1, type(detector).__name__))[0, 1]) for logits in seen]


def evaluate(
    detector: nn.Module, dataset: Dataset, attack: str | Rule, epsilons: Sequence[float], **options: object
) -> pd.DataFrame:
    """Attack every sample of `dataset` at every epsilon: the result table of `tables.py`, sample by sample.

    All of `batches` in one frame; it says what the arguments and options are.

    >>> from rrlib.detectors.catalogue import build
    >>> class TwoImages(torch.utils.data.Dataset):
    ...     table = pd.DataFrame({"sample": ["a", "b"], "group": ["a", "b"], "label": [0, 1]})
    ...     def __len__(self): return 2
    ...     def __getitem__(self, i): return torch.full((3, 32, 32), 0.5), i, i
    >>> table = evaluate(build("resnet", 32, seed=0), TwoImages(), "fgsm", [0, 0.1])
    >>> table[["sample", "epsilon"]].values.tolist()
    [['a', 0.0], ['a', 0.1], ['b', 0.0], ['b', 0.1]]
    """
    return joined(batches(detector, dataset, attack, epsilons, **options))


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The batches of one cell as one table."""
    parts = list(parts)
    table = pd.concat(parts, ignore_index=True)
    table.attrs = parts[0].attrs
    return table


def batches(
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
    workers: int = 0,
    fold: bool = True,
    compiled: bool = False,
    first: int = 0,
) -> Iterator[pd.DataFrame]:
    """The table's rows, batch after batch, beginning with batch number `first`; memory is that of one batch.

    `dataset` gives (pixels, label, index) and has a `table` with sample, group and label, as `datasets.load` returns.
    The detector is copied and stays as it is; one that cannot be copied is used itself, its flags afterwards as before.
    Batch size, order and `workers`, the processes that read samples ahead, do not change a row beyond the rounding of
    float32 sums.

    With `fold` the attack climbs a copy with batch norms folded in, once that agrees with the detector on the first
    batch (`detectors.surrogate`); `attrs["attacked"]` of each frame says what was climbed. What is reported is always
    what the detector itself says of the attacked images. `compiled` has torch.compile rewrite the copy: up to minutes
    at the start, for a GPU. Raises InputError if the detector breaks its contract.

    Work per batch: the attack's gradients and at most one forward per ε > 0 (see `measure`); the clean forward too,
    unless the attack has asked the same network for its clean gradient.
    """
    cell = cell or Cell("", type(detector).__name__, str(attack))
    with private(detector) as copied:
        yield from _batches(
            copied, dataset, attack, epsilons, cell, distance, seed, batch_size, device, workers, fold, compiled, first
        )


def _batches(
    detector: nn.Module,
    dataset: Dataset,
    attack: str | Rule,
    epsilons: Sequence[float],
    cell: Cell,
    distance: str,
    seed: int,
    batch_size: int,
    device: torch.device | str,
    workers: int,
    fold: bool,
    compiled: bool,
    first: int,
) -> Iterator[pd.DataFrame]:
    detector = to_device(detector, device, dataset[0][0])
    attacked = climbed(detector, dataset, batch_size, device, fold, compiled, cell.detector)
    done = min(first * batch_size, len(dataset))
    loader = DataLoader(
        Subset(dataset, range(done, len(dataset))),
        batch_size=batch_size,
        num_workers=workers,
        pin_memory=torch.device(device).type == "cuda",
        # every pass over a loader draws a number, without a generator from the global one
        generator=torch.Generator(),
    )
    with tqdm(total=len(dataset), initial=done, desc=str(cell), unit="sample") as progress:
        for x, labels, samples in loader:
            x, labels = batch_to_device(x, device, detector), labels.to(device)
            clean = Clean(attacked.detector, x, labels, cell.detector)
            steps = attacks.sweep(
                attack, attacked.detector, x, labels, epsilons, seed=seed, samples=samples, clean=clean
            )
            measured = list(measure(steps, detector, x, cell.detector))
            same = attacked.detector is detector
            p_clean = probabilities((clean if same else Clean(detector, x, labels, cell.detector)).logits())
            rows = [_columns(step, p_clean, distance) for step in measured]
            part = _interleave(rows, dataset.table.iloc[samples.numpy()], epsilons)
            part = part.assign(dataset=cell.dataset, detector=cell.detector, attack=cell.attack)
            part.attrs = {"attacked": attacked.description}
            yield part
            progress.update(len(x))


def climbed(
    detector: nn.Module,
    dataset: Dataset,
    batch_size: int,
    device: torch.device | str,
    fold: bool,
    compiled: bool,
    name: str,
) -> Surrogate:
    """What an attack climbs: `detector`, on its device, or its surrogate if they agree on the data set's first batch.

    That batch decides even for a run that goes on after an interruption, so that both climb the same.
    """
    attacked = Surrogate(detector, "the detector itself")
    if fold:
        first = default_collate([dataset[number][0] for number in range(min(batch_size, len(dataset)))])
        attacked = surrogate(detector, batch_to_device(first, device, detector), name)
    if compiled:
        return Surrogate(torch.compile(attacked.detector), f"{attacked.description}; compiled")
    return attacked


def measure(
    steps: Iterable[attacks.Attacked], detector: nn.Module, x: torch.Tensor, name: str = ""
) -> Iterator[Measured]:
    """What the detector, in eval mode, says of the attacked images of each ε; it looks at no clean ones.

    It is asked once for images that a larger ε leaves as they are, as `cw_l2` does when all it found lies in the ball.
    """
    images = None
    for step in steps:
        if step.epsilon == 0:
            yield Measured(0.0, None, torch.zeros(len(x)), None)
            continue
        if images is None or not torch.equal(step.images, images):
            images = step.images
            with torch.no_grad():
                p_attacked = probabilities(check_logits(detector(images), len(x), name or type(detector).__name__))
            linf = (images - x).abs_().amax(tuple(range(1, x.dim())))
        yield Measured(step.epsilon, p_attacked, linf, step.gradient)


def _columns(step: Measured, p_clean: torch.Tensor, distance: str) -> dict[str, np.ndarray]:
    """The numbers of one epsilon, each (N,)."""
    p_attacked = p_clean if step.p_attacked is None else step.p_attacked
    none = pd.array([pd.NA] * len(p_clean), dtype="boolean")
    return {
        "p_clean": p_clean[:, 1].numpy(),
        "p_attacked": p_attacked[:, 1].numpy(),
        "shift": functional.probability_shift(p_clean, p_attacked, distance).numpy(),
        "linf": step.linf.cpu().double().numpy(),
        "gradient": none if step.gradient is None else pd.array(step.gradient.cpu().numpy(), dtype="boolean"),
    }


def _interleave(rows: list[dict[str, np.ndarray]], samples: pd.DataFrame, epsilons: Sequence[float]) -> pd.DataFrame:
    """One batch, ordered by sample and then by epsilon."""
    by_epsilon = [
        pd.DataFrame(columns).assign(epsilon=float(epsilon), **{key: samples[key].to_numpy() for key in samples})
        for epsilon, columns in zip(epsilons, rows, strict=True)
    ]
    batch = pd.concat(by_epsilon)
    return batch.sort_index(kind="stable").reset_index(drop=True)
