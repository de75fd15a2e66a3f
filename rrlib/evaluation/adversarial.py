"""Methods of adversarial training: what the loss of a batch is, and how validation weighs what was attacked.

Both look for their attacked samples with PGD, in eval mode. ε is in pixel units, and `strength`, in [0, 1], says how
much of it a batch gets: a network that has learned nothing yet would only learn that nothing can be learned.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rrlib import attacks
from rrlib.attacks import PGD, check_whole
from rrlib.detectors import frozen
from rrlib.errors import InputError


@dataclass(frozen=True)
class Adversarial(ABC):
    """What the methods share: PGD of so many steps, 2.5 ε / steps each, in the ball of radius ε."""

    epsilon: float
    steps: int = 3
    method: str = field(init=False, default="")

    def __post_init__(self) -> None:
        attacks.check_epsilons([self.epsilon], "epsilon")
        check_whole("steps", self.steps)

    def attacked(
        self, detector: nn.Module, x: Tensor, labels: Tensor, samples: Tensor, strength: float = 1.0, seed: int = 0
    ) -> Tensor:
        """`x` (N, …), moved away from `labels` (N,); `samples` (N,) and `seed` pick the random starts."""
        rule, epsilon = PGD(steps=self.steps), strength * self.epsilon
        (attacked,) = attacks.sweep(rule, detector, x, labels, [epsilon], seed=seed, samples=samples)
        return attacked.images

    @abstractmethod
    def loss(
        self, detector: nn.Module, x: Tensor, labels: Tensor, samples: Tensor, strength: float = 1.0, seed: int = 0
    ) -> Tensor:
        """What a batch is learnt by, in nats."""

    @abstractmethod
    def weigh(self, clean: Tensor, attacked: Tensor, labels: Tensor) -> float:
        """The same loss of logits (N, 2) of all samples before and after their attack."""


@dataclass(frozen=True)
class Madry(Adversarial):
    """Every second sample of a batch is replaced by its PGD image (Madry et al. 2018, arXiv 1706.06083, eq. 2.1).

    They replace all; the clean half keeps accuracy before any attack up (as Kurakin et al. 2017, arXiv 1611.01236).
    """

    method: str = field(init=False, default="madry")

    def loss(
        self, detector: nn.Module, x: Tensor, labels: Tensor, samples: Tensor, strength: float = 1.0, seed: int = 0
    ) -> Tensor:
        """Cross-entropy in nats, one half of it on clean samples and one on attacked ones."""
        x, part = x.clone(), slice(0, None, 2)
        x[part] = self.attacked(detector, x[part], labels[part], samples[part], strength, seed)
        return cross_entropy(detector(x), labels)

    def weigh(self, clean: Tensor, attacked: Tensor, labels: Tensor) -> float:
        """The same loss of logits (N, 2) of all samples before and after their attack."""
        return float(cross_entropy(clean, labels) + cross_entropy(attacked, labels)) / 2


@dataclass(frozen=True)
class Trades(Adversarial):
    """Cross-entropy on clean samples, and β times how far attacked ones are from them.

    Zhang et al. (2019, arXiv 1901.08573, eq. 5): CE(f(x), y) + β max KL(p(x) ‖ p(x′)) over x′ in the ball. β = 0 is
    plain training. Their x′ starts at x + 0.001 N(0, I) and ascends the KL, whose slope in the logit difference of two
    classes is p(x′) − p(x): chance would say to which side. Here x′ leaves the detector's own clean verdict: there the
    KL grows furthest, and it grows with the margin that PGD ascends, so that the start may be PGD's.
    """

    beta: float = field(kw_only=True)
    method: str = field(init=False, default="trades")

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.beta, bool) or not isinstance(self.beta, int | float) or not 0 <= self.beta < math.inf:
            raise InputError(f"beta is {self.beta!r}; it is a finite number ≥ 0; 1 to 6 are usual")

    def loss(
        self, detector: nn.Module, x: Tensor, labels: Tensor, samples: Tensor, strength: float = 1.0, seed: int = 0
    ) -> Tensor:
        """Both terms in nats. Clean and attacked samples pass batch norm apart, as in the authors' code."""
        if self.beta == 0:
            return cross_entropy(detector(x), labels)
        with frozen(detector), torch.no_grad():
            verdict = detector(x).argmax(dim=1)
        attacked = self.attacked(detector, x, verdict, samples, strength, seed)
        clean = detector(x)
        return cross_entropy(clean, labels) + self.beta * divergence(clean, detector(attacked))

    def weigh(self, clean: Tensor, attacked: Tensor, labels: Tensor) -> float:
        """The same loss of logits (N, 2) of all samples before and after their attack."""
        return float(cross_entropy(clean, labels) + self.beta * divergence(clean, attacked))


METHODS: dict[str, type[Madry] | type[Trades]] = {"madry": Madry, "trades": Trades}


def divergence(clean: Tensor, attacked: Tensor) -> Tensor:
    """Mean KL(p ‖ p′) in nats, ≥ 0, of the softmax of logits (N, K), (N, K).

    >>> logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    >>> float(divergence(logits, logits)), round(float(divergence(logits[:1], logits[1:])), 4)
    (0.0, 0.8287)
    """
    log_p, log_q = clean.log_softmax(dim=1), attacked.log_softmax(dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()
