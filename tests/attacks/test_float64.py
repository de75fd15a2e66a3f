"""RA and RR of every attack against a reference in NumPy float64, image by image, for logits as detectors give them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from rrlib import metrics
from rrlib.attacks import rule, sweep
from rrlib.attacks.random import uniform
from rrlib.detectors.contract import two_logits

EPSILONS = [0.002, 0.01, 0.05]
TOLERANCES = [0.01, 0.05, 0.1, 0.2, 0.5]
STEPS = 12  # of every attack that has steps
EDGE = 2.0
WEIGHT = np.random.default_rng(0).normal(size=3 * 8 * 8) / 4


class Affine(nn.Module):
    """z_fake − z_real = scale · w · (x − ½), with `constant` added to both logits."""

    def __init__(self, scale: float, constant: float):
        super().__init__()
        self.scale, self.constant = scale, constant

    def forward(self, x):
        return two_logits(self.scale * (x.flatten(1) - 0.5) @ torch.from_numpy(WEIGHT)) + self.constant


def pictures():
    """Sixteen images of 192 pixels with black and white borders, labelled so that a quarter is wrong to begin with."""
    x = np.random.default_rng(1).uniform(size=(16, 192))
    x[:4, :32], x[4:8, :32] = 0, 1
    labels = ((x - 0.5) @ WEIGHT > 0).astype(int)
    labels[::4] = 1 - labels[::4]
    return x, labels


def project(attacked, x, epsilon):
    return np.clip(np.clip(attacked, x - epsilon, x + epsilon), 0, 1)


def sigmoid(z):
    return 1 / (1 + np.exp(-z)) if z > -700 else 0.0


def stepped(x, wrong, epsilon, start, scale, stops):
    """PGD on scale · w · (x − ½), an ascent where `wrong` is 1 and a descent where it is −1."""
    attacked = np.clip(x + epsilon * start, 0, 1)
    for _ in range(STEPS):
        if not (stops and wrong * scale * (attacked - 0.5) @ WEIGHT > 0):
            attacked = project(attacked + 2.5 * epsilon / STEPS * wrong * np.sign(WEIGHT), x, epsilon)
    return attacked


def least_norm(x, wrong, scale, searches=4):
    """Carlini and Wagner's search for c round Adam, after sections V and VI of their paper."""
    nearest, least = x, math.inf
    low, high, c = 0.0, math.inf, 0.01
    if wrong * (x - 0.5) @ WEIGHT > 0:
        return x
    for _ in range(searches):
        w, m, v, erred, attacked = np.arctanh((2 * x - 1) * np.tanh(EDGE)), 0, 0, False, x
        for t in range(1, STEPS):
            margin = wrong * scale * (attacked - 0.5) @ WEIGHT
            gradient = 2 * (attacked - x) - (c * wrong * scale * WEIGHT if margin <= 0 else 0)
            gradient = gradient * (1 - np.tanh(w) ** 2) / 2 / np.tanh(EDGE)
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            w = np.clip(w - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), -EDGE, EDGE)
            attacked = np.clip(0.5 + np.tanh(w) / np.tanh(EDGE) / 2, 0, 1)
            if wrong * (attacked - 0.5) @ WEIGHT > 0:
                erred = True
                if np.linalg.norm(attacked - x) < least:
                    nearest, least = attacked, np.linalg.norm(attacked - x)
        low, high = (low, c) if erred else (c, high)
        c = 10 * c if high == math.inf else (low + high) / 2
    return nearest


def attacked_by_hand(attack, x, label, epsilon, start, scale):
    wrong = -1 if label == 1 else 1
    if attack == "fgsm":
        return np.clip(x + epsilon * wrong * np.sign(WEIGHT), 0, 1)
    if attack in ("pgd", "cw"):
        return stepped(x, wrong, epsilon, start, scale, stops=attack == "cw")
    if attack == "cw_l2":
        return project(least_norm(x, wrong, scale), x, epsilon)
    ends = [stepped(x, sign, epsilon, start, scale, stops=False) for sign in (1, -1)]
    clean = sigmoid(scale * (x - 0.5) @ WEIGHT)
    return max(ends, key=lambda end: abs(sigmoid(scale * (end - 0.5) @ WEIGHT) - clean))


def by_hand(attack, epsilon, scale):
    """Shift and correctness of each picture."""
    x, labels = pictures()
    starts = uniform(x.shape, seed=0, samples=torch.arange(len(x))).double().numpy()
    images = [
        attacked_by_hand(attack, *sample, epsilon, start, scale)
        for *sample, start in zip(x, labels, starts, strict=True)
    ]
    p, q = ([sigmoid(scale * (image - 0.5) @ WEIGHT) for image in which] for which in (x, images))
    return np.abs(np.subtract(q, p)), (np.array(q) > 0.5) == labels


OPTIONS = {
    "fgsm": {},
    "pgd": {"steps": STEPS},
    "cw": {"steps": STEPS},
    "cw_l2": {"steps": STEPS, "learning_rate": 0.05, "search_steps": 4},
    "shift": {"steps": STEPS},
}


def measured(attack, scale=1.0, constant=0.0):
    """Per epsilon: the shifts, RR at every tolerance, RA."""
    x, labels = (torch.from_numpy(array) for array in pictures())
    x, detector = x.reshape(-1, 3, 8, 8), Affine(scale, constant)
    for attacked in sweep(rule(attack, **OPTIONS[attack]), detector, x, labels, EPSILONS):
        p, q = detector(x).softmax(1), detector(attacked.images).softmax(1)
        shift = metrics.probability_shift(p, q)
        ratios = [float(metrics.robust_ratio(shift, tolerance)) for tolerance in TOLERANCES]
        yield shift.numpy(), ratios, float(metrics.robust_accuracy(q, labels))


@pytest.mark.parametrize("scale", [1, 50])
@pytest.mark.parametrize("attack", OPTIONS)
def test_ra_and_rr_are_those_of_the_reference(attack, scale):
    for epsilon, (shift, ratios, accuracy) in zip(EPSILONS, measured(attack, scale), strict=True):
        expected, correct = by_hand(attack, epsilon, scale)
        assert np.allclose(shift, expected, rtol=0, atol=1e-7)  # the random start is scaled by ε in float32
        assert ratios == [np.mean(expected <= tolerance) for tolerance in TOLERANCES]
        assert accuracy == np.mean(correct)


@pytest.mark.parametrize("attack", OPTIONS)
def test_a_hundred_less_in_both_logits_changes_neither_ra_nor_rr(attack):
    for plain, lower in zip(measured(attack), measured(attack, constant=-100.0), strict=True):
        assert np.allclose(plain[0], lower[0], rtol=0, atol=1e-9)
        assert plain[1:] == lower[1:]


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "cw", "shift"])
def test_fifty_times_the_logits_leave_ra_as_it_is_and_rr_not(attack):
    for plain, sharper in zip(measured(attack), measured(attack, scale=50.0), strict=True):
        assert plain[2] == sharper[2]
        assert plain[1] != sharper[1]


def test_the_pictures_have_borders_and_wrong_answers_and_the_attacks_flip_some_and_not_all():
    x, _ = pictures()
    assert (x == 0).any()
    assert (x == 1).any()
    for attack in OPTIONS:
        accuracies = {accuracy for _, _, accuracy in measured(attack)}
        assert len(accuracies) > 1
