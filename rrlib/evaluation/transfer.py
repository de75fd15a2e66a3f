"""Transfer: adversarial inputs of one detector, the source, as all detectors of the same data set see them.

Detectors may have other input sizes. Then it is the perturbation that is carried over: it is resized (bilinear, so it
stays within ε) and added to the sample as the other detector reads it, clipped to [0, 1]. So a detector's own
adversarial inputs are seen as they are, no perturbation is no shift, and the harm of resizing itself is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from rrlib import attacks
from rrlib.attacks import Rule
from rrlib.detectors import batch_to_device, check_logits, private, to_device
from rrlib.errors import InputError, unknown
from rrlib.evaluation.changed import rows
from rrlib.evaluation.measuring import device_of, joined, probabilities, surrogate_of
from rrlib.evaluation.samples import Labelled


def transferred(
    detectors: Mapping[str, nn.Module],
    data: Mapping[str, Labelled],
    rule: Rule,
    epsilon: float,
    *,
    sources: Sequence[str] | None = None,
    attack_name: str = "",
    distance: str = "linf",
    seed: int = 0,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    workers: int = 0,
    fold: bool = True,
    compiled: bool = False,
    dataset_name: str = "",
) -> Iterator[tuple[str, pd.DataFrame]]:
    """(source, result table) of an attack on each source at one ε > 0, seen by all detectors, the source among them.

    The columns are those of `tables.py`; `detector` is who sees, detector below detector, and `gradient` is whether the
    source had one. `attrs["source"]` says whom the attack was led against.

    Args:
        detectors: by name; each is copied and stays as it is.
        data: the same samples for each detector by its name, at its own input size; one object for those that share it.
        rule: the attack; attack_name is what the tables call it.
        epsilon: radius of the L∞ ball in (0, 1].
        sources: names in `detectors`; all unless given.
        device: where to compute; that of the first detector unless given.
        the others: as `evaluate`. With its batch size the source's own rows are those of its result table.

    Raises:
        InputError: for an unknown source, other samples for another detector, ε = 0, and as `evaluate`.

    >>> from rrlib.attacks import rule
    >>> from rrlib.detectors import build
    >>> from rrlib.evaluation import labelled
    >>> two = {name: build("resnet", 32, seed=seed) for seed, name in enumerate("ab")}
    >>> samples = labelled((torch.rand(2, 3, 32, 32), torch.tensor([0, 1])))
    >>> for source, table in transferred(two, dict.fromkeys(two, samples), rule("fgsm"), 0.1):
    ...     print(source, table[["detector", "sample"]].values.tolist())
    a [['a', '0'], ['a', '1'], ['b', '0'], ['b', '1']]
    b [['a', '0'], ['a', '1'], ['b', '0'], ['b', '1']]
    """
    attacks.check_epsilons([epsilon])
    if epsilon == 0:
        raise InputError("epsilon is 0, where nothing is attacked; give one in (0, 1]")
    chosen = list(detectors) if sources is None else list(sources)
    for name in chosen:
        if name not in detectors:
            raise unknown("source", name, detectors)
    first = next(iter(detectors))
    for name in detectors:
        if not data[name].table[["sample", "group"]].equals(data[first].table[["sample", "group"]]):
            raise InputError(f"{name} and {first} would see different samples; give both the same in one order")
    of = device_of(detectors[first]) if device is None else torch.device(device)
    with ExitStack() as stack:
        copied = {
            name: to_device(stack.enter_context(private(detector)), of, data[name][0][0])
            for name, detector in detectors.items()
        }
        clean: dict[tuple[str, int], Tensor] = {}  # by detector and batch, as all sources see the same batches
        for source in chosen:
            surrogate = surrogate_of(copied[source], data[source], of, fold, compiled, source)
            parts: dict[str, list[pd.DataFrame]] = {name: [] for name in detectors}
            loader = DataLoader(
                cast(Dataset[Any], data[source]), batch_size, num_workers=workers, generator=torch.Generator()
            )
            progress = tqdm(loader, desc="/".join(filter(None, (dataset_name, source, "transfer"))), unit="batch")
            for number, (x, labels, samples) in enumerate(progress):
                on_device = batch_to_device(x, of, copied[source])
                (attacked,) = attacks.sweep(
                    rule, surrogate.detector, on_device, labels.to(of), [epsilon], seed=seed, samples=samples
                )
                moved, found = attacked.images.cpu(), attacked.has_gradient
                about = data[source].table.iloc[samples.numpy()][["sample", "group"]].reset_index(drop=True)
                about["label"] = labels.numpy()
                for name, detector in copied.items():
                    theirs = x if data[name] is data[source] else _their_own(data[name], samples)
                    changed = carried(theirs, x, moved)
                    if (name, number) not in clean:
                        clean[name, number] = _seen(detector, theirs, of, name)
                    p_changed = _seen(detector, changed, of, name)
                    linf = (changed - theirs).abs().amax(tuple(range(1, theirs.dim())))
                    part = rows(
                        about, attack_name or str(rule), epsilon, clean[name, number], p_changed, linf, distance, found
                    )
                    parts[name].append(part.assign(dataset=dataset_name, detector=name))
            table = pd.concat([joined(of_detector) for of_detector in parts.values()], ignore_index=True)
            table.attrs = {"attacked": surrogate.description, "source": source}
            yield source, table


def carried(theirs: Tensor, x: Tensor, moved: Tensor) -> Tensor:
    """What another detector is shown: `moved` itself where it reads the samples as the source does, else as said above.

    theirs: (N, …, 3, h, w), the samples as it reads them; x, moved: (N, …, 3, H, W), as the source does, and attacked.

    >>> x = torch.full((1, 3, 4, 4), 0.5)
    >>> bool((carried(torch.zeros(1, 3, 2, 2), x, x + 0.25) == 0.25).all())
    True
    """
    if theirs.shape == x.shape and torch.equal(theirs, x):
        return moved
    perturbation = (moved - x).reshape(-1, *x.shape[-3:])
    if theirs.shape[-2:] != x.shape[-2:]:
        perturbation = nn.functional.interpolate(perturbation, theirs.shape[-2:], mode="bilinear", antialias=True)
    return (theirs + perturbation.reshape(theirs.shape)).clamp(0, 1)


def _their_own(dataset: Labelled, samples: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([dataset[int(number)][0].numpy() for number in samples]))


def _seen(detector: nn.Module, x: Tensor, device: torch.device, name: str) -> Tensor:
    with torch.no_grad():
        return probabilities(check_logits(detector(batch_to_device(x, device, detector)), len(x), name))
