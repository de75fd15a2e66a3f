"""The surrogate of a detector: a copy that gives the same answers in less time, whose gradients an attack follows."""

import copy
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rrlib.detectors.contract import check_logits, frozen, frozen_copy, said
from rrlib.detectors.layout import to_device

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
LARGEST_DIFFERENCE = 1e-2  # of probabilities, between copy and original


class Surrogate(NamedTuple):
    """A detector to attack, and a sentence that says what it is."""

    detector: nn.Module
    description: str


class _Affine(nn.Module):
    """x · scale + shift per channel; None leaves a part out."""

    scale: Tensor | None
    shift: Tensor | None

    def __init__(self, scale: Tensor | None, shift: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.scale is None else x * self.scale
        return x if self.shift is None else x + self.shift


def surrogate(detector: nn.Module, x: Tensor, name: str = "") -> Surrogate:
    """A frozen copy of `detector` on its device, batch norms folded, checked against the original on the batch `x`.

    It takes the place of the original for gradients only if it runs, no label of `x` differs and no probability differs
    by more than `LARGEST_DIFFERENCE`; else the surrogate is a plain copy, or, where there can be none, the detector
    itself. Either way the description says so. Raises InputError, with the detector's `name`, if its logits for `x`
    break the contract.

    >>> from rrlib.detectors.catalogue import build
    >>> surrogate(build("resnet", 32, seed=0), torch.rand(2, 3, 32, 32)).description[:35]
    'a copy with 9 batch norms folded in'
    """
    name = name or type(detector).__name__
    plain, why = frozen_copy(detector)
    if plain is None:
        with frozen(detector), torch.no_grad():
            check_logits(detector(x), len(x), name)
        return Surrogate(detector, f"the detector itself: it cannot be copied: {why}")
    with torch.no_grad():
        expected = _probabilities(check_logits(plain(x), len(x), name))
        try:
            folded, count = fold(plain, x[:1])
            if count == 0:
                return Surrogate(plain, "the detector itself: it has no batch norm to fold into a convolution")
            found = _probabilities(folded(x))
        except Exception as error:  # whatever hooks and other languages make of the fold: the detector runs
            return Surrogate(plain, f"the detector itself: a copy with batch norms folded does not run: {said(error)}")
    difference = float((expected - found).abs().max())
    flipped = int((expected.argmax(dim=1) != found.argmax(dim=1)).sum())
    if difference <= LARGEST_DIFFERENCE and not flipped:
        return Surrogate(
            folded,
            f"a copy with {count} batch norms folded into convolutions; on the first batch its probabilities differ "
            f"by at most {difference:.0e}",
        )
    return Surrogate(
        plain,
        f"the detector itself: a copy with {count} batch norms folded differed by up to {difference:.2g} in "
        f"probability and in {flipped} of {len(x)} labels on the first batch",
    )


def _probabilities(logits: Tensor) -> Tensor:
    return logits.cpu().double().softmax(dim=1)


def fold(detector: nn.Module, x: Tensor) -> tuple[nn.Module, int]:
    """A frozen copy of `detector` in eval mode with its batch norms folded, and how many they were.

    Two orders are known. Convolution, batch norm: the convolution takes over scale and shift (Jacob et al. 2018,
    arXiv 1712.05877, section 3.2). Convolution, ReLU, batch norm: since |a| relu(z) = relu(|a| z), the convolution
    takes over the size of the scale; its sign, where it is negative, and the shift stay, the shift behind a max pooling
    that follows, where there is less to add to. What follows what is seen by running `x` through, so it does not matter
    how the network is written; a network that hides a second use of a tensor would come out wrong, which is why
    `surrogate` compares. A convolution whose weight is computed by hooks keeps its norm.
    """
    folded = copy.deepcopy(detector).eval().requires_grad_(False)
    source, rank = _sources(folded, x)
    count = 0
    for name, module in list(folded.named_modules()):
        if not _plain(module, NORMS) or name not in source or "running_var" not in module.state_dict():
            continue
        before = source[name]
        at = folded.get_submodule(before) if before else None
        if at is not None and _plain(at, CONVOLUTIONS):
            folded.set_submodule(
                before, fuse_conv_bn_eval(cast(nn.Conv2d, at), cast(nn.BatchNorm2d, module)).requires_grad_(False)
            )
            folded.set_submodule(name, nn.Identity())
            count += 1
        elif isinstance(at, nn.ReLU) and _plain(folded.get_submodule(source.get(before, "")), CONVOLUTIONS):
            pools = [each for each, origin in source.items() if origin == name]
            _fold_across_relu(folded, source[before], name, pools, rank[name])
            count += 1
    return to_device(folded, x.device, x[0]), count


def _plain(module: nn.Module | None, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether a module computes as one of these classes does, with a weight of its own and without hooks.

    Spectral and weight norm and pruning compute a weight anew in each forward, so that a folded one would be lost.
    """
    base = next((kind for kind in kinds if isinstance(module, kind)), None)
    if module is None or base is None:
        return False
    same = all(getattr(type(module), name, None) is getattr(base, name, None) for name in ("forward", "_conv_forward"))
    return same and "weight" in module._parameters and not module._forward_pre_hooks and not module._forward_hooks


def _fold_across_relu(folded: nn.Module, convolution: str, norm: str, followers: list[str], rank: int) -> None:
    """Convolution → ReLU → batch norm, all by name; `followers` take the norm's output, of so many dimensions."""
    # or of one or three dimensions, with the same attributes
    conv, batch_norm = (
        cast(nn.Conv2d, folded.get_submodule(convolution)),
        cast(nn.BatchNorm2d, folded.get_submodule(norm)),
    )
    assert batch_norm.running_mean is not None  # `fold` has looked
    assert batch_norm.running_var is not None
    like = (1, -1) + (1,) * (rank - 2)
    scale = (batch_norm.running_var + batch_norm.eps).rsqrt()
    scale = scale if batch_norm.weight is None else scale * batch_norm.weight
    shift = -batch_norm.running_mean * scale
    shift = (shift if batch_norm.bias is None else shift + batch_norm.bias).view(like)
    with torch.no_grad():
        conv.weight.mul_(scale.abs().view(-1, *[1] * (conv.weight.dim() - 1)))
        if conv.bias is not None:
            conv.bias.mul_(scale.abs())
    sign = scale.sign().view(like) if bool((scale < 0).any()) else None
    if len(followers) == 1 and isinstance(folded.get_submodule(followers[0]), POOLS):
        pool = folded.get_submodule(followers[0])
        folded.set_submodule(norm, nn.Identity() if sign is None else _Affine(sign, None))
        folded.set_submodule(followers[0], nn.Sequential(pool, _Affine(None, shift)))
    else:
        folded.set_submodule(norm, _Affine(sign, shift))


def _sources(detector: nn.Module, x: Tensor) -> tuple[dict[str, str], dict[str, int]]:
    """For each leaf module that always takes the output of the same other leaf: that one; and dimensions of outputs."""
    made_by: dict[int, str] = {}
    runs: dict[str, list[str]] = {}
    rank: dict[str, int] = {}
    kept: list[Tensor] = []  # an id is a tensor's own only while the tensor lives

    def watch(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                runs.setdefault(name, []).append(made_by.get(id(inputs[0]), ""))
                made_by[id(output)], rank[name] = name, output.dim()
                kept.extend((inputs[0], output))

        return hook

    leaves = [(name, module) for name, module in detector.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.no_grad(), frozen(detector):
            detector(x)
    finally:
        for handle in handles:
            handle.remove()
    # a network that takes a batch in parts runs each of its modules as often; another count is another use
    steady = {name: origins for name, origins in runs.items() if len(set(origins)) == 1}
    chained = {name: origins[0] for name, origins in steady.items() if len(steady.get(origins[0], ())) == len(origins)}
    return chained, rank
