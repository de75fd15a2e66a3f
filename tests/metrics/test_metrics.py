"""Robust accuracy and robust ratio: the laws of their definitions, and independent references."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import ecdf
from sklearn.metrics import accuracy_score
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from rrlib.errors import InputError
from rrlib.metrics import (
    DISTANCES,
    keeps_label,
    probability_shift,
    robust_accuracy,
    robust_ratio,
    robust_ratio_curve,
    stability,
)

UP_TO_ONE = sorted(DISTANCES.keys() - {"l2"})
law = settings(deadline=None, derandomize=True)  # the same examples on every run, on slow machines too
unit = st.floats(0, 1)


def random_probabilities(samples: int, classes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(samples, classes, generator=generator)).softmax(dim=1)


def two_classes(fake: Tensor) -> Tensor:
    return torch.stack([1 - fake, fake], dim=1)


@st.composite
def probability_pairs(draw: st.DrawFn, classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Two (N, K) tensors, float32 or float64, with zeros, ones and near-zeros among their entries."""
    shape = (2, draw(st.integers(1, 8)), classes or draw(st.integers(2, 5)))
    weights = draw(arrays(np.float64, shape, elements=unit))
    weights[..., 0] += weights.sum(axis=-1) == 0
    p = torch.from_numpy(weights / weights.sum(axis=-1, keepdims=True)).clamp(0, 1)
    return tuple(p.to(draw(st.sampled_from([torch.float32, torch.float64]))))


two_class_pairs = probability_pairs(classes=2).map(lambda pair: tuple(two_classes(p[:, 1]) for p in pair))
shifts = arrays(np.float64, st.integers(1, 12), elements=unit).map(torch.from_numpy)


# Laws


@law
@given(shifts, unit, unit)
def test_rr_never_falls_as_tolerance_grows(shift, a, b):
    low, high = sorted([a, b])
    assert robust_ratio(shift, low) <= robust_ratio(shift, high)


@law
@given(shifts)
def test_rr_is_right_continuous_and_jumps_at_each_shift(shift):
    at = shift.max().item()
    assert robust_ratio(shift, at) == robust_ratio(shift, math.nextafter(at, 2)) == 1
    if at > 0:
        assert robust_ratio(shift, math.nextafter(at, 0)) == (shift < at).double().mean()


@law
@given(probability_pairs())
@pytest.mark.parametrize("distance", UP_TO_ONE)
def test_rr_at_tolerance_one_is_one(distance, pair):
    assert robust_ratio(probability_shift(*pair, distance), tolerance=1) == 1


@law
@given(probability_pairs())
@pytest.mark.parametrize("distance", DISTANCES)
def test_an_unmoved_sample_has_shift_zero_and_is_robust_at_tolerance_zero(distance, pair):
    shift = probability_shift(pair[0], pair[0].clone(), distance)
    assert (shift == 0).all()
    assert robust_ratio(shift, tolerance=0) == 1


@law
@given(probability_pairs())
@pytest.mark.parametrize("distance", DISTANCES)
def test_shift_is_symmetric(distance, pair):
    torch.testing.assert_close(probability_shift(*pair, distance), probability_shift(*pair[::-1], distance))


@law
@given(shifts)
def test_stability_is_the_area_under_rr(shift):
    steps = torch.cat([torch.zeros(1, dtype=torch.float64), shift, torch.ones(1, dtype=torch.float64)]).unique()
    area = (robust_ratio_curve(shift, steps[:-1]) * steps.diff()).sum()
    torch.testing.assert_close(stability(shift), area, rtol=0, atol=1e-12)


@law
@given(two_class_pairs)
def test_of_two_classes_linf_is_tv_is_l2_over_root_two(pair):
    linf, tv, l2 = (probability_shift(*pair, name) for name in ("linf", "tv", "l2"))
    torch.testing.assert_close(linf, tv, rtol=0, atol=1e-7)
    torch.testing.assert_close(linf, l2 / math.sqrt(2), rtol=0, atol=1e-7)


