"""A detector is tried before it is measured: two pictures show most of what would make its numbers wrong."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from rrlib.detectors import checkpoints
from rrlib.detectors.contract import Calibrated, Modality, OneLogit, check_shape, frozen, said
from rrlib.detectors.temporal import FrameMean
from rrlib.errors import InputError

FRAMES = 4  # of a clip, where any number will do
SAME = 1e-5  # by which two answers to one batch may differ, as a share of the largest logit or of 1
ALONE = 1e-3  # … an answer in a batch and one alone, which are other sums in float32
LOOKS = 6  # more, at a detector that draws random numbers
WRAPPERS = (OneLogit, Calibrated, FrameMean)
# autograd's names of what ends in a probability, and of what only moves numbers about
PROBABILITIES: tuple[str, ...] = ("Sigmoid", "Softmax", "Hardsigmoid")
MOVES: tuple[str, ...] = (
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Select",
    "Stack",
    "Cat",
    "AsStrided",
)
MOVES += ("Clone", "Alias", "ToCopy", "T", "Transpose", "Permute", "Index", "Expand")


def try_out(
    detector: nn.Module,
    input_size: int,
    modality: Modality = "image",
    frames: int | None = None,
    name: str = "",
    again: Callable[[], nn.Module] | None = None,
) -> tuple[str, ...]:
    """What could not be tried of a detector that passes, a sentence each; InputError for one that fails.

    In eval mode it looks at two pictures, or clips of `frames` frames (4 where any number will do), of `input_size` ×
    `input_size` pixels. They are smooth, coloured and textured, as photographs are, and the same in every run. Asked
    are two finite logits a sample; the same answer twice, and alone as in a batch; an unchanged input; a gradient to
    the pixels; and logits, not probabilities or labels. A probability is known by rows in [0, 1] that sum to 1, or,
    also of what `OneLogit` wraps, by a sigmoid or softmax as the last step. One column written
    out as 1 / (1 + exp(−z)) is not seen.

    `again` builds the same detector a second time, from other random numbers. With it the state dict is taken as a
    checkpoint holds it, and the second detector must answer the same with it: what the first computes with besides,
    such as a buffer that is not persistent, is lost with a save. It takes some five forwards and one gradient; modes,
    gradients, buffers and random generators are afterwards as they were. `name` is the detector's, for messages.

    >>> from rrlib.detectors.catalogue import build
    >>> try_out(build("resnet", 32, seed=0), 32, again=lambda: build("resnet", 32, seed=1))
    ()
    >>> try_out(nn.Sequential(build("resnet", 32, seed=0), nn.Softmax(dim=1)), 32, name="mine")
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: mine returns probabilities, in [0, 1] and with the sum 1, where logits are due; leave out \
its softmax or return their logarithms
    """
    name = name or type(detector).__name__
    device = next((tensor.device for tensor in [*detector.parameters(), *detector.buffers()]), torch.device("cpu"))
    state = checkpoints.tensors(detector, name) if again else {}
    x = pictures(input_size, None if modality == "image" else frames or FRAMES).to(device)
    with _generators_as_before(device), _buffers_as_before(detector), frozen(detector):
        logits = _look(detector, x.clone(), name)
        _check_unchanged(detector, x, name)
        _check_repeats(detector, x, logits, name)
        _check_values(logits, name)
        _check_gradient(detector, x, logits, name)
        if again is None:
            return ("a save and a load were not tried: the detector cannot be built a second time here",)
        return _check_saved(detector, state, x, logits, name, again)


def pictures(size: int, frames: int | None = None) -> Tensor:
    """Two unlike pictures (2, 3, size, size), or clips (2, frames, 3, size, size): whole grey levels in [0, 1].

    A soft oval before a background, with texture whose amplitude falls with its frequency, as in photographs (Field
    1987, JOSA A 4, "Relations between the statistics of natural images and the response properties of cortical cells").
    From frame to frame a clip's picture moves and darkens a little.

    >>> pictures(32, frames=3).shape
    torch.Size([2, 3, 3, 32, 32])
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.fft.rfft2(torch.randn(2, 3, size, size, generator=generator))
    down, across = torch.meshgrid(torch.fft.fftfreq(size), torch.fft.rfftfreq(size), indexing="ij")
    texture = torch.fft.irfft2(noise / (down**2 + across**2 + 1 / size**2).sqrt() ** 1.5, s=(size, size))
    texture = texture / texture.std(dim=(2, 3), correction=0, keepdim=True).clamp(min=1e-9)
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    ovals = torch.stack([torch.sigmoid(8 * (r - (x / 0.7) ** 2 - y**2)) for r in (0.6, 0.4)])[:, None]
    behind = torch.tensor([[0.35, 0.45, 0.55], [0.6, 0.5, 0.35]])[:, :, None, None]
    before = torch.tensor([[0.75, 0.6, 0.5], [0.45, 0.3, 0.25]])[:, :, None, None]
    picture = behind + (before - behind) * ovals + 0.07 * texture
    if frames is not None:
        moved = [picture.roll((t, 2 * t), dims=(2, 3)) * (1 - 0.01 * (t % 16)) for t in range(frames)]
        picture = torch.stack(moved, dim=1)
    return (picture.clamp(0.02, 0.98) * 255).round() / 255


