"""A detector, its data and one attack or several to a result table, batch by batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, default_collate
from tqdm import tqdm

from rrlib import attacks, detectors
from rrlib.attacks import Clean, Rule
from rrlib.detectors import Surrogate, batch_to_device, check_logits, frozen, private, to_device, try_out
from rrlib.evaluation.samples import Labelled, labelled
from rrlib.metrics import probability_shift

Numbers: TypeAlias = np.ndarray | pd.arrays.BooleanArray
TRIED = 16  # samples on which a surrogate must agree with its detector; of every run, however it is cut into batches


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
    has_gradient: torch.Tensor | None  # (N,) bool


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
    frames = batch_to_device(clip[None], device_of(detector), detector)
    with frozen(detector), torch.no_grad():
        seen = [detector(frames[:, : count + 1]) for count in range(len(clip))]
    return [float(probabilities(check_logits(logits, 1, type(detector).__name__))[0, 1]) for logits in seen]


def evaluate(
    detector: nn.Module,
    data: object,
    attack: str | Rule | Mapping[str, Rule],
    epsilons: Sequence[float] | np.ndarray | torch.Tensor,
    *,
    distance: str = "linf",
    seed: int = 0,
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    workers: int = 0,
    fold: bool = True,
    compiled: bool = False,
    tried: bool = False,
    dataset_name: str = "",
    detector_name: str = "",
) -> pd.DataFrame:
    """Attack every sample of `data` at every epsilon: the result table of `tables.py`, sample by sample.

    Args:
        detector: pixels in [0, 1] to logits (N, 2), [real, fake]; it is copied and stays as it is.
        data: (images, labels) as tensors or arrays, a data set of (image, label) such as a TensorDataset, a DataLoader
            of one, or a data set of this project; images (N, 3, H, W) or clips (N, T, 3, H, W), labels 0 real, 1 fake.
        attack: a name such as "pgd", a rule from `attacks.rule`, or several by name: attacks that share a way through
            the ball are then measured together, and the table has the rows of each below each other.
        epsilons: radii of the L∞ ball, increasing, in pixel units [0, 1]; 0 is the clean input.
        distance: of probability vectors, a name in `metrics.DISTANCES`.
        seed: of the random starts; each sample has its own, so that batches do not matter.
        batch_size: a DataLoader's own if that is given, else 64; speed and memory, no result, depends on it.
        device: where to compute; that of the detector unless given.
        workers: processes that read samples ahead.
        fold: let the attacks follow the gradients of a surrogate, a copy with batch norms folded into convolutions, if
            it agrees with the detector; `attrs["attacked"]` says which it was. What is reported is always what the
            detector itself says.
        compiled: let torch.compile rewrite the surrogate; for a GPU.
        tried: the detector is known to keep its contract; else `detectors.try_out` looks first, in some five forwards.
        dataset_name, detector_name: what the table calls them.

    Raises InputError if the detector breaks its contract, and for data, epsilons and attacks that cannot be used.

    >>> from rrlib.detectors import build
    >>> x, y = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    >>> table = evaluate(build("resnet", 32, seed=0), (x, y), "fgsm", [0, 0.1])
    >>> table[["sample", "epsilon"]].values.tolist()
    [['0', 0.0], ['0', 0.1], ['1', 0.0], ['1', 0.1]]
    """
    if isinstance(data, DataLoader) and batch_size is None:
        batch_size = data.batch_size
    rules = attack if isinstance(attack, Mapping) else _by_name(attack)
    dataset = labelled(data)
    if not tried:
        _try(detector, dataset[0][0], detector_name)
    return joined(
        batches(
            detector,
            dataset,
            rules,
            increasing(epsilons),
            distance=distance,
            seed=seed,
            batch_size=batch_size or 64,
            device=device,
            workers=workers,
            fold=fold,
            compiled=compiled,
            dataset_name=dataset_name,
            detector_name=detector_name,
        )
    )


def increasing(epsilons: Sequence[float] | np.ndarray | torch.Tensor) -> list[float]:
    """Epsilons of any kind as plain numbers; InputError unless they increase inside [0, 1].

    >>> increasing(np.array([0, 0.5])), increasing(torch.tensor([0.25]))
    ([0.0, 0.5], [0.25])
    """
    listed = epsilons.tolist() if isinstance(epsilons, np.ndarray | torch.Tensor) else epsilons
    attacks.check_epsilons(listed)
    return [float(epsilon) for epsilon in listed]


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The batches of an evaluation as one table; of several attacks one below the other."""
    parts = list(parts)
    table = pd.concat(parts, ignore_index=True)
    if table["attack"].nunique() > 1:
        order = {name: number for number, name in enumerate(table["attack"].unique())}
        table = table.sort_values("attack", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    table.attrs = parts[0].attrs
    return table


def batches(
    detector: nn.Module,
    dataset: Labelled,
    rules: Mapping[str, Rule],
    epsilons: Sequence[float],
    *,
    distance: str = "linf",
    seed: int = 0,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    workers: int = 0,
    fold: bool = True,
    compiled: bool = False,
    numbers: Iterable[int] | None = None,
    dataset_name: str = "",
    detector_name: str = "",
) -> Iterator[pd.DataFrame]:
    """The table's rows, batch after batch, of all batches or of those with these `numbers`, counted from 0, increasing.

    Memory is that of one batch.

    As `evaluate` says, with `dataset` as `samples.labelled` gives it and attacks by name. Batch size, order and
    `workers` do not change a row beyond the rounding of float32 sums. A detector that cannot be copied is used itself;
    its flags are afterwards as before.

    Work per batch: the gradients of each way through the ball that several attacks may share, and at most one forward
    per attack and ε > 0; the clean forward too, unless an attack has asked the same network for its clean gradient.
    """
    name = detector_name or type(detector).__name__
    device = device_of(detector) if device is None else torch.device(device)
    with private(detector) as copied:
        copied = to_device(copied, device, dataset[0][0])
        surrogate = surrogate_of(copied, dataset, device, fold, compiled, name)
        whole = range(len(dataset))
        chosen = range(-(-len(dataset) // batch_size)) if numbers is None else numbers
        rows = [row for number in chosen for row in whole[number * batch_size : (number + 1) * batch_size]]
        loader = DataLoader(
            Subset(cast(Dataset[Any], dataset), rows),
            batch_size=batch_size,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            # every pass over a loader draws a number, without a generator from the global one
            generator=torch.Generator(),
        )
        description = "/".join(filter(None, (dataset_name, name, ", ".join(rules))))
        with tqdm(total=len(dataset), initial=len(dataset) - len(rows), desc=description, unit="sample") as progress:
            for x, labels, samples in loader:
                x, labels = batch_to_device(x, device, copied), labels.to(device)
                clean = Clean(surrogate.detector, x, labels, name)
                sweeps = attacks.sweep_together(
                    rules, surrogate.detector, x, labels, epsilons, seed=seed, samples=samples, clean=clean
                )
                measured = measure(sweeps, copied, x, name)
                same = surrogate.detector is copied
                p_clean = probabilities((clean if same else Clean(copied, x, labels, name)).logits())
                about = dataset.table.iloc[samples.numpy()][["sample", "group"]].reset_index(drop=True)
                about["label"] = labels.cpu().numpy()
                tables = [_rows(attack, steps, p_clean, distance, about) for attack, steps in measured.items()]
                part = pd.concat(tables, ignore_index=True).assign(dataset=dataset_name, detector=name)
                part.attrs = {"attacked": surrogate.description}
                yield part
                progress.update(len(x))


def surrogate_of(
    detector: nn.Module, dataset: Labelled, device: torch.device, fold: bool, compiled: bool, name: str
) -> Surrogate:
    """Whose gradients an attack follows: those of `detector`, or of its surrogate if they agree on a few samples.

    The data set's first samples decide, the same of every run, however it is cut into batches and wherever it begins.
    """
    surrogate = Surrogate(detector, "the detector itself")
    if fold:
        first = default_collate([dataset[number][0] for number in range(min(TRIED, len(dataset)))])
        surrogate = detectors.surrogate(detector, batch_to_device(first, device, detector), name)
    if compiled:
        from torch._inductor import config  # here: it takes two seconds

        config.deterministic = True
        return Surrogate(cast(nn.Module, torch.compile(surrogate.detector)), f"{surrogate.description}; compiled")
    return surrogate


def measure(
    sweeps: Iterable[tuple[float, Mapping[str, attacks.Attacked]]], detector: nn.Module, x: torch.Tensor, name: str = ""
) -> dict[str, list[Measured]]:
    """What the detector, in eval mode, says of the attacked images of each attack and ε; it looks at no clean ones.

    It is asked once for images that a larger ε leaves as they are, as `cw_l2` does when all it found lies in the ball.
    """
    found: dict[str, list[Measured]] = {}
    images: dict[str, torch.Tensor] = {}
    for epsilon, attacked in sweeps:
        for attack, step in attacked.items():
            steps = found.setdefault(attack, [])
            if epsilon == 0:
                steps.append(Measured(0.0, None, torch.zeros(len(x)), None))
            elif attack in images and torch.equal(step.images, images[attack]):
                steps.append(steps[-1]._replace(epsilon=epsilon, has_gradient=step.has_gradient))
            else:
                images[attack] = step.images
                with torch.no_grad():
                    p = probabilities(check_logits(detector(step.images), len(x), name or type(detector).__name__))
                linf = (step.images - x).abs_().amax(tuple(range(1, x.dim())))
                steps.append(Measured(epsilon, p, linf, step.has_gradient))
    return found


def device_of(detector: nn.Module) -> torch.device:
    """Where a detector's weights lie; the processor for one that has none."""
    return next((parameter.device for parameter in detector.parameters()), torch.device("cpu"))


def _try(detector: nn.Module, sample: torch.Tensor, name: str) -> None:
    """`try_out` at the size of one sample; what is not square is looked at as it is measured."""
    frames = len(sample) if sample.dim() == 4 else None
    if sample.shape[-1] == sample.shape[-2]:
        try_out(detector, sample.shape[-1], "image" if frames is None else "video", frames, name)


def _by_name(attack: str | Rule) -> dict[str, Rule]:
    return {attack: attacks.rule(attack)} if isinstance(attack, str) else {str(attack): attack}


def _rows(
    attack: str, steps: Sequence[Measured], p_clean: torch.Tensor, distance: str, about: pd.DataFrame
) -> pd.DataFrame:
    """One attack's rows of one batch, ordered by sample and then by epsilon."""
    by_epsilon = [
        about.assign(attack=attack, epsilon=float(step.epsilon), **_numbers(step, p_clean, distance)) for step in steps
    ]
    return pd.concat(by_epsilon).sort_index(kind="stable")


def _numbers(step: Measured, p_clean: torch.Tensor, distance: str) -> dict[str, Numbers]:
    """The numbers of one epsilon, each (N,)."""
    p_attacked = p_clean if step.p_attacked is None else step.p_attacked
    none = pd.array([pd.NA] * len(p_clean), dtype="boolean")
    found = none if step.has_gradient is None else pd.array(step.has_gradient.cpu().numpy(), dtype="boolean")
    return {
        "p_clean": p_clean[:, 1].numpy(),
        "p_attacked": p_attacked[:, 1].numpy(),
        "shift": probability_shift(p_clean, p_attacked, distance).numpy(),
        "linf": step.linf.cpu().double().numpy(),
        "gradient": found,
    }
