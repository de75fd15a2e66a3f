"""Where a detector and its batches live, and in which order their pixels lie there."""

import torch
from torch import Tensor, nn

from rrlib.detectors.contract import frozen

CHANNELS_LAST: dict[type[nn.Module], torch.memory_format] = {
    nn.Conv2d: torch.channels_last,
    nn.Conv3d: torch.channels_last_3d,
}


def to_device(detector: nn.Module, device: torch.device | str, sample: Tensor) -> nn.Module:
    """The detector, moved to `device`, its convolutions channels last where that helps and the detector can do it.

    The same sums in another order: on a processor convolutions of few channels take 0.5 to 0.8 of the time
    (`benchmarks/`), and results move by float32 rounding. On a GPU it helps half precision, not the float32 that
    results are reported in (https://github.com/pytorch/pytorch/issues/44943), so nothing is rearranged there.

    `sample`, one image (3, H, W) or clip (T, 3, H, W) of the detector's size, is shown to it once: a forward that calls
    `view` on its features, or wants them contiguous, does not run channels last, and such a detector stays as it is.
    """
    detector = detector.to(device)
    convolutions = [module for module in detector.modules() if type(module) in CHANNELS_LAST]
    if convolutions and torch.device(device).type == "cpu":
        for module in convolutions:
            _arrange(module, CHANNELS_LAST[type(module)])
        if not _runs(detector, batch_to_device(sample[None], device, detector)):
            for module in convolutions:
                _arrange(module, torch.contiguous_format)
    return detector


def batch_to_device(x: Tensor, device: torch.device | str, detector: nn.Module) -> Tensor:
    """A batch on `device`, images laid out as `to_device` laid out the detector that looks at them."""
    x = x.to(device, non_blocking=True)
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 and _channels_last(detector) else x


def _arrange(module: nn.Module, order: torch.memory_format) -> None:
    module.to(memory_format=order)  # type: ignore[call-overload]  # torch's stubs lack this one


def _channels_last(detector: nn.Module) -> bool:
    weights = (module.weight for module in detector.modules() if type(module) is nn.Conv2d)
    # the weights of a 1 × 1 convolution are contiguous in both orders
    return any(each.is_contiguous(memory_format=torch.channels_last) and not each.is_contiguous() for each in weights)


def _runs(detector: nn.Module, x: Tensor) -> bool:
    try:
        with frozen(detector), torch.no_grad():
            detector(x)
    except Exception:  # `view` raises a RuntimeError, another's kernel anything; any other cause is told at the attack
        return False
    return True
