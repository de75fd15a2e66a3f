"""Half precision, and devices without float64."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from rrlib.errors import InputError
from rrlib.metrics import (
    DISTANCES,
    RobustAccuracy,
    RobustRatio,
    Stability,
    is_robust,
    keeps_label,
    predicted_fake,
    probability_shift,
    robust_accuracy,
    robust_ratio,
    robust_ratio_curve,
    stability,
)
from rrlib.metrics.arrays import NO_FLOAT64

law = settings(deadline=None, derandomize=True)


def softmax_in(dtype: torch.dtype, classes: int, scale: float, seed: int) -> torch.Tensor:
    logits = scale * torch.randn(500, classes, generator=torch.Generator().manual_seed(seed))
    return logits.to(dtype).softmax(dim=1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_a_softmax_in_any_float_type_is_taken(dtype, classes, scale):
    p, q = (softmax_in(dtype, classes, scale, seed) for seed in (0, 1))
    assert torch.equal(probability_shift(p, q, "tv"), DISTANCES["tv"](p.double(), q.double()))


def test_a_bfloat16_softmax_is_off_by_more_than_the_limit_of_float32():
    p = softmax_in(torch.bfloat16, 10, 1, seed=0)
    assert (p.double().sum(dim=1) - 1).abs().max() > 1e-3  # or the limit by type would not be needed
    with pytest.raises(InputError, match=r"as softmax in float32 gives them$"):
        probability_shift(p.float(), p.float())


@pytest.mark.parametrize(
    ("dtype", "off", "limit"),
    [
        (torch.bfloat16, 1 / 64, "0.0078, as softmax in bfloat16"),
        (torch.float16, 1 / 512, "0.00098, as softmax in float16"),
        (torch.float32, 1 / 4096, "0.0001, as softmax in float32"),
        (torch.float64, 1 / 4096, "0.0001, as softmax in float64"),
    ],
)
def test_rows_further_from_one_than_rounding_in_their_type_goes_are_refused(dtype, off, limit):
    p = torch.tensor([[0.5 - off, 0.5]], dtype=dtype)
    message = f"a row of p_clean sums to {1 - off:.8g}; pass rows that sum to 1 within {limit} gives them"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        probability_shift(p, p)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_compared_as_what_it_is(dtype):
    tenth = torch.tensor([0.1], dtype=dtype)
    above = tenth.double().item() > 0.1
    assert is_robust(tenth, 0.1).item() is not above
    assert robust_ratio_curve(tenth, [0.1]).item() == (not above)
    assert predicted_fake(tenth, threshold=0.1).item() is above


class NoFloat64(TorchDispatchMode):
    """The processor as a device without float64: each operation that would make such a tensor fails, as on mps."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it")
        return result


@pytest.fixture
def no_float64():
    NO_FLOAT64.add("cpu")
    yield
    NO_FLOAT64.remove("cpu")


def test_the_played_device_refuses_float64():
    with NoFloat64(), pytest.raises(TypeError, match="Cannot convert a MPS Tensor to float64"):
        torch.ones(1).double()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("distance", DISTANCES)
def test_without_float64_everything_runs_in_float32(distance, dtype, request):
    p, q = (softmax_in(dtype, 2, 1, seed) for seed in (2, 3))
    labels = torch.randint(2, (500,), generator=torch.Generator().manual_seed(4))
    bounded = "linf" if distance == "l2" else distance

    def everything():
        shift, kept = probability_shift(p, q, distance), keeps_label(p, q, 0.3)
        rr, ra, mean = RobustRatio([0.1, 0.3], distance, True), RobustAccuracy(0.3), Stability(bounded)
        for rows in (slice(0, 200), slice(200, 500)):
            rr(p[rows], q[rows])
            ra(q[rows], labels[rows])
            mean(p[rows], q[rows])
        return {
            "shift": shift,
            "RR": robust_ratio(shift, 0.1, kept).reshape(1),
            "curve": robust_ratio_curve(shift, [0.1, 0.3]),
            "RA": robust_accuracy(q, labels, 0.3).reshape(1),
            "stability": stability(probability_shift(p, q, bounded)).reshape(1),
            "binary": probability_shift(p[:, 1], q[:, 1], distance),
            "metrics": torch.cat([rr.compute(), ra.compute()[None], mean.compute()[None]]),
        }

    wide = everything()
    request.getfixturevalue("no_float64")
    with NoFloat64():
        narrow = everything()
    for name, values in narrow.items():
        assert values.dtype == torch.float32
        # the distance of Jensen and Shannon is a root: next to 0 it keeps half of the digits
        atol = 5e-4 if distance == "js" and name in ("shift", "binary") else 5e-7
        if name in ("RR", "curve") or (name == "metrics" and distance == "js"):
            atol = 1 / 500 + 5e-7  # one sample on the other side of a tolerance
        torch.testing.assert_close(values.double(), wide[name], rtol=0, atol=atol)


@law
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9), st.floats(0, 1))
def test_without_float64_comparisons_say_what_they_say_in_float64(values, limit):
    values = torch.tensor([*values, limit], dtype=torch.float32)  # the last is the limit, rounded up or down
    robust, fake = is_robust(values, limit), predicted_fake(values, limit)
    curve = robust_ratio_curve(values, [limit])
    NO_FLOAT64.add("cpu")
    try:
        with NoFloat64():
            assert torch.equal(is_robust(values, limit), robust)
            assert torch.equal(is_robust(values, [limit])[:, 0], robust)
            assert torch.equal(predicted_fake(values, limit), fake)
            assert robust_ratio_curve(values, [limit]).item() == pytest.approx(curve.item(), abs=1e-7)
    finally:
        NO_FLOAT64.remove("cpu")
