"""Some samples of a cell once more, to be looked at."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from rrlib import attacks, evaluation, files
from rrlib.detectors import architecture, batch_to_device, frozen, to_device
from rrlib.devices import resolve
from rrlib.errors import InputError, parsing
from rrlib.evaluation import Cell
from rrlib.study import paths
from rrlib.study.checkpoint import load_detector
from rrlib.study.measure import basis_of, half_of, load_test_set
from rrlib.study.params import Study


def attack_again(study: Study, cell: Cell, samples: list[str], epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Some samples of a cell, clean and attacked at one ε, (N, …) each on the processor: to be looked at.

    What was looked at before is kept beside what was measured, by key, so that a page that is told otherwise asks for
    no gradient.
    """
    loaded = load_detector(study, cell.dataset, cell.detector)
    test = load_test_set(cell.dataset, loaded.metadata["input_size"])
    numbers = [test.table.index[test.table["sample"] == sample].item() for sample in samples]
    x = torch.stack([test[number][0] for number in numbers])
    rule = half_of(study, cell.dataset, cell.detector).attacks[cell.attack]
    key = basis_of(study, cell.dataset, cell.detector).key(rule, epsilon)
    named = hashlib.sha256("\n".join([key, *samples]).encode()).hexdigest()[:40]
    kept = paths.measured_folder(cell.dataset, cell.detector) / f"{named}.safetensors"
    if (before := _kept(kept, x, epsilon)) is not None:
        return x, before
    labels = torch.tensor([test[number][1] for number in numbers])
    device = resolve(study.device)
    detector = to_device(loaded.detector, device, x[0])
    surrogate = evaluation.surrogate_of(detector, test, device, study.fold, compiled=False, name=cell.detector)
    (attacked,) = attacks.sweep(
        rule,
        surrogate.detector,
        batch_to_device(x, device, detector),
        labels.to(device),
        [epsilon],
        seed=study.seed,
        samples=torch.tensor(numbers),
    )
    images = attacked.images.cpu().contiguous()
    with files.whole(kept) as unfinished:
        save_file({"attacked": images}, unfinished)
    return x, images


def _kept(path: Path, x: torch.Tensor, epsilon: float) -> torch.Tensor | None:
    """What an earlier look left, if it is whole and lies where an attack of these samples can lie."""
    if not path.is_file():
        return None
    try:
        with parsing(path, "safetensors", "remove it"):
            attacked = load_file(path)["attacked"]
    except InputError:  # a copy that was cut short; nobody need know, as it is made again
        return None
    if attacked.shape != x.shape or attacked.dtype != x.dtype:
        return None
    sound = bool(((attacked - x).abs() <= epsilon + 1e-6).all() and ((attacked >= 0) & (attacked <= 1)).all())
    return attacked if sound else None


def scores_over_time(study: Study, cell: Cell, clip: torch.Tensor) -> list[float]:
    """The cell's detector's probability of fake for a clip (T, 3, H, W) after each of its frames, 1 to T of them.

    A detector that takes clips of one length alone sees the last of these frames held until the clip is full.
    """
    device = resolve(study.device)
    detector = to_device(load_detector(study, cell.dataset, cell.detector).detector, device, clip)
    if architecture(study.detectors[cell.detector].architecture).frames is None:
        return evaluation.scores_over_time(detector, clip)
    held = (torch.cat([clip[:seen], clip[seen - 1 :][:1].expand(len(clip) - seen, -1, -1, -1)])
            for seen in range(1, len(clip) + 1))  # fmt: skip
    with frozen(detector), torch.no_grad():
        logits = [detector(batch_to_device(each[None], device, detector)).cpu().double() for each in held]
    return torch.cat(logits).softmax(1)[:, 1].tolist()
