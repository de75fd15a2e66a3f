"""Devices by name."""

import re

import pytest
import torch

from rrlib.devices import resolve
from rrlib.errors import InputError

PRESENT = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


def test_auto_takes_a_gpu_where_there_is_one_and_else_the_processor():
    assert resolve("auto").type == next((name for name, there in PRESENT.items() if there), "cpu")


def test_the_processor_is_always_there():
    assert resolve("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", PRESENT)
def test_a_device_is_given_or_said_to_be_absent(name):
    if PRESENT[name]:
        assert resolve(name) == torch.device(name)
    else:
        message = f"device {name} is asked for, but this machine has none; set device: auto or cpu"
        with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
            resolve(name)


@pytest.mark.parametrize("name", ["tpu", "CPU", "cuda:0", "", None, []])
def test_an_unknown_name_is_answered_with_those_that_are_known(name):
    message = f"device {name!r} is not known; choose from auto, cpu, cuda, mps"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        resolve(name)


def test_after_resolving_reduced_precision_and_timed_choices_are_off():
    torch.backends.cudnn.benchmark = True
    resolve("cpu")
    assert torch.backends.cudnn.benchmark is False
    assert torch.backends.cudnn.allow_tf32 is False
    assert torch.backends.cuda.matmul.allow_tf32 is False
    assert torch.are_deterministic_algorithms_enabled()
