"""This sweep_together as evaluation runs it, and the least work that the three attacks could take, run bare."""

import torch
from peers import Found, Setting
from torch import nn

from rrlib.attacks import rule, sweep_together
from rrlib.attacks.gradients import Clean
from rrlib.evaluation.measuring import measure, probabilities


def this_sweep(
    followed: nn.Module, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting
) -> Found:
    """The attacks follow gradients of `followed`, the detector or its surrogate; `detector` says what is reported."""
    attacks = {
        "fgsm": rule("fgsm"),
        "pgd": rule("pgd", steps=setting.pgd_steps, random_start=False),
        "cw": rule(
            "cw_l2",
            steps=setting.cw_steps,
            search_steps=1,
            initial_c=setting.cw_c,
            learning_rate=setting.cw_learning_rate,
        ),
    }
    clean, found = Clean(followed, x, labels), {}
    together = sweep_together(attacks, followed, x, labels, setting.epsilons, clean=clean)
    for name, steps in measure(together, detector, x).items():
        found |= {(name, step.epsilon): step.p_attacked for step in steps}
    found["clean", 0.0] = probabilities((clean if followed is detector else Clean(detector, x, labels)).logits())
    return found


def least_work(
    followed: nn.Module, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, setting: Setting
) -> Found:
    """One gradient for FGSM, PGD's steps for each ε, CW's steps once, and a forward pass for each attack and ε."""
    sign = 1 - 2 * labels
    for _ in range(1 + setting.pgd_steps * len(setting.epsilons) + setting.cw_steps):
        leaf = x.detach().requires_grad_()
        logits = followed(leaf)
        torch.autograd.grad(((logits[:, 1] - logits[:, 0]) * sign).sum(), leaf)
    with torch.no_grad():
        for _ in range(3 * len(setting.epsilons)):
            detector(x)
    return {}