@law
@given(arrays(np.float64, (3, 6), elements=unit).map(torch.from_numpy), unit)
def test_a_worst_case_over_attacks_never_raises_rr(shift, tolerance):
    worst = robust_ratio(shift.amax(dim=0), tolerance)
    assert all(worst <= robust_ratio(one_attack, tolerance) for one_attack in shift)


@law
@given(two_class_pairs)
def test_of_two_classes_a_flip_needs_a_shift_of_the_distance_to_one_half(pair):
    flipped = ~keeps_label(*pair)
    margin = (pair[0][:, 1].double() - 0.5).abs()
    assert (probability_shift(*pair)[flipped] >= margin[flipped]).all()


@law
@given(two_class_pairs, unit)
def test_at_most_one_minus_rr_of_all_inputs_are_decided_and_then_flipped(pair, tolerance):
    flipped = ~keeps_label(*pair)
    decided = (pair[0][:, 1].double() - 0.5).abs() > tolerance
    bound = 1 - robust_ratio(probability_shift(*pair), tolerance)
    assert (decided & flipped).double().mean() <= bound + 1e-15


@law
@given(shifts, unit, st.data())
def test_rr_is_the_weighted_sum_over_clean_correct_and_clean_wrong(shift, tolerance, data):
    correct = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(shift), max_size=len(shift))))
    parts = [shift[correct], shift[~correct]]
    whole = sum(len(part) * robust_ratio(part, tolerance) for part in parts if len(part)) / len(shift)
    torch.testing.assert_close(robust_ratio(shift, tolerance), whole, rtol=0, atol=1e-12)


def test_an_unmoved_wrong_answer_is_robust_but_not_accurate():
    p = torch.tensor([[0.9, 0.1]])
    assert robust_ratio(probability_shift(p, p), tolerance=0) == 1
    assert robust_accuracy(p, torch.tensor([1])) == 0


# Known values and independent references


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("linf", 0.5), ("tv", 0.5), ("l2", math.sqrt(0.375)), ("js", math.sqrt(0.3112781244591328))],
)
def test_shift_from_certain_to_spread_has_its_known_value(distance, expected):
    p = torch.tensor([[1.0, 0.0, 0.0]])
    q = torch.tensor([[0.5, 0.25, 0.25]])
    assert probability_shift(p, q, distance).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("distance", "expected"), [("linf", 1), ("tv", 1), ("l2", math.sqrt(2)), ("js", 1)])
def test_shift_between_opposite_certainties_is_the_largest(distance, expected):
    p = torch.tensor([[1.0, 0.0]])
    assert probability_shift(p, p.flip(1), distance).item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("distance", UP_TO_ONE)
def test_rows_that_sum_to_a_little_over_one_keep_the_shift_at_most_one(distance):
    p = torch.tensor([[0.50004, 0.50004, 0.0, 0.0]])
    assert probability_shift(p, p.flip(1), distance).item() <= 1


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_js_is_scipys_jensen_shannon_distance_in_base_two(classes):
    p, q = (random_probabilities(50, classes, seed).double() for seed in (0, 1))
    p[0], q[0] = torch.eye(classes)[0], torch.eye(classes)[1]  # zeros in both
    reference = jensenshannon(p.numpy(), q.numpy(), base=2, axis=1)
    np.testing.assert_allclose(probability_shift(p, q, "js"), reference, rtol=0, atol=1e-7)


def test_js_is_finite_for_the_smallest_probabilities():
    p = torch.tensor([[5e-324, 1.0], [0.0, 1.0]], dtype=torch.float64)
    assert probability_shift(p, p.flip(0), "js").tolist() == [0, 0]


@pytest.mark.parametrize("classes", [2, 5])
def test_ra_is_the_accuracy_of_sklearn_and_torchmetrics(classes):
    p = random_probabilities(101, classes, seed=2)
    labels = torch.randint(classes, (101,), generator=torch.Generator().manual_seed(3))
    ra = robust_accuracy(p, labels).item()
    assert ra == accuracy_score(labels, p.argmax(dim=1))
    reference = MulticlassAccuracy(num_classes=classes, average="micro")
    assert ra == pytest.approx(reference(p, labels).item(), abs=1e-6)