def _look(detector: nn.Module, x: Tensor, name: str, gradient: bool = False) -> Tensor:
    """The detector's logits, (N, 2) and finite."""
    try:
        with torch.enable_grad() if gradient else torch.no_grad():
            logits = detector(x)
    except InputError as error:
        told = str(error)
        raise InputError(told if told.startswith(name) else f"{name}: {told}") from error
    except Exception as error:  # anything may go wrong in another's code
        asked = "a gradient to its pixels is asked of" if gradient else "it looks at"
        raise InputError(f"{name} raised {said(error)} as {asked} {_shape(x)}; correct it") from error
    check_shape(logits, len(x), name)
    if not logits.is_floating_point():
        raise InputError(f"{name} returned {logits.dtype}; a detector returns logits, floating-point numbers")
    if not bool(torch.isfinite(logits).all()):
        raise InputError(
            f"{name} returned NaN or infinite logits for an ordinary picture of {_shape(x)}; check its weights and its "
            "normalisation"
        )
    return logits


def _check_unchanged(detector: nn.Module, x: Tensor, name: str) -> None:
    given = x.clone()
    _look(detector, given, name)
    if not torch.equal(given, x):
        raise InputError(
            f"{name} changes its input in place, by up to {float((given - x).abs().max()):.2g}; let its forward make a "
            "new tensor, such as x = x - mean"
        )


def _check_repeats(detector: nn.Module, x: Tensor, logits: Tensor, name: str) -> None:
    """One answer to one picture: again, alone, and more often if random numbers are drawn."""
    before, states = {key: buffer.clone() for key, buffer in detector.named_buffers()}, _states(x.device)
    second = _look(detector, x.clone(), name)
    looks = 0 if _states(x.device) == states else LOOKS
    differences = [_difference(logits, each) for each in (second, *(_look(detector, x, name) for _ in range(looks)))]
    if max(differences) > SAME:
        raise InputError(
            f"{name} gives two answers to one picture, {max(differences):.2g} of a logit apart; switch off in eval "
            "mode whatever draws numbers or remembers, such as dropout and noise"
        )
    alone = torch.cat([_look(detector, each[None].clone(), name) for each in x])
    if _difference(logits, alone) > max(ALONE, 4 * torch.finfo(logits.dtype).eps):
        changed = [key for key, buffer in detector.named_buffers() if key in before and _differs(buffer, before[key])]
        cause = f"it updates {', '.join(changed[:3])}, so is in train mode" if changed else "without running statistics"
        raise InputError(
            f"{name} answers otherwise alone than in a batch, by {_difference(logits, alone):.2g} of a logit; an "
            f"answer may depend on its own sample alone (a batch norm: {cause}?)"
        )


def _check_values(logits: Tensor, name: str) -> None:
    """Logits, not probabilities or labels."""
    rows = logits.detach().double()
    if not bool(((rows >= -1e-6) & (rows <= 1 + 1e-6)).all() and ((rows.sum(dim=1) - 1).abs() < 1e-4).all()):
        return
    if bool(((rows == 0) | (rows == 1)).all()):
        raise InputError(f"{name} returns labels, a 0 and a 1, where logits are due; return what their argmax is of")
    raise InputError(
        f"{name} returns probabilities, in [0, 1] and with the sum 1, where logits are due; leave out its softmax or "
        "return their logarithms"
    )


def _check_gradient(detector: nn.Module, x: Tensor, logits: Tensor, name: str) -> None:
    """Finite, not zero where the answers differ; on the way, what wrapped modules return."""
    leaf = x.clone().requires_grad_()
    with _watched(detector, name):
        found = _look(detector, leaf, name, gradient=True)
    if _is_probability(found):
        raise InputError(_ends_in_probability(name))
    if not found.requires_grad:
        gradient = None
    else:
        try:
            (gradient,) = torch.autograd.grad((found[:, 1] - found[:, 0]).sum(), leaf, allow_unused=True)
        except Exception as error:  # a step without a derivative, an in-place change, an operation of one's own
            raise InputError(f"{name} raised {said(error)} as its gradient was asked for; correct it") from error
    if gradient is None:
        raise InputError(
            f"{name} has no gradient to the pixels, which attacks need; its forward may use no no_grad, "
            "inference_mode, detach, NumPy, or whole numbers such as argmax"
        )
    if not bool(torch.isfinite(gradient).all()):
        raise InputError(f"{name} has a NaN or infinite gradient at an ordinary picture; check its normalisation")
    apart = float((logits[0] - logits[1]).abs().max())
    if not bool((gradient != 0).any()) and apart > 0:
        raise InputError(
            f"{name} has a gradient of 0 at every pixel of two pictures that it tells apart; leave out what is flat, "
            "such as rounding, or give it a gradient"
        )


