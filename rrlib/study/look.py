"""Some samples of a cell once more, to be looked at."""

import torch

from rrlib import attacks, evaluation
from rrlib.detectors import batch_to_device, to_device
from rrlib.devices import resolve
from rrlib.evaluation import Cell
from rrlib.study.checkpoint import load_detector
from rrlib.study.measure import half_of, load_test_set
from rrlib.study.params import Study


def attack_again(study: Study, cell: Cell, samples: list[str], epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Some samples of a cell, clean and attacked at one ε, (N, …) each on the processor: to be looked at."""
    loaded = load_detector(study, cell.dataset, cell.detector)
    test = load_test_set(cell.dataset, loaded.metadata["input_size"])
    numbers = [test.table.index[test.table["sample"] == sample].item() for sample in samples]
    x = torch.stack([test[number][0] for number in numbers])
    labels = torch.tensor([test[number][1] for number in numbers])
    device = resolve(study.device)
    detector = to_device(loaded.detector, device, x[0])
    surrogate = evaluation.surrogate_of(detector, test, device, study.fold, compiled=False, name=cell.detector)
    (attacked,) = attacks.sweep(
        half_of(study, cell.dataset, cell.detector).attacks[cell.attack],
        surrogate.detector,
        batch_to_device(x, device, detector),
        labels.to(device),
        [epsilon],
        seed=study.seed,
        samples=torch.tensor(numbers),
    )
    return x, attacked.images.cpu()


def scores_over_time(study: Study, cell: Cell, clip: torch.Tensor) -> list[float]:
    """The cell's detector's probability of fake for a clip (T, 3, H, W) after each of its frames, 1 to T of them."""
    device = resolve(study.device)
    detector = to_device(load_detector(study, cell.dataset, cell.detector).detector, device, clip)
    return evaluation.scores_over_time(detector, clip)