def test_ra_gives_equal_probabilities_to_the_first_class():
    assert robust_accuracy(torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([0, 1])) == 0.5


@law
@given(shifts, st.lists(unit, max_size=5), st.data())
def test_the_curve_is_rr_at_each_tolerance_in_the_given_order(shift, tolerances, data):
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(shift), max_size=len(shift))))
    for same_label in (None, kept):
        expected = [robust_ratio(shift, tolerance, same_label).item() for tolerance in tolerances]
        assert robust_ratio(shift, tolerances, same_label).tolist() == expected
        assert robust_ratio_curve(shift, tolerances, same_label).tolist() == expected


def test_the_curve_is_scipys_empirical_distribution_function():
    shift = probability_shift(random_probabilities(200, 2, seed=11), random_probabilities(200, 2, seed=12))
    tolerances = np.linspace(0, 1, 21)
    reference = ecdf(shift.numpy()).cdf.evaluate(tolerances)
    np.testing.assert_allclose(robust_ratio_curve(shift, tolerances), reference, rtol=0, atol=1e-15)


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_probability_of_two_gives_what_both_give(distance):
    p, q = (random_probabilities(50, 2, seed)[:, 1].double() for seed in (13, 14))
    both = probability_shift(two_classes(p), two_classes(q), distance)
    torch.testing.assert_close(probability_shift(p, q, distance), both, rtol=0, atol=1e-7)
    labels = torch.randint(2, (50,), generator=torch.Generator().manual_seed(15))
    assert robust_accuracy(p, labels) == robust_accuracy(two_classes(p), labels)
    assert torch.equal(keeps_label(p, q), keeps_label(two_classes(p), two_classes(q)))


@pytest.mark.parametrize("distance", ["linf", "tv"])
def test_the_shift_of_one_probability_of_two_is_its_plain_difference(distance):
    p, q = torch.tensor([0.3], dtype=torch.float64), torch.tensor([0.2], dtype=torch.float64)
    assert (1 - q) - (1 - p) > 0.1 > p - q  # what 1 − p would have done
    assert probability_shift(p, q, distance) == p - q


@pytest.mark.parametrize("threshold", [0, 0.2, 0.5, 0.9, 1])
def test_ra_at_a_threshold_is_the_accuracy_of_sklearn(threshold):
    p = random_probabilities(101, 2, seed=16)
    labels = torch.randint(2, (101,), generator=torch.Generator().manual_seed(17))
    reference = accuracy_score(labels, p[:, 1].double() > threshold)
    assert robust_accuracy(p, labels, threshold) == robust_accuracy(p[:, 1], labels, threshold) == reference


def test_float32_one_tenth_lies_above_the_tolerance_one_tenth():
    shift = torch.tensor([0.1], dtype=torch.float32)
    assert robust_ratio(shift, tolerance=0.1) == 0
    assert robust_ratio_curve(shift, [0.1]).item() == 0
    assert robust_ratio(shift, tolerance=shift.item()) == 1
    assert robust_ratio(torch.tensor([0.1], dtype=torch.float64), tolerance=0.1) == 1


def test_a_changed_label_is_not_robust_where_the_same_label_is_required():
    p, q = torch.tensor([[0.51, 0.49], [0.9, 0.1]]), torch.tensor([[0.49, 0.51], [0.88, 0.12]])
    shift, same_label = probability_shift(p, q), keeps_label(p, q)
    assert robust_ratio(shift, tolerance=0.1) == 1
    assert robust_ratio(shift, tolerance=0.1, same_label=same_label) == 0.5
    assert robust_ratio_curve(shift, [0, 0.1], same_label=same_label).tolist() == [0, 0.5]


# Failures

