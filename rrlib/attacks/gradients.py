"""What an attack asks of a detector: the gradient that every rule follows, and the clean batch that it starts from."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from rrlib.detectors import check_logits, check_shape, frozen


class Clean:
    """A batch before any attack, and what the detector says of it, asked at most once.

    `detector`, `x` (N, …) in [0, 1] and `labels` (N,), 0 real, 1 fake. Whoever asks first pays: after `gradient`,
    `logits` cost nothing, and attacks of one batch that share a `Clean` share its gradient. `name` is the detector's,
    for messages.

    >>> from rrlib.detectors.catalogue import build
    >>> clean = Clean(build("resnet", 32, seed=0), torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 0, 1]))
    >>> margin, gradient = clean.gradient()
    >>> gradient.shape, clean.logits().shape
    (torch.Size([4, 3, 32, 32]), torch.Size([4, 2]))
    """

    def __init__(self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, name: str = ""):
        with torch.inference_mode(False):  # what was made in inference mode can have no gradient, its copy can
            self.x = x.clone() if x.is_inference() else x.detach()
            self.labels = labels.clone() if labels.is_inference() else labels
        self.detector = detector
        self.name = name or type(detector).__name__
        self._logits: torch.Tensor | None = None
        self._gradient: tuple[torch.Tensor, torch.Tensor] | None = None

    def logits(self) -> torch.Tensor:
        """The detector's logits, (N, 2); raises InputError if they break its contract."""
        if self._logits is None:
            with frozen(self.detector), torch.no_grad():
                self._logits = check_logits(self.detector(self.x), len(self.x), self.name)
        return self._logits

    def gradient(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Margin and its gradient at the clean batch, as `margin_gradient` gives them; not to be changed in place."""
        if self._gradient is None:
            with frozen(self.detector), torch.inference_mode(False), torch.enable_grad():
                x = self.x.detach().requires_grad_()
                logits = check_logits(self.detector(x), len(x), self.name)
                self._gradient = _differentiate(logits, x, self.labels)
                self._logits = logits.detach()
        return self._gradient

    def part(self, rows: torch.Tensor) -> "Clean":
        """The samples with these numbers, in this order, any of them repeatedly; what is known is not asked again."""
        return self._knowing(Clean(self.detector, self.x[rows], self.labels[rows], self.name), rows)

    def repeated(self, times: int) -> "Clean":
        """This batch so many times over."""
        return self.part(torch.arange(len(self.x), device=self.x.device).repeat(times))

    def _knowing(self, part: "Clean", rows: torch.Tensor) -> "Clean":
        """A part with what is known of it already."""
        if self._logits is not None:
            part._logits = self._logits[rows]
        if self._gradient is not None:
            margins, gradient = self._gradient
            part._gradient = margins[rows], gradient[rows]
        return part


def margin_gradient(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Margin of the wrong answer, (N,), and its gradient with respect to the pixels, shaped like `x`.

    The margin is float64, but on Apple's GPUs, which have only float32.

    The margin is z_wrong − z_true; the prediction is wrong when it is positive. For two logits the gradient of the
    cross-entropy is softmax(z)_wrong times this one (differentiate −log softmax(z)_true): the same signs, but this one
    does not vanish when the softmax saturates, and adding a constant to both logits changes nothing.

    Nothing waits for a GPU here: whether the logits are finite is asked where a batch begins and ends.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone() if x.is_inference() else x.detach()
        logits = check_shape(detector(x.requires_grad_()), len(x), type(detector).__name__)
        return _differentiate(logits, x, labels)


def margin(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The same margin, (N,), without its gradient."""
    with torch.no_grad():
        return margin_of(check_shape(detector(x), len(x), type(detector).__name__), labels)


def margin_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """z_wrong − z_true of logits (N, 2): (N,), float64 where the device has it."""
    # float64, as probabilities are computed from logits elsewhere
    logits = logits if logits.device.type == "mps" else logits.double()
    difference = logits[:, 1] - logits[:, 0]
    return torch.where(labels == 1, -difference, difference)


def log_shift(z: torch.Tensor, z_attacked: torch.Tensor) -> torch.Tensor:
    """log |σ(z′) − σ(z)|, from logit differences z = z_fake − z_real: (N,), (N,) → (N,), −∞ where they are equal.

    σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)), and for a ≥ b each factor has a logarithm that does not saturate, so two
    shifts can be told apart where both probabilities round to 1.

    >>> z = torch.tensor([0.0, 60.0], dtype=torch.float64)
    >>> log_shift(z, z + 1)  # σ(1) − ½, and e⁻⁶⁰ (1 − e⁻¹)
    tensor([ -1.4651, -60.4587], dtype=torch.float64)
    """
    low, high = torch.minimum(z, z_attacked), torch.maximum(z, z_attacked)
    return logsigmoid(high) + logsigmoid(-low) + torch.log(-torch.expm1(low - high))


def _differentiate(logits: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # the slope of the margin in both logits, so that autograd need not follow how it is computed from them
    towards_wrong = torch.stack([2 * labels - 1, 1 - 2 * labels], dim=1).to(logits.dtype)
    (gradient,) = torch.autograd.grad(logits, x, towards_wrong)
    return margin_of(logits.detach(), labels), gradient


def exists(gradient: torch.Tensor) -> torch.Tensor:
    """Which samples have a gradient that is not zero everywhere: (N, …) → (N,) bool.

    >>> exists(torch.tensor([[0.0, 0.0], [0.0, -1e-30]]))
    tensor([False,  True])
    """
    pixels = tuple(range(1, gradient.dim()))
    return (gradient.amax(pixels) != 0) | (gradient.amin(pixels) != 0)
