"""Double precision: an attack ends at the same place on every processor, and a detector is otherwise what it was."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rrlib.detectors import InDouble, build, surrogate
from rrlib.evaluation import evaluate

REPOSITORY = Path(__file__).resolve().parents[2]
GIVEN = REPOSITORY / "data/checkpoints/faces-1/meso4.safetensors"
OTHER_PROCESSOR = {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41"}
# attacks the given detector and prints what it then says; pixels of float64, as a sum of float32 has another last digit
# where it is rounded once more
ATTACK = f"""
import torch
from rrlib.detectors import InDouble, load
from rrlib.evaluation import evaluate
detector = load({str(GIVEN)!r}, "meso4", 64).detector
x = torch.rand(24, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.2 + 0.4
table = evaluate(InDouble(detector), (x, torch.arange(24) % 2), "pgd", [0.005, 0.02])
print(*(value.hex() for value in table["p_attacked"]))
"""


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def attacked(settings: dict[str, str]) -> np.ndarray:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"} | settings
    done = subprocess.run(
        [sys.executable, "-c", ATTACK], env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    return np.array([float.fromhex(word) for word in done.stdout.split()])


def test_an_attack_on_a_detector_with_max_pooling_ends_alike_on_two_instruction_sets():
    here, there = attacked({}), attacked(OTHER_PROCESSOR)
    assert here.shape == (48,)
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-12)


def test_what_a_detector_says_is_the_same_up_to_the_rounding_of_single_precision(x):
    detector = build("meso4", 32, seed=0).eval()
    single = detector(x)
    double = InDouble(detector)(x)
    assert double.dtype == torch.float64
    np.testing.assert_allclose(double.detach().numpy(), single.detach().numpy(), atol=1e-5)


def test_its_batch_norms_are_folded_as_before(x):
    detector = build("resnet", 32, seed=0).eval()
    folded = surrogate(InDouble(detector), x)
    assert folded.description.startswith("a copy with 9 batch norms folded into convolutions")
    assert folded.detector(x).dtype == torch.float64


def test_a_table_of_a_detector_in_double_precision_is_an_ordinary_one(x):
    detector = build("resnet", 32, seed=0)
    single = evaluate(detector, (x, torch.tensor([0, 1, 0, 1])), "fgsm", [0, 0.01])
    double = evaluate(InDouble(detector), (x, torch.tensor([0, 1, 0, 1])), "fgsm", [0, 0.01])
    assert double.dtypes.equals(single.dtypes)
    np.testing.assert_allclose(double["p_clean"], single["p_clean"], atol=1e-6)
