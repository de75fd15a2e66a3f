"""What a checklist of attacks asks of a detector besides its result tables, on a few samples: one row each.

Carlini et al. (2019, arXiv 1902.06705, section 5) list what tells a robust detector from one whose gradients only hide.
A part of that needs a few more looks: at an attack without a bound, at a black box, at a longer search, at the gradient
itself. What is found here is judged by `rrlib.analysis.trust`, together with the tables.

| column | meaning |
|---|---|
| sample, group, label | as in a result table |
| p_clean, p_again | probability of fake, and the same of the same input once more |
| gradient | whether the gradient of the margin, which attacks follow, is finite and not zero everywhere |
| loss_gradient | the same of the cross-entropy's gradient, which a saturated score rounds to zero |
| slope_error | by how much finite differences miss the gradient, as a share of the larger; NaN where not finite |
| rise | margin of the wrong answer at the end of a way of small steps, less that at its start, in logits |
| rising | share of those steps that raised it |
| unbounded_low, unbounded_high | lowest and highest probability of fake that attacks at ε = 1 end with |
| square | shift that the black box reaches at the ε of the study's highlight |
| long | shift that a longer search reaches there |
| long_low, long_high | lowest and highest probability of fake that its attacks end with |
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import default_collate

from rrlib import attacks, files
from rrlib.attacks import Clean, Rule
from rrlib.detectors import batch_to_device, check_logits, private, to_device
from rrlib.errors import InputError, parsing
from rrlib.evaluation import measuring
from rrlib.evaluation.samples import Labelled
from rrlib.metrics import probability_shift

IMAGES, CLIPS = 24, 16  # samples that are looked at: some ten seconds of one processor for small detectors
MOST_OF_GROUP = 4  # samples of one group, so that a few large groups do not stand for all
AT_ONCE = 3 * 2**20  # numbers in one batch, 16 images of 256 × 256: fixed, so that no `batch_size` plays a part
WAY = 8  # small steps along which the loss should rise, together as long as ε
STEP = {torch.float64: 1e-6, torch.float32: 1e-4}  # of finite differences, in pixel units
UNBOUNDED: dict[str, Rule] = {
    "fgsm": attacks.rule("fgsm"),
    "pgd": attacks.rule("pgd", steps=12),
    "pgd from the clean input": attacks.rule("pgd", steps=12, random_start=False),
}
BLACK_BOX = attacks.rule("square", queries=100)
LONG: dict[str, Rule] = {
    "shift": attacks.rule("shift", steps=20, restarts=2, schedule="apgd"),
    "pgd": attacks.rule("pgd", steps=20),
}
DIGITS = 6  # significant ones, as far as float32 goes
COLUMNS = {
    **{"sample": "str", "group": "str", "label": "int64", "p_clean": "float64", "p_again": "float64"},
    **{"gradient": "bool", "loss_gradient": "bool"},
    **dict.fromkeys(["slope_error", "rise", "rising", "unbounded_low", "unbounded_high"], "float64"),
    **dict.fromkeys(["square", "long", "long_low", "long_high"], "float64"),
}


class Part:
    """Some samples of a data set, which keep their numbers there: so attacks start where they start in the whole.

    `table` is that of the whole, as numbers point into it.
    """

    def __init__(self, whole: Labelled, numbers: Sequence[int]) -> None:
        self.table, self.numbers = whole.table, list(numbers)
        self.whole = whole

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int, /) -> tuple[Tensor, int, int]:
        return self.whole[self.numbers[index]]


def part(whole: Labelled, count: int, seed: int) -> Part:
    """About `count` samples in whole groups, in an order that `seed` and the groups' names alone decide.

    Of a group of more than `MOST_OF_GROUP` samples so many are taken, by the same rule.

    >>> x, y = torch.rand(9, 3, 8, 8), torch.tensor([0, 1, 0] * 3)
    >>> from rrlib.evaluation.samples import labelled
    >>> len(part(labelled((x, y)), count=4, seed=0))
    4
    """
    table = whole.table.reset_index(drop=True)
    order = table.assign(
        _group=[_place(seed, str(group)) for group in table["group"]],
        _sample=[_place(seed, str(sample)) for sample in table["sample"]],
    ).sort_values(["_group", "_sample"], kind="stable")
    taken: list[int] = []
    for _, rows in order.groupby("_group", sort=True):
        if len(taken) >= count:
            break
        taken += [int(number) for number in rows.index[:MOST_OF_GROUP]]
    return Part(whole, sorted(taken))


def probe(
    detector: nn.Module,
    dataset: Labelled,
    epsilon: float,
    *,
    distance: str = "linf",
    seed: int = 0,
    device: torch.device | str = "cpu",
    fold: bool = True,
    at_once: int = AT_ONCE,
    name: str = "",
) -> pd.DataFrame:
    """A row for each sample of `dataset`, with the columns above; ε in (0, 1] is that of the study's highlight.

    The detector is copied and stays as it is. Samples of `at_once` numbers are looked at together; each row is that of
    its sample alone, up to the rounding of float32.

    Raises:
        InputError: for an ε that is no radius, and for a detector that breaks its contract.
    """
    attacks.check_epsilons([epsilon], "epsilon")
    if epsilon == 0:
        raise InputError("epsilon is 0, where nothing is attacked; give the radius that the study singles out")
    name, device = name or type(detector).__name__, torch.device(device)
    first = dataset[0][0]
    count = max(1, at_once // first.numel())
    parts = []
    with private(detector) as copied:
        copied = to_device(copied, device, first)
        followed = measuring.surrogate_of(copied, dataset, device, fold, compiled=False, name=name).detector
        for begin in range(0, len(dataset), count):
            chosen = range(begin, min(begin + count, len(dataset)))
            x, labels, samples = default_collate([dataset[number] for number in chosen])
            batch = _Batch(batch_to_device(x, device, copied), labels.to(device), samples, seed, distance, name)
            about = dataset.table.iloc[samples.numpy()][["sample", "group"]].reset_index(drop=True)
            parts.append(about.assign(label=labels.numpy(), **_look(copied, followed, batch, epsilon)))
    return pd.concat(parts, ignore_index=True)


class _Batch(NamedTuple):
    x: Tensor
    labels: Tensor
    samples: Tensor
    seed: int
    distance: str
    name: str


def _look(detector: nn.Module, followed: nn.Module, batch: _Batch, epsilon: float) -> dict[str, Any]:
    """The columns of one batch; attacks follow the gradients of `followed`, and `detector` is what is reported."""
    before, again = (measuring.probabilities(_answers(detector, batch)) for _ in range(2))
    clean = Clean(followed, batch.x, batch.labels, batch.name)
    _, gradient = clean.gradient()
    found: dict[str, Any] = {"p_clean": before[:, 1], "p_again": again[:, 1], "gradient": _usable(gradient)}
    found["loss_gradient"] = _usable(_loss_gradient(followed, batch))
    found["slope_error"] = _slope_error(detector, followed, batch)
    found["rise"], found["rising"] = _way(followed, clean, epsilon, batch)
    unbounded = _attacked(UNBOUNDED, detector, clean, batch, 1.0)
    found["unbounded_low"], found["unbounded_high"] = _ends(unbounded, before)
    found["square"] = _furthest(_attacked({"square": BLACK_BOX}, detector, clean, batch, epsilon), before, batch)
    longer = _attacked(LONG, detector, clean, batch, epsilon)
    found["long"] = _furthest(longer, before, batch)
    found["long_low"], found["long_high"] = _ends(longer, before)
    return {name: np.asarray(values.cpu()) for name, values in found.items()}


def _answers(detector: nn.Module, batch: _Batch) -> Tensor:
    with torch.no_grad():
        return check_logits(detector(batch.x), len(batch.x), batch.name)


def _usable(gradient: Tensor) -> Tensor:
    """Whether a gradient (N, …) is finite, and not zero everywhere: (N,) bool."""
    flat = gradient.flatten(1)
    return flat.isfinite().all(1) & (flat != 0).any(1)


def _loss_gradient(followed: nn.Module, batch: _Batch) -> Tensor:
    """That of log(1 + e^margin), which is the cross-entropy: it rounds to zero where the margin is below about −100."""
    with torch.enable_grad():
        x = batch.x.detach().clone().requires_grad_()
        logits = followed(x)
        margins = (logits[:, 1] - logits[:, 0]) * (1 - 2 * batch.labels)
        (gradient,) = torch.autograd.grad(softplus(margins, threshold=1e4).sum(), x)
    return gradient


def _slope_error(detector: nn.Module, followed: nn.Module, batch: _Batch) -> Tensor:
    """Central differences of the detector beside the gradient that attacks follow, (N,), along two directions.

    The first is the gradient's sign, the second has random signs, so that a part of the picture without a gradient
    shows. In float64, where the detector can be copied to it: then the step can be too small to meet a kink.
    """
    try:
        exact, exact_followed = (copy.deepcopy(each).double() for each in (detector, followed))
        return _missed(exact, exact_followed, batch.x.double(), batch)
    except Exception:  # cannot be copied, or is written for float32; what is wrong with it otherwise has been said
        return _missed(detector, followed, batch.x, batch)


def _missed(detector: nn.Module, followed: nn.Module, x: Tensor, batch: _Batch) -> Tensor:
    step, labels = STEP[x.dtype], batch.labels
    _, gradient = Clean(followed, x, labels, batch.name).gradient()
    signs = attacks.uniform(tuple(x.shape), batch.seed, batch.samples.to(x.device)).sign().to(x.dtype)
    length = gradient.flatten(1).double().norm(dim=1)
    worst = torch.zeros_like(length)
    for direction in (gradient.sign(), signs):
        ahead, behind = (_margin(detector, x + way * step * direction, batch) for way in (1, -1))
        slope, difference = (gradient * direction).flatten(1).double().sum(1), (ahead - behind) / (2 * step)
        scale = torch.stack([slope.abs(), difference.abs(), length]).amax(0)
        worst = torch.maximum(worst, torch.where(scale == 0, scale, (difference - slope).abs() / scale))
    return worst


def _margin(detector: nn.Module, x: Tensor, batch: _Batch) -> Tensor:
    """z_wrong − z_true, (N,)."""
    with torch.no_grad():
        logits = check_logits(detector(x), len(x), batch.name).double()
    return (logits[:, 1] - logits[:, 0]) * (1 - 2 * batch.labels)


def _way(followed: nn.Module, clean: Clean, epsilon: float, batch: _Batch) -> tuple[Tensor, Tensor]:
    """How far the margin rises along `WAY` steps of ε / `WAY` from the clean input, and the share that rise."""
    x, (last, gradient) = batch.x, clean.gradient()
    first, rises = last, torch.zeros_like(last)
    for _ in range(WAY):
        x = (x + epsilon / WAY * gradient.sign()).clamp(0, 1)
        margins, gradient = Clean(followed, x, batch.labels, batch.name).gradient()
        rises, last = rises + (margins > last), margins
    return last - first, rises / WAY


def _attacked(
    rules: Mapping[str, Rule], detector: nn.Module, clean: Clean, batch: _Batch, epsilon: float
) -> list[Tensor]:
    """What the detector says of what each of these attacks finds, (N, 2) each."""
    sweeps = attacks.sweep_together(
        rules,
        clean.detector,
        batch.x,
        batch.labels,
        [epsilon],
        seed=batch.seed,
        samples=batch.samples,
        clean=clean,
    )
    measured = measuring.measure(sweeps, detector, batch.x, batch.name)
    return [cast(Tensor, steps[0].p_attacked) for steps in measured.values()]


def _ends(attacked: Sequence[Tensor], before: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest probability of fake, the clean one among them, as it lies in the ball: (N,), (N,)."""
    fake = torch.stack([before, *attacked])[..., 1]
    return fake.amin(0), fake.amax(0)