def _check_saved(
    detector: nn.Module,
    state: dict[str, Tensor],
    x: Tensor,
    logits: Tensor,
    name: str,
    again: Callable[[], nn.Module],
) -> tuple[str, ...]:
    """The same answers from a second detector with what a checkpoint holds of the first."""
    try:
        other = again()
    except Exception as error:
        return (f"a save and a load were not tried: a second detector could not be built ({said(error)})",)
    try:
        other.load_state_dict(state)
    except Exception as error:
        raise InputError(f"{name} cannot be loaded again: its weights do not fit a new one ({said(error)})") from error
    other = other.to(x.device)
    with frozen(other):
        difference = _difference(logits, _look(other, x.clone(), name))
    if difference > SAME:
        lost = _not_saved(detector)
        named = f" (perhaps {', '.join(lost[:3])})" if lost else ""
        raise InputError(
            f"{name} answers otherwise after a save and a load, by {difference:.2g} of a logit: something random "
            f"that it computes with{named} is not in its state_dict; make it a parameter or a persistent buffer"
        )
    return ()


def _not_saved(detector: nn.Module) -> list[str]:
    """Names of tensors that a detector has besides its state dict."""
    saved = set(detector.state_dict())
    names = [name for name, _ in detector.named_buffers() if name not in saved]
    for prefix, module in detector.named_modules():
        names += [f"{prefix}.{key}".strip(".") for key, value in vars(module).items() if isinstance(value, Tensor)]
    return names


@contextmanager
def _watched(detector: nn.Module, name: str) -> Iterator[None]:
    """Inside, InputError if what a module of `WRAPPERS` wraps returns a probability."""

    def watch(wrapper: nn.Module) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            where = f"{name}: what its {type(wrapper).__name__} wraps"
            if isinstance(output, Tensor) and output.dim() == 2 and output.shape[1] == 2:
                _check_values(output, where)
            if isinstance(output, Tensor) and _is_probability(output):
                raise InputError(_ends_in_probability(where))

        return hook

    with ExitStack() as hooks:
        for module in detector.modules():
            if isinstance(module, WRAPPERS):
                hooks.callback(module.detector.register_forward_hook(watch(module)).remove)
        yield


def _is_probability(output: Tensor) -> bool:
    """Whether autograd's record of a tensor ends in a sigmoid or softmax, but for what only moves numbers about."""
    waiting, ends = [output.grad_fn], []
    while waiting:
        step = waiting.pop()
        if step is None:
            continue
        kind = step.name().rpartition("::")[2].rpartition("Backward")[0]
        if kind in MOVES:
            waiting += [before for before, _ in step.next_functions]
        else:
            ends.append(kind)
    return bool(ends) and all(kind in PROBABILITIES for kind in ends)


def _ends_in_probability(who: str) -> str:
    return f"{who} returns a probability, as it ends in a sigmoid or softmax, where a logit is due; leave that step out"


def _difference(a: Tensor, b: Tensor) -> float:
    """The largest difference, as a share of the largest logit or of 1."""
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    return float((a - b).abs().max() / max(1.0, float(a.abs().max())))


def _differs(a: Tensor, b: Tensor) -> bool:
    return a.shape != b.shape or not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def _shape(x: Tensor) -> str:
    return f"shape {tuple(x.shape)}"


def _states(device: torch.device) -> tuple:
    """Of all generators from which a detector may draw."""
    numpy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 (another's code may draw from it)
    cuda = torch.cuda.get_rng_state(device).tolist() if device.type == "cuda" else ()
    return torch.get_rng_state().numpy().tobytes(), cuda, numpy["key"].tobytes(), numpy["pos"], random.getstate()


@contextmanager
def _generators_as_before(device: torch.device) -> Iterator[None]:
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        np.random.set_state(numpy)  # noqa: NPY002
        random.setstate(python)


@contextmanager
def _buffers_as_before(detector: nn.Module) -> Iterator[None]:
    before = [(buffer, buffer.clone()) for buffer in detector.buffers() if not checkpoints.unusual(buffer)]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                if buffer.shape == value.shape and _differs(buffer, value):
                    buffer.copy_(value)
