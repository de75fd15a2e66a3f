"""The rules of one sample: one answer for tensors, arrays and table columns."""

import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from rrlib.errors import InputError
from rrlib.metrics import is_correct, is_robust, keeps_label, predicted_fake, robust_accuracy

law = settings(deadline=None, derandomize=True)
unit = st.floats(0, 1)
USE_A_PROBABILITY = "use a probability of fake, from 0 to 1"
BELOW_HALF = 0.49999999999999994  # the largest float64 below ½


def as_tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def as_series(values):
    return pd.Series(values, index=range(7, 7 + len(values)), dtype=float)


FORMS = [as_tensor, lambda values: np.array(values, dtype=float), as_series, list]
EACH_FORM = pytest.mark.parametrize("form", FORMS, ids=["tensor", "array", "column", "list"])


def same(given, result):
    """The result as a list, after a look at its type: tensors give tensors, all else arrays."""
    assert isinstance(result, torch.Tensor if isinstance(given, torch.Tensor) else np.ndarray)
    assert result.dtype in (torch.bool, np.dtype(bool))
    return result.tolist()


@EACH_FORM
def test_a_verdict_is_fake_above_the_threshold_and_a_tie_is_real(form):
    p = form([0.0, 0.3, 0.5, math.nextafter(0.5, 1), 1.0])
    assert same(p, predicted_fake(p)) == [False, False, False, True, True]
    assert same(p, predicted_fake(p, threshold=0.3)) == [False, False, True, True, True]
    assert same(p, predicted_fake(p, threshold=1)) == [False] * 5
    assert same(p, predicted_fake(p, threshold=0)) == [False, True, True, True, True]


@EACH_FORM
def test_what_is_correct_and_what_keeps_its_label(form):
    p, q = form([0.2, 0.5, 0.7]), form([0.4, 0.6, 0.9])
    assert same(p, is_correct(p, [0, 1, 1])) == [True, False, True]
    assert same(p, is_correct(p, [0, 1, 1], threshold=0.1)) == [False, True, True]
    assert same(p, keeps_label(p, q)) == [True, False, True]
    assert same(p, keeps_label(p, q, threshold=0.65)) == [True, True, True]


@EACH_FORM
def test_what_is_robust_for_one_tolerance_and_for_several(form):
    shift = form([0.0, 0.25, 0.5])
    assert same(shift, is_robust(shift, 0.25)) == [True, True, False]
    assert same(shift, is_robust(shift, 0.25, same_label=[True, False, True])) == [True, False, False]
    assert same(shift, is_robust(shift, [0.5, 0.0])) == [[True, True], [True, False], [True, False]]
    kept = is_robust(shift, [0.5, 0.0], same_label=[False, True, True])
    assert same(shift, kept) == [[False, False], [True, False], [True, False]]
    assert is_robust(shift, []).shape == (3, 0)


def test_one_answer_everywhere_where_two_probabilities_do_not_quite_sum_to_one():
    pair, real, fake = as_tensor([[BELOW_HALF, 0.5]]), torch.tensor([0]), torch.tensor([1])
    assert not predicted_fake(pair)
    assert not predicted_fake(pair[:, 1])
    assert not predicted_fake(pair.numpy())
    assert is_correct(pair, real)
    assert is_correct(pair[:, 1].numpy(), [0])
    assert robust_accuracy(pair, real) == robust_accuracy(pair[:, 1], real) == 1
    assert robust_accuracy(pair, fake) == robust_accuracy(pair[:, 1], fake) == 0


def test_of_more_than_two_classes_the_most_probable_is_predicted_of_equals_the_first():
    p = np.array([[0.4, 0.4, 0.2], [0.1, 0.3, 0.6], [0.2, 0.4, 0.4]])
    for given_p in (p, torch.from_numpy(p)):
        assert is_correct(given_p, [0, 2, 1]).all()
        assert keeps_label(given_p, given_p[[0, 1, 1]]).tolist() == [True, True, False]


