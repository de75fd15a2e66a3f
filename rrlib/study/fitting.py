"""A batch that fits into memory: where it runs out, work is done again with half as many samples at a time."""

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from rrlib.errors import InputError

T = TypeVar("T")
SAID = ("out of memory", "can't allocate memory")  # by torch, of GPUs and of processors, in a RuntimeError


def halving(work: Callable[[int], T], batch_size: int, what: str) -> T:
    """`work(batch_size)`, or with half the batch, and half of that, as often as memory runs out; each is said.

    For work whose results do not depend on the size of a batch. Raises InputError when one sample is too much.

    >>> def work(batch_size):
    ...     if batch_size > 2:
    ...         raise MemoryError
    ...     return batch_size
    >>> halving(work, 8, "synthetic/resnet")
    2
    """
    while True:
        try:
            return work(batch_size)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
        # here, as what the work held is gone with the error
        if batch_size == 1:
            raise InputError(f"{what}: one sample at a time takes more memory than there is; free some, or add some")
        batch_size = -(-batch_size // 2)
        print(f"{what}: out of memory; again with {batch_size} sample(s) at a time", file=sys.stderr, flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(said in str(error) for said in SAID)
