"""Data set to checkpoint: supervised training, adversarial where asked, selected and calibrated on validation data."""

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler
from tqdm import tqdm

from rrlib.detectors import check_shape, said, to_device
from rrlib.errors import InputError
from rrlib.evaluation.adversarial import Adversarial
from rrlib.evaluation.augmentation import Augmentation

Sample: TypeAlias = tuple[Tensor, int, int]  # pixels, label, number


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained: AdamW with a cosine schedule, horizontal flips, the epoch of least validation loss.

    `augmentation` is what training images suffer besides.
    """

    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    adversarial: Adversarial | None = None
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"training.{name} is {value!r}; it is a whole number ≥ 1")
        for name, lowest in (("learning_rate", "> 0"), ("weight_decay", "≥ 0")):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"training.{name} is {value!r}; it is a finite number {lowest}")
        if self.learning_rate == 0:
            raise InputError("training.learning_rate is 0; it is a finite number > 0")

    def size(self, input_size: int) -> int:
        """The side in pixels at which training images are read for a detector of `input_size`."""
        return self.augmentation.size(input_size) if self.augmentation else input_size

    def to_dict(self) -> dict[str, Any]:
        """All of it for a checkpoint's metadata; augmentation where there is any, as older checkpoints have it."""
        said = asdict(self)
        if self.augmentation is None:
            del said["augmentation"]
        return said


