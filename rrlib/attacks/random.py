"""Random numbers that belong to a sample, not to a batch.

A generator that is advanced batch by batch gives a sample other numbers when the batch size or the order changes.
Here the j-th number of a sample is a function of (seed, sample, j) alone: the SplitMix64 mixing function
(Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") applied to a counter. It is computed
with integers, hence equal on every device.
"""

import torch

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, the odd integer nearest to 2^64 / golden ratio, as int64
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9 as int64
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB as int64
AT_ONCE = 2**21  # numbers that are computed together


def _shift_right(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift: torch's >> on int64 would copy the sign bit in."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: torch.Tensor) -> torch.Tensor:
    z = (z ^ _shift_right(z, 30)) * _MIX1
    z = (z ^ _shift_right(z, 27)) * _MIX2
    return z ^ _shift_right(z, 31)


def uniform(shape: torch.Size | tuple[int, ...], seed: int, samples: torch.Tensor, restart: int = 0) -> torch.Tensor:
    """Numbers uniform on [−1, 1), float32, of `shape` (N, …), on the device of `samples` (N,), int64.

    Restart 0 takes a sample's first numbers, restart 1 those that follow, and so on.

    >>> one = uniform((2, 3), seed=0, samples=torch.tensor([7, 8]))
    >>> other = uniform((2, 3), seed=0, samples=torch.tensor([8, 7]))
    >>> bool((one[0] == other[1]).all())
    True
    """
    numbers = int(torch.Size(shape[1:]).numel())
    key = _mix(_mix(torch.full_like(samples, seed + 1) * _GOLDEN) + samples * _GOLDEN)
    first = restart * numbers + 1
    drawn = torch.empty((len(samples), numbers), device=samples.device)
    piece = max(1, AT_ONCE // max(1, len(samples)))  # the integers on the way take ten times the room of the result
    for begin in range(0, numbers, piece):
        end = min(begin + piece, numbers)
        counter = torch.arange(first + begin, first + end, device=samples.device, dtype=torch.int64) * _GOLDEN
        bits = _shift_right(_mix(key[:, None] + counter), 40)  # 24 bits: what a float32 mantissa holds
        drawn[:, begin:end] = bits.float().mul_(2.0**-23).sub_(1)
    return drawn.reshape(shape)
