"""The three attacks as a careful user of each library runs them.

`PEERS[name](detector, x, labels, setting)` yields (attack, ε, images). FGSM and PGD run once for each ε. Carlini and
Wagner's attack knows no ε, so it runs once and its images are clipped to each ball.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rrlib.attacks.ball import project, where
from rrlib.evaluation import probabilities

Images = Iterator[tuple[str, float, torch.Tensor]]
Found = dict[tuple[str, float], torch.Tensor]  # (attack, ε) → probabilities (N, 2); ("clean", 0.0) is the batch itself


@dataclass(frozen=True)
class Setting:
    """The three attacks: FGSM; PGD of signed steps of 2.5 ε / steps from the image itself; CW of a fixed c.

    CW's c and learning rate are small, so that torchattacks, which stops as soon as the batch's summed cost grows,
    takes all steps or nearly all: with its own, c = 1 and 0.01, it takes a few.
    """

    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    pgd_steps: int = 10
    cw_steps: int = 50
    cw_c: float = 0.1
    cw_learning_rate: float = 0.001

    def alpha(self, epsilon: float) -> float:
        return 2.5 * epsilon / self.pgd_steps


class _AboveZero(nn.Module):
    """The detector with a constant added to both logits: torchattacks' CW finds nothing where both are ≤ 0."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.detector = detector

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.detector(x)
        return logits - logits.detach().amin(dim=1, keepdim=True) + 1


def torchattacks(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting) -> Images:
    import torchattacks

    for epsilon in setting.epsilons:
        yield "fgsm", epsilon, torchattacks.FGSM(detector, eps=epsilon)(x, labels)
    for epsilon in setting.epsilons:
        pgd = torchattacks.PGD(
            detector, eps=epsilon, alpha=setting.alpha(epsilon), steps=setting.pgd_steps, random_start=False
        )
        yield "pgd", epsilon, pgd(x, labels)
    cw = torchattacks.CW(
        _AboveZero(detector).eval(), c=setting.cw_c, steps=setting.cw_steps, lr=setting.cw_learning_rate
    )
    yield from _clipped(cw(x, labels), x, setting)


def foolbox(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting) -> Images:
    import foolbox

    model = foolbox.PyTorchModel(detector, bounds=(0, 1), device=x.device)
    signed = {
        "fgsm": foolbox.attacks.LinfFastGradientAttack(random_start=False),
        "pgd": foolbox.attacks.LinfPGD(
            rel_stepsize=2.5 / setting.pgd_steps, steps=setting.pgd_steps, random_start=False
        ),
    }
    for name, attack in signed.items():
        _, clipped, _ = attack(model, x, labels, epsilons=list(setting.epsilons))
        for epsilon, images in zip(setting.epsilons, clipped, strict=True):
            yield name, epsilon, images
    cw = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=1,
        steps=setting.cw_steps,
        stepsize=setting.cw_learning_rate,
        initial_const=setting.cw_c,
        abort_early=False,
    )
    images, _, errs = cw(model, x, labels, epsilons=None)
    # where it finds nothing it returns a black image
    yield from _clipped(where(errs, images, x), x, setting)


def art(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting) -> Images:
    from art.attacks.evasion import CarliniL2Method, FastGradientMethod, ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        detector,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="cpu" if x.device.type == "cpu" else "gpu",
    )
    pixels, answers = x.cpu().numpy(), np.eye(2, dtype=np.float32)[labels.cpu().numpy()]

    def run(attack: object) -> torch.Tensor:
        return torch.from_numpy(attack.generate(pixels, answers)).to(x)

    for epsilon in setting.epsilons:
        yield "fgsm", epsilon, run(FastGradientMethod(classifier, eps=epsilon, batch_size=len(x)))
    for epsilon in setting.epsilons:
        pgd = ProjectedGradientDescentPyTorch(
            classifier,
            eps=epsilon,
            eps_step=setting.alpha(epsilon),
            max_iter=setting.pgd_steps,
            batch_size=len(x),
            verbose=False,
        )
        yield "pgd", epsilon, run(pgd)
    cw = CarliniL2Method(
        classifier,
        learning_rate=setting.cw_learning_rate,
        binary_search_steps=1,
        max_iter=setting.cw_steps,
        initial_const=setting.cw_c,
        batch_size=len(x),
        verbose=False,
    )
    yield from _clipped(run(cw), x, setting)


def cleverhans(detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting) -> Images:
    from cleverhans.torch.attacks.carlini_wagner_l2 import carlini_wagner_l2
    from cleverhans.torch.attacks.fast_gradient_method import fast_gradient_method
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    ball = {"norm": np.inf, "clip_min": 0, "clip_max": 1, "y": labels}
    for epsilon in setting.epsilons:
        yield "fgsm", epsilon, fast_gradient_method(detector, x, epsilon, **ball).detach()
    for epsilon in setting.epsilons:
        images = projected_gradient_descent(
            detector,
            x,
            epsilon,
            setting.alpha(epsilon),
            setting.pgd_steps,
            rand_init=False,
            sanity_checks=False,
            **ball,
        )
        yield "pgd", epsilon, images.detach()
    images = carlini_wagner_l2(
        detector,
        x,
        2,
        y=labels,
        lr=setting.cw_learning_rate,
        initial_const=setting.cw_c,
        binary_search_steps=1,
        max_iterations=setting.cw_steps,
    )
    yield from _clipped(images, x, setting)


def _clipped(images: torch.Tensor, x: torch.Tensor, setting: Setting) -> Images:
    for epsilon in setting.epsilons:
        yield "cw", epsilon, project(images, x, epsilon)


def measured(
    images: Callable[..., Images],
    climbed: nn.Module,
    detector: nn.Module,
    x: torch.Tensor,
    labels: torch.Tensor,
    setting: Setting,
) -> Found:
    """A peer attacks `climbed`; `detector` is asked once for the clean batch and once for each attack and ε."""

    def ask(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return probabilities(detector(x))

    found = {("clean", 0.0): ask(x)}
    return found | {(name, epsilon): ask(each) for name, epsilon, each in images(climbed, x, labels, setting)}


PEERS: dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor, Setting], Images]] = {
    "torchattacks": torchattacks,
    "foolbox": foolbox,
    "art": art,
    "cleverhans": cleverhans,
}