def train(
    detector: nn.Module,
    training_set: Dataset[Sample],
    validation_set: Dataset[Sample],
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    name: str = "detector",
) -> dict[str, Any]:
    """Train `detector` in place and return its report; it ends in eval mode with the weights of the best epoch.

    Both sets give (pixels, label, index), the validation set at the detector's size, the training set at `recipe.size`
    of it. The report holds per-epoch `history` (losses in nats, accuracies in [0, 1]),
    `best_epoch` (from 1), `temperature` and the validation losses before and after it. Same seed, same machine: the
    same weights. A last batch of one sample joins the one before it, since batch norm may need two. Raises InputError
    before the first step for a detector that cannot be trained (all weights frozen, another output in train mode), and
    later when the loss stops being a number.
    """
    to_device(detector, device, validation_set[0][0])
    alone = recipe.batch_size == 1 or len(training_set) == 1  # type: ignore[arg-type]
    first = torch.stack([training_set[number][0] for number in range(1 if alone else 2)])
    if recipe.augmentation:
        first = recipe.augmentation(first, validation_set[0][0].shape[-1], torch.Generator().manual_seed(seed))
    try_training(detector, first.to(device), name)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    history: list[dict[str, float]] = []
    best: dict[str, float] = {}
    with torch.random.fork_rng(), tqdm(total=recipe.epochs, desc=f"train {name}", unit="epoch") as progress:
        torch.manual_seed(seed)
        order = torch.Generator().manual_seed(seed)
        batches = _batches(training_set, recipe.batch_size, order)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * len(batches))
        for epoch in range(1, recipe.epochs + 1):
            side = validation_set[0][0].shape[-1]
            loss = _epoch(detector, batches, recipe, optimiser, schedule, order, epoch, device, side)
            _check_loss(loss, "training", name, epoch)
            row: dict[str, float] = {
                "epoch": epoch,
                "training_loss": loss,
                **_validate(detector, validation_set, recipe, device),
            }
            _check_loss(row["selection_loss"], "validation", name, epoch)
            history.append(row)
            if not best or row["selection_loss"] < best["selection_loss"]:
                best, weights = row, copy.deepcopy(detector.state_dict())
            progress.set_postfix(loss=f"{loss:.3f}", validation=f"{row['validation_accuracy']:.3f}")
            progress.update()
    detector.load_state_dict(weights)
    detector.eval()
    logits, labels = _logits(detector, validation_set, recipe, device)
    temperature = fit_temperature(logits, labels)
    return {
        "recipe": recipe.to_dict(),
        "history": history,
        "best_epoch": best["epoch"],
        "temperature": temperature,
        "validation_loss": float(cross_entropy(logits, labels)),
        "validation_loss_calibrated": float(cross_entropy(logits / temperature, labels)),
    }


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that minimises the validation cross-entropy (Guo et al. 2017, arXiv 1706.04599), in [0.05, 20].

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 0.0]])  # 3 of 4 right: P = 0.75 fits best
    >>> round(fit_temperature(logits, torch.tensor([0, 1, 0, 1])), 3) == round(2 / math.log(3), 3)
    True
    """
    logits = logits.double()
    found = minimize_scalar(
        lambda log_t: float(cross_entropy(logits / math.exp(log_t), labels)),
        bounds=(math.log(0.05), math.log(20)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(found.x)


class _NoneAlone(Sampler[list[int]]):
    """Batches in which no sample is alone: a last one joins the batch before it."""

    def __init__(self, samples: RandomSampler, batch_size: int):
        self.samples, self.batch_size = samples, batch_size

    def __iter__(self) -> Iterator[list[int]]:
        numbers = list(self.samples)
        starts = range(0, len(numbers) - 1, self.batch_size)
        for start in starts:
            yield numbers[start : len(numbers) if start == starts[-1] else start + self.batch_size]

    def __len__(self) -> int:
        return len(self.samples) // self.batch_size


def _batches(training_set: Dataset[Sample], batch_size: int, order: torch.Generator) -> DataLoader[Sample]:
    """Shuffled anew for each epoch."""
    count = len(training_set)  # type: ignore[arg-type]
    if count % batch_size != 1 or batch_size == 1 or count == 1:
        return DataLoader(training_set, batch_size, shuffle=True, generator=order)
    batches = _NoneAlone(RandomSampler(training_set, generator=order), batch_size)  # type: ignore[arg-type]
    return DataLoader(training_set, batch_sampler=batches, generator=order)


def try_training(detector: nn.Module, x: Tensor, name: str = "detector") -> None:
    """Raise InputError unless, in train mode, a batch gives two logits a sample that some weight can learn from.

    Modes, buffers and torch's generators are afterwards as they were. `x` is as small as a batch will be.
    """
    weights = list(detector.parameters())
    if not any(weight.requires_grad for weight in weights):
        have = "all weights are frozen (requires_grad is False)" if weights else "it has no weights"
        raise InputError(
            f"{name} has nothing to train: {have}; leave training out of its entry, or let its factory set "
            "requires_grad where it is to learn"
        )
    modes = {module: module.training for module in detector.modules()}
    buffers = {key: buffer.clone() for key, buffer in detector.named_buffers()}
    detector.train()
    with torch.random.fork_rng():
        try:
            logits = detector(x)
        except InputError:
            raise
        except Exception as error:  # another's code, in a mode that nothing has run it in so far
            advice = "choose a batch_size above 1" if len(x) == 1 else "correct its forward"
            raise InputError(f"{name} raised {said(error)} in train mode for a batch of {len(x)}; {advice}") from error
    check_shape(logits, len(x), f"in train mode {name}")
    if not logits.requires_grad:
        raise InputError(
            f"{name} has nothing to train: no weight changes its logits in train mode; its forward may use no no_grad, "
            "inference_mode or detach"
        )
    with torch.no_grad():
        for key, buffer in detector.named_buffers():  # what batch norm has seen of the trial
            if key in buffers:
                buffer.copy_(buffers[key])
    for module, mode in modes.items():
        module.training = mode


def _check_loss(loss: float, which: str, name: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise InputError(f"the {which} loss of {name} became {loss} in epoch {epoch}; lower its learning_rate")


def _epoch(
    detector: nn.Module,
    batches: DataLoader[Sample],
    recipe: Recipe,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    order: torch.Generator,
    epoch: int,
    device: torch.device | str,
    side: int,
) -> float:
    """One pass over the training set; the mean loss, or at once the first that is no number."""
    total, count = 0.0, 0
    detector.train()
    for x, labels, samples in batches:
        flip = torch.rand(len(x), generator=order) < 0.5
        if recipe.augmentation:
            x = recipe.augmentation(x, side, order)
        x = torch.where(flip.view(-1, *[1] * (x.dim() - 1)), x.flip(-1), x).to(device)
        labels = labels.to(device)
        if recipe.adversarial:
            strength = min(1, 2 * epoch / recipe.epochs)  # grows evenly over the first half of the epochs
            loss = recipe.adversarial.loss(detector, x, labels, samples, strength, seed=epoch)
        else:
            loss = cross_entropy(detector(x), labels)
        if not loss.isfinite():
            return loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        total, count = total + loss.item() * len(x), count + len(x)
    return total / count


def _logits(
    detector: nn.Module,
    dataset: Dataset[Sample],
    recipe: Recipe,
    device: torch.device | str,
    adversarial: Adversarial | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits and labels of a whole set, on the processor."""
    logits, all_labels = [], []
    for x, labels, samples in DataLoader(dataset, recipe.batch_size, generator=torch.Generator()):
        x, labels = x.to(device), labels.to(device)
        if adversarial:
            x = adversarial.attacked(detector, x, labels, samples)
        with torch.no_grad():
            logits.append(detector(x).cpu())
        all_labels.append(labels.cpu())
    return torch.cat(logits), torch.cat(all_labels)


def _validate(
    detector: nn.Module, dataset: Dataset[Sample], recipe: Recipe, device: torch.device | str
) -> dict[str, float]:
    """Losses and accuracies on the validation set; `selection_loss` weighs them as training does."""
    detector.eval()
    logits, labels = _logits(detector, dataset, recipe, device)
    row = {
        "validation_loss": float(cross_entropy(logits, labels)),
        "validation_accuracy": float((logits.argmax(1) == labels).double().mean()),
    }
    row["selection_loss"] = row["validation_loss"]
    if recipe.adversarial and math.isfinite(row["validation_loss"]):
        attacked, _ = _logits(detector, dataset, recipe, device, recipe.adversarial)
        row["validation_robust_accuracy"] = float((attacked.argmax(1) == labels).double().mean())
        row["selection_loss"] = recipe.adversarial.weigh(logits, attacked, labels)
    return row