def _furthest(attacked: Sequence[Tensor], before: Tensor, batch: _Batch) -> Tensor:
    return torch.stack([probability_shift(before, each, batch.distance) for each in attacked]).amax(0)


def write(path: Path, table: pd.DataFrame, about: Mapping[str, object]) -> None:
    """A probe as JSON, whole or not at all, numbers to six digits; `about` says what it is of, by name."""
    files.write_text(path, json.dumps(to_json(table, about), indent=1) + "\n")


def to_json(table: pd.DataFrame, about: Mapping[str, object]) -> dict[str, Any]:
    """A probe as what JSON can say: `about`, and `rows` with numbers to six digits."""
    rounded = table.copy()
    for column in rounded.select_dtypes("float"):
        rounded[column] = [float(f"{value:.{DIGITS}g}") for value in rounded[column]]
    return {"about": dict(about), "rows": rounded.astype(object).where(rounded.notna(), None).to_dict("records")}


def from_json(held: Mapping[str, Any]) -> pd.DataFrame:
    """A probe from what `to_json` said, with `about` in its `attrs`."""
    table = pd.DataFrame(held["rows"], columns=list(COLUMNS)).astype(COLUMNS)
    table.attrs = dict(held["about"])
    return table


def read(path: Path) -> pd.DataFrame:
    """A probe as `write` left it, with `about` in its `attrs`; raises InputError if it is absent or damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    with parsing(path, "a whole probe", "run `dvc repro` again"):
        return from_json(json.loads(path.read_text(encoding="utf-8")))


def _place(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
