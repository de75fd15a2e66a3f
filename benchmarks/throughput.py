"""How many samples a second are attacked, and for how much of the time a GPU computes: this sweep and torchattacks.

    python benchmarks/throughput.py --device cuda
    python benchmarks/throughput.py --detectors meso4 --batch 2 --rounds 1        # a small one, on a processor

The three attacks of `sweep.py` at its five ε, on Meso4 at 256 px and Xception at 299. Each round runs everyone once;
samples a second are those of the median time on the wall. The share comes from one more run, under torch's profiler.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from subjects import PLANS, subject
from sweep import PEER, contestant
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from rrlib.devices import resolve
from rrlib.errors import InputError, unknown

WHO = (
    "this sweep",
    "this sweep, channels last",
    "this sweep, fast copy",
    PEER,
    f"{PEER}, frozen",
    f"{PEER}, fast copy",
)
SIZES = {"meso4": 256, "xception": 299}
BATCH = {"cuda": 64, "cpu": 2}
KINDS = {"cuda": (DeviceType.CUDA, ProfilerActivity.CUDA), "cpu": (DeviceType.CPU, ProfilerActivity.CPU)}


def wall(run: Callable[[], object], device: torch.device) -> float:
    """Time on the wall of one run, until the device is idle again."""
    _idle(device)
    started = time.perf_counter()
    run()
    _idle(device)
    return time.perf_counter() - started


def busy(run: Callable[[], object], device: torch.device) -> float:
    """The share of one run's time on the wall in which the device computes, in [0, 1]."""
    kind, activity = KINDS[device.type]
    with profile(activities=[activity]) as seen:
        taken = wall(run, device)
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == kind and not event.is_user_annotation
    ]
    return min(1.0, covered(spans) / (1e6 * taken))


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans (start, end): what runs at once counts once.

    >>> covered([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    total, end = 0.0, -np.inf
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return float(total)


def compare(name: str, batch: int, rounds: int, device: torch.device) -> pd.DataFrame:
    """One row for each way to run this sweep, and for torchattacks, as it is and on the fast copy."""
    chosen = subject(name, device, replace(PLANS[name], size=SIZES[name], batch=batch))
    everyone = [contestant(who, chosen) for who in WHO]
    times = {who.name: [] for who in everyone}
    for turn in range(rounds + 1):
        for who in everyone:
            times[who.name].append(wall(who.run, device))
        print(f"{name}: {f'round {turn} of {rounds}' if turn else 'warm'}", file=sys.stderr)
    median = {who: float(np.median(taken[1:])) for who, taken in times.items()}
    return pd.DataFrame(
        {
            "detector": f"{name}, {SIZES[name]} px, batch {batch}",
            "who": who.name,
            "samples/s": f"{batch / median[who.name]:.3g}",
            f"× {PEER}": f"{median[PEER] / median[who.name]:.2f}",
            f"{device.type} computes": f"{busy(who.run, device):.0%}",
        }
        for who in everyone
    )


def _idle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="samples at once; 64 on a GPU, 2 on a processor unless given")
    parser.add_argument("--detectors", nargs="+", default=list(SIZES), metavar="NAME", help=", ".join(SIZES))
    parser.add_argument("--device", choices=tuple(KINDS), default="cpu")
    given = parser.parse_args()
    for name in given.detectors:
        if name not in SIZES:
            raise unknown("--detectors", name, SIZES)
    for name in ("rounds", "batch"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            raise InputError(f"--{name} is {getattr(given, name)}; give 1 or more")
    device = resolve(given.device)
    batch = given.batch or BATCH[given.device]
    tables = [compare(name, batch, given.rounds, device) for name in given.detectors]
    print(pd.concat(tables).to_string(index=False))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
