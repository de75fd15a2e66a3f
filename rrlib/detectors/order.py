"""Weights whose two classes stand the other way round."""

import torch
from torch import Tensor, nn

from rrlib.detectors.contract import Modality, frozen
from rrlib.detectors.trial import FRAMES, pictures
from rrlib.errors import InputError

SAME = 1e-4  # by which the swapped margin may differ from the negative one, as a share of the largest or of 1


def swap_classes(detector: nn.Module, input_size: int, modality: Modality = "image", name: str = "") -> None:
    """Let a detector say real where it said fake, in place, by its last linear layer: the weights keep their shapes.

    Of two outputs the rows change places; one output, the logit of fake, changes its sign. So P(fake) becomes
    1 − P(fake), which is looked at on two pictures. Raises InputError, with `name`, for a detector that does not end in
    such a layer; it is then as before.

    >>> from rrlib.detectors.catalogue import build
    >>> net, x = build("resnet", 32, seed=0).eval(), torch.rand(2, 3, 32, 32)
    >>> before = net(x).softmax(1)
    >>> swap_classes(net, 32)
    >>> torch.allclose(net(x).softmax(1), before.flip(1))
    True
    """
    x = pictures(input_size, None if modality == "image" else FRAMES)
    called: list[nn.Linear] = []
    hooks = [
        module.register_forward_hook(lambda module, *_: called.append(module))
        for module in detector.modules()
        if isinstance(module, nn.Linear) and module.out_features in (1, 2)
    ]
    with frozen(detector), torch.no_grad():
        before = _margin(detector, x)
        for hook in hooks:
            hook.remove()
        for layer in called[-1:]:
            _swap(layer)
            after = _margin(detector, x)
            if float((after + before).abs().max()) <= SAME * max(1.0, float(before.abs().max())):
                return
            _swap(layer)
    raise InputError(
        f"{name or type(detector).__name__} does not end in a linear layer of one or two outputs, so its classes "
        "cannot be swapped; leave out labels, or load it in a factory of your own (python:)"
    )


def _margin(detector: nn.Module, x: Tensor) -> Tensor:
    logits = detector(x)
    return logits[:, 1] - logits[:, 0]


def _swap(layer: nn.Linear) -> None:
    for tensor in (layer.weight, layer.bias):
        if tensor is not None:
            tensor.copy_(tensor.flip(0) if layer.out_features == 2 else -tensor)
