"""What every detector keeps to: pixels (N, 3, H, W), float32 in [0, 1], in; logits (N, 2), [real, fake], out."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from rrlib.errors import InputError

Modality: TypeAlias = Literal["image", "video"]  # images (N, 3, H, W), or clips (N, T, 3, H, W)


def check_logits(logits: Tensor, samples: int, name: str) -> Tensor:
    """The same logits, once they are known to be finite and of shape (samples, 2).

    `name` is the detector's, for the message. Raises InputError for anything that is not a tensor, another
    shape, NaN or infinity.

    >>> check_logits(torch.zeros(3, 2), samples=3, name="meso4").shape
    torch.Size([3, 2])
    """
    check_shape(logits, samples, name)
    bad = ~torch.isfinite(logits).all(dim=1)
    if bad.any():
        raise InputError(
            f"{name} returned NaN or infinite logits for {int(bad.sum())} of {samples} samples, the first at "
            f"index {int(bad.nonzero()[0])}; check its weights and that its input is finite and in [0, 1]"
        )
    return logits


def check_shape(logits: Tensor, samples: int, name: str) -> Tensor:
    """The same logits, once they are known to be of shape (samples, 2); InputError as `check_logits` says.

    It looks at no value, so it does not wait for a GPU.
    """
    if not isinstance(logits, Tensor):
        raise InputError(
            f"{name} returned a {type(logits).__name__}; a detector returns a tensor of shape ({samples}, 2), "
            "the logits [real, fake]"
        )
    shape = tuple(logits.shape)
    if shape in ((samples,), (samples, 1)):
        raise InputError(
            f"{name} returned one logit per sample (shape {shape}) where two, [real, fake], are needed; "
            "wrap it in rrlib.detectors.contract.OneLogit"
        )
    if shape != (samples, 2):
        raise InputError(
            f"{name} returned shape {shape}; a detector returns ({samples}, 2), the logits [real, fake] "
            f"of {samples} samples"
        )
    return logits


def two_logits(fake: Tensor) -> Tensor:
    """[0, z] (N, 2) for z (N,) or (N, 1): the softmax of [0, z] gives fake the probability sigmoid(z).

    >>> two_logits(torch.tensor([3.0]))
    tensor([[0., 3.]])
    """
    fake = fake.reshape(-1)
    return torch.stack([torch.zeros_like(fake), fake], dim=1)


class OneLogit(nn.Module):
    """A detector whose one output, (N,) or (N, 1), is the logit z of fake; as two logits, [0, z].

    Raises InputError if the wrapped module returns any other shape.

    >>> one = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    >>> OneLogit(one)(torch.rand(5, 3, 2, 2)).shape
    torch.Size([5, 2])
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x: Tensor) -> Tensor:
        z = self.detector(x)
        if tuple(z.shape) not in ((len(x),), (len(x), 1)):
            raise InputError(
                f"OneLogit wraps a detector with one logit per sample, but this one returned shape "
                f"{tuple(z.shape)} for {len(x)} samples; use it unwrapped if it returns [real, fake]"
            )
        return two_logits(z)


class Calibrated(nn.Module):
    """A detector with its logits divided by a temperature (Guo et al. 2017, eq. 9).

    A temperature above 1 makes probabilities less extreme; the predicted label stays. Raises InputError unless
    it is a finite number above 0.

    >>> Calibrated(nn.Identity(), temperature=2.0)(torch.tensor([[0.0, 3.0]]))
    tensor([[0.0000, 1.5000]])
    """

    def __init__(self, detector: nn.Module, temperature: float) -> None:
        super().__init__()
        if not (isinstance(temperature, int | float) and 0 < temperature < math.inf):
            raise InputError(f"the temperature {temperature!r} is not allowed; give a finite number above 0")
        self.detector = detector
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    def forward(self, x: Tensor) -> Tensor:
        return self.detector(x) / self.temperature


@contextmanager
def frozen(detector: nn.Module) -> Iterator[nn.Module]:
    """Inside: eval mode, and no parameter requires a gradient. Afterwards: every flag as it was before.

    Flags come back submodule by submodule and parameter by parameter, after an exception too. What a
    parameter holds in `.grad` is not touched.

    >>> detector = nn.Sequential(nn.Dropout(), nn.Linear(2, 2))
    >>> with frozen(detector):
    ...     detector.training, detector[1].weight.requires_grad
    (False, False)
    >>> detector.training, detector[1].weight.requires_grad
    (True, True)
    """
    modes = [(module, module.training) for module in detector.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in detector.parameters()]
    try:
        yield _without_gradients(detector.eval())
    finally:
        for module, training in modes:
            module.training = training
        for parameter, requires_grad in gradients:
            parameter.requires_grad_(requires_grad)


@contextmanager
def private(detector: nn.Module) -> Iterator[nn.Module]:
    """Inside: a copy of `detector` in eval mode and without gradients of its weights, which may be rearranged at will.

    Where it cannot be copied, it is the detector itself, `frozen`: its flags are afterwards as before, its device and
    the layout of its weights may not be.

    >>> detector = nn.Linear(2, 2)
    >>> with private(detector) as copied:
    ...     copied is detector, copied.training
    (False, False)
    """
    copied, _ = frozen_copy(detector)
    if copied is not None:
        yield copied
    else:
        with frozen(detector):
            yield detector


def frozen_copy(detector: nn.Module) -> tuple[nn.Module | None, str]:
    """A deep copy in eval mode, no parameter of which requires a gradient; or None, and why there can be none."""
    try:
        return _without_gradients(copy.deepcopy(detector).eval()), ""
    except Exception as error:  # whatever a handle, a lock or a tensor with a history makes of it
        return None, said(error)


def _without_gradients(detector: nn.Module) -> nn.Module:
    for parameter in detector.parameters():  # TorchScript has no requires_grad_ for a module
        parameter.requires_grad_(False)
    return detector


def said(error: BaseException) -> str:
    """What the exception of another's code says, on one line of at most 200 characters.

    >>> said(KeyError("x"))
    "KeyError ('x')"
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__} ({text if len(text) <= 200 else text[:199] + '…'})"
