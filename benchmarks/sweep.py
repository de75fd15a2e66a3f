"""This sweep against torchattacks, Foolbox, ART and CleverHans: time, passes through the detector, RA and RR of each.

    make bench                                           # installs the libraries, runs, records the table for the book
    python benchmarks/sweep.py --rounds 2 --detectors resnet

All have the same detector, the same batch, one thread, and a process of their own, so that none leaves its memory or
its settings to another. Each round runs everyone once, one at a time, from another first one; times are medians over
rounds. A first pass, not timed, warms up, counts passes by hooks, and gives RA and RR.
"""

import argparse
import copy
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from counting import counted
from machine import facts
from ours import least_work, this_sweep
from peers import PEERS, Found, Setting, measured
from subjects import Subject, known, subject
from torch import nn

from rrlib.detectors import batch_to_device, surrogate, to_device
from rrlib.devices import resolve
from rrlib.errors import InputError, unknown
from rrlib.metrics import probability_shift, robust_accuracy, robust_ratio

EPSILON, TOLERANCE = 0.01, 0.1  # where RA and RR are told
LEAST, PEER = "least work", "torchattacks"  # whose times the others are divided by
SETTING = Setting()


class Contestant(NamedTuple):
    """Who attacks; the attack climbs `climbed`, and RA and RR are those of `detector`."""

    name: str
    climbed: nn.Module
    detector: nn.Module
    run: Callable[[], Found]


class Way(NamedTuple):
    """Who runs what on which copy of a detector."""

    run: Callable[..., Found]
    frozen: bool = False
    placed: bool = False
    fast: bool = False
    setting: Setting = SETTING


ITS_OWN = replace(SETTING, cw_c=1.0, cw_learning_rate=0.01)
_peers = {name: partial(measured, images) for name, images in PEERS.items()}
WAYS = {
    LEAST: Way(least_work, frozen=True),
    "this sweep": Way(this_sweep),
    "this sweep, channels last": Way(this_sweep, placed=True),
    "this sweep, fast copy": Way(this_sweep, placed=True, fast=True),
    **{name: Way(run) for name, run in _peers.items()},
    f"{PEER}, frozen": Way(_peers[PEER], frozen=True),
    f"{PEER}, fast copy": Way(_peers[PEER], frozen=True, placed=True, fast=True),
    f"{PEER}, its own CW setting": Way(_peers[PEER], setting=ITS_OWN),
    "this sweep, that CW setting": Way(this_sweep, setting=ITS_OWN),
}


def contestant(name: str, chosen: Subject) -> Contestant:
    """The one called `name`, of `WAYS`, with a copy of the detector; a fast copy is made here, outside the clock.

    The libraries get the detector as it was loaded, in eval mode; whether its weights are frozen is left to them.
    """
    way, x = WAYS[name], chosen.x
    detector = copy.deepcopy(chosen.detector).requires_grad_(not way.frozen)
    if way.placed:
        detector = to_device(detector, x.device, x[0])
        x = batch_to_device(x, x.device, detector)
    climbed = surrogate(detector, x, chosen.name).detector if way.fast else detector
    return Contestant(name, climbed, detector, partial(way.run, climbed, detector, x, chosen.labels, way.setting))


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Processor time of one run; on a GPU, time on the wall until it is idle again."""
    if device.type == "cpu":
        started = time.process_time()
        run()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def counts_and_shares(who: Contestant, labels: torch.Tensor) -> dict[str, float]:
    """Passes of one run, and RA and RR of each attack at `EPSILON`, RR at `TOLERANCE`."""
    with ExitStack() as hooks:
        passes = [hooks.enter_context(counted(each)) for each in {who.climbed, who.detector}]
        found = who.run()
    row = {"gradients": sum(each.gradients for each in passes), "forwards": sum(each.forwards for each in passes)}
    for attack in ("fgsm", "pgd", "cw") if found else ():
        p = found[attack, EPSILON]
        row[f"RA {attack}"] = float(robust_accuracy(p, labels.cpu()))
        row[f"RR {attack}"] = float(robust_ratio(probability_shift(found["clean", 0.0], p), TOLERANCE))
    return row


_own: dict[str, Contestant | Subject] = {}  # in a process of its own: the one that runs there, and what it attacks


def _begin(who: str, name: str, device: str) -> None:
    torch.set_num_threads(1)
    chosen = subject(name, resolve(device))
    _own.update(subject=chosen, contestant=contestant(who, chosen))


def _count() -> dict[str, float]:
    return counts_and_shares(_own["contestant"], _own["subject"].labels)


def _time() -> float:
    return seconds(_own["contestant"].run, _own["subject"].x.device)


def compare(name: str, rounds: int, device: torch.device, processes: dict[str, ProcessPoolExecutor]) -> pd.DataFrame:
    """One row for everyone who attacks the subject; one runs at a time."""
    for who, process in processes.items():
        process.submit(_begin, who, name, device.type).result()
    rows = {who: process.submit(_count).result() for who, process in processes.items()}
    everyone = list(processes)
    times = {who: [] for who in everyone}
    for turn in range(rounds):
        first = turn * len(everyone) // rounds
        for who in everyone[first:] + everyone[:first]:
            times[who].append(processes[who].submit(_time).result())
        print(f"{name}: round {turn + 1} of {rounds}", file=sys.stderr)
    median = {who: float(np.median(taken)) for who, taken in times.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").round(3).rename_axis("who").reset_index()
    table.insert(0, "detector", name)
    table.insert(4, "seconds", [f"{median[who]:.3g}" for who in table["who"]])
    for column, other in enumerate((LEAST, PEER), start=5):
        table.insert(column, f"÷ {other}", [f"{median[who] / median[other]:.2f}" for who in table["who"]])
    return table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--detectors", nargs="+", default=known(), metavar="NAME", help=", ".join(known()))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write the table and the machine's facts here")
    given = parser.parse_args()
    for name in given.detectors:
        if name not in known():
            raise unknown("--detectors", name, known())
    if given.rounds < 1:
        raise InputError(f"--rounds is {given.rounds}; give 1 or more, 5 for a table that is kept")
    if given.record and not given.record.is_dir():
        raise InputError(f"--record {given.record} is not a folder; name one that is there")
    return given


def main() -> None:
    given = arguments()
    device = resolve(given.device)
    torch.set_num_threads(1)
    about, tables = facts(given.rounds, device), []
    with ExitStack() as open_processes:
        processes = {
            who: open_processes.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
            for who in WAYS
        }
        for name in given.detectors:
            chosen = subject(name, device)
            about.append((name, f"batch {' × '.join(map(str, chosen.x.shape))}, weights {chosen.weights}"))
            tables.append(compare(name, given.rounds, device, processes))
    table, machine = pd.concat(tables), pd.DataFrame(about, columns=["what", "value"])
    print(table.to_string(index=False, na_rep=""), machine.to_string(index=False), sep="\n\n")
    if given.record:
        table.to_csv(given.record / f"sweep-{device.type}.csv", index=False)
        machine.to_csv(given.record / f"machine-{device.type}.csv", index=False)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