HALF = torch.tensor([[0.5, 0.5]])
PASS_PROBABILITIES = "pass float probabilities (N, K) with K ≥ 2, or (N,) of class 1 of two"
NO_SAMPLES = "no samples were given; a share needs at least 1, so check the data is not empty"


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (
            torch.tensor([[[0.5, 0.5]]]),
            f"p_clean is torch.float32 of shape (1, 1, 2); {PASS_PROBABILITIES}",
        ),
        (
            torch.tensor([[0.5]]),
            f"p_clean is torch.float32 of shape (1, 1); {PASS_PROBABILITIES}",
        ),
        (
            torch.tensor([[1, 0]]),
            f"p_clean is torch.int64 of shape (1, 2); {PASS_PROBABILITIES}",
        ),
        (
            torch.tensor([[2.5, -1.5]]),
            "p_clean contains 2.5; pass probabilities in [0, 1], not logits",
        ),
        (
            torch.tensor([[0.5, torch.nan]]),
            "p_clean contains nan; pass probabilities in [0, 1], not logits",
        ),
        (
            torch.tensor([[0.5, 0.25]]),
            "a row of p_clean sums to 0.75; pass rows that sum to 1 within 0.0001, as softmax in float32 gives them",
        ),
        (
            torch.full((1, 3), 1 / 3),
            "p_clean has shape (1, 3) and p_attacked (1, 2); pass the same samples and classes in both",
        ),
        (
            torch.full((2, 2), 0.5),
            "p_clean has shape (2, 2) and p_attacked (1, 2); pass the same samples and classes in both",
        ),
    ],
)
def test_what_is_no_pair_of_probabilities_is_refused(p, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        probability_shift(p, HALF)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([2]), "labels contain 2; use integers from 0 to 1"),
        (torch.tensor([-1]), "labels contain -1; use integers from 0 to 1"),
        (
            torch.tensor([1.0]),
            "labels are torch.float32 of shape (1,); pass one integer for each of the 1 samples",
        ),
        (
            torch.tensor([0, 1]),
            "labels are torch.int64 of shape (2,); pass one integer for each of the 1 samples",
        ),
    ],
)
def test_labels_that_name_no_class_are_refused(labels, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        robust_accuracy(HALF, labels)


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ([torch.nan], "shift contains nan; pass finite shifts ≥ 0, and leave out samples that have none"),
        ([-0.5], "shift contains -0.5; pass finite shifts ≥ 0, and leave out samples that have none"),
        ([[0.5]], "shift has shape (1, 1); pass one shift for each sample, shape (N,)"),
        ([], NO_SAMPLES),
    ],
)
@pytest.mark.parametrize("function", [robust_ratio, stability, lambda shift: robust_ratio_curve(shift, [0.1])])
def test_what_is_no_shift_is_refused(function, shift, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        function(torch.tensor(shift))


@pytest.mark.parametrize("tolerance", [-0.1, math.inf, math.nan])
def test_a_tolerance_that_is_negative_or_not_finite_is_refused(tolerance):
    message = f"^the tolerance {tolerance} was given; use a finite number ≥ 0$"
    with pytest.raises(InputError, match=message):
        robust_ratio(torch.zeros(1), tolerance)
    with pytest.raises(InputError, match=message):
        robust_ratio_curve(torch.zeros(1), [0.5, tolerance])


def test_same_label_of_another_length_is_refused():
    message = "same_label is torch.bool of shape (1,); pass one bool for each of the 2 shifts"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        robust_ratio(torch.zeros(2), 0.1, same_label=torch.tensor([True]))


def test_stability_of_a_shift_above_one_is_refused():
    message = "shift contains 1.25, and stability is defined for shifts up to 1; use the distance linf, tv or js"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        stability(torch.tensor([0.5, 1.25]))


def test_an_unknown_distance_is_refused_with_the_known_ones():
    message = "distance.l1 is not known; choose from linf, tv, l2, js"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        probability_shift(HALF, HALF, distance="l1")


def test_a_share_of_no_samples_is_refused():
    with pytest.raises(InputError, match=NO_SAMPLES):
        robust_accuracy(torch.empty(0, 2), torch.empty(0, dtype=torch.long))