@law
@given(st.lists(st.tuples(unit, unit, st.integers(0, 1)), min_size=1, max_size=9), unit, st.sampled_from([32, 64]))
def test_tensors_and_arrays_of_any_precision_get_the_same_answers(samples, limit, bits):
    p, q, labels = (np.array(values) for values in zip(*samples, strict=True))
    p, q = p.astype(f"float{bits}"), q.astype(f"float{bits}")
    shift = abs(p - q)
    t, u = torch.from_numpy(p), torch.from_numpy(q)
    assert predicted_fake(t, limit).tolist() == predicted_fake(p, limit).tolist() == [float(x) > limit for x in p]
    assert is_correct(t, labels, limit).tolist() == is_correct(p, labels, limit).tolist()
    assert is_correct(p, labels, limit).mean() == accuracy_score(labels, p.astype(float) > limit)
    assert keeps_label(t, u, limit).tolist() == keeps_label(p, q, limit).tolist()
    assert (
        is_robust(abs(t - u), limit).tolist() == is_robust(shift, limit).tolist() == [float(d) <= limit for d in shift]
    )


@law
@given(st.lists(unit, min_size=1, max_size=9), st.lists(unit, max_size=5))
def test_several_tolerances_are_one_tolerance_many_times(shift, tolerances):
    several = is_robust(shift, tolerances)
    assert all((several[:, i] == is_robust(shift, tolerance)).all() for i, tolerance in enumerate(tolerances))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: predicted_fake([0.5, math.nan]), "p_fake contains nan; pass probabilities in [0, 1], not logits"),
        (
            lambda: predicted_fake([[0.5, 0.25, 0.25]]),
            "p_fake has 3 classes; pass (N,) probabilities of fake, or (N, 2)",
        ),
        (lambda: predicted_fake([0.5], 1.5), f"the threshold 1.5 was given; {USE_A_PROBABILITY}"),
        (
            lambda: predicted_fake([0.5], math.inf),
            f"the threshold inf was given; {USE_A_PROBABILITY}",
        ),
        (
            lambda: predicted_fake([0.5], math.nan),
            f"the threshold nan was given; {USE_A_PROBABILITY}",
        ),
        (
            lambda: is_correct([[0.5, 0.25, 0.25]], [0], threshold=0.4),
            "the threshold 0.4 was given for 3 classes; a threshold needs two",
        ),
        (lambda: is_correct([0.5], [2]), "labels contain 2; use integers from 0 to 1"),
        (
            lambda: is_correct([0.5], [1.0]),
            "labels are float64 of shape (1,); pass one integer for each of the 1 samples",
        ),
        (
            lambda: is_correct([0.5], ["fake"]),
            "labels are <U4 of shape (1,); pass one integer for each of the 1 samples",
        ),
        (
            lambda: keeps_label([0.5], [0.5, 0.5]),
            "p_clean has shape (1,) and p_attacked (2,); pass the same samples and classes in both",
        ),
        (
            lambda: is_robust([math.nan], 0.1),
            "shift contains nan; pass finite shifts ≥ 0, and leave out samples that have none",
        ),
        (lambda: is_robust([0.1], -1), "the tolerance -1 was given; use a finite number ≥ 0"),
        (
            lambda: is_robust([0.1], [[0.1]]),
            "tolerances of shape (1, 1) were given; pass one number or a list of them",
        ),
        (
            lambda: is_robust([0.1, 0.2], 0.1, same_label=[1, 0]),
            "same_label is int64 of shape (2,); pass one bool for each of the 2 shifts",
        ),
    ],
)
def test_what_a_rule_cannot_judge_is_refused(call, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()


def imported_by(code: str) -> set[str]:
    """The heavy modules that are loaded once the code has run, in a process of its own."""
    code += "\nimport sys; print(*{'torch', 'torchmetrics', 'matplotlib', 'pandas'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_rules_on_arrays_import_no_torch_and_functions_no_torchmetrics():
    assert imported_by("from rrlib.metrics import is_correct; is_correct([0.5], [0])") == set()
    names = "DISTANCES, probability_shift, robust_accuracy, robust_ratio, robust_ratio_curve, stability, functional"
    assert imported_by(f"from rrlib.metrics import {names}") == {"torch"}
    assert "torchmetrics" in imported_by("from rrlib.metrics import RobustRatio")
