"""This sweep against torchattacks, Foolbox, ART and CleverHans: time, passes through the detector, RA and RR of each.

    make bench                                           # installs the libraries, runs, records the table for the book
    python benchmarks/sweep.py --rounds 2 --detectors resnet

All have the same detector, the same batch and one thread. Each round runs everyone once, from another first one;
times are medians over rounds. A first pass, not timed, warms up, counts passes by hooks, and gives RA and RR.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable
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

from rrlib.detectors.folding import fast_copy
from rrlib.detectors.placement import place, place_batch
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


def contestants(chosen: Subject) -> list[Contestant]:
    """Everyone, each with a copy of the detector; the fast copies are made here, outside the clock.

    The libraries get the detector as it was loaded, in eval mode; whether its weights are frozen is left to them.
    """

    def contestant(
        name: str,
        run: Callable[..., Found],
        frozen: bool = False,
        placed: bool = False,
        fast: bool = False,
        setting: Setting = SETTING,
    ) -> Contestant:
        detector, x = copy.deepcopy(chosen.detector).requires_grad_(not frozen), chosen.x
        if placed or fast:
            detector = place(detector, x.device, x[0])
            x = place_batch(x, x.device, detector)
        climbed = fast_copy(detector, x, chosen.name).detector if fast else detector
        return Contestant(name, climbed, detector, partial(run, climbed, detector, x, chosen.labels, setting))

    peers = {name: partial(measured, images) for name, images in PEERS.items()}
    its_own = replace(SETTING, cw_c=1.0, cw_learning_rate=0.01)
    return [
        contestant(LEAST, least_work, frozen=True),
        contestant("this sweep", this_sweep),
        contestant("this sweep, channels last", this_sweep, placed=True),
        contestant("this sweep, fast copy", this_sweep, fast=True),
        *(contestant(name, run) for name, run in peers.items()),
        contestant(f"{PEER}, frozen", peers[PEER], frozen=True),
        contestant(f"{PEER}, fast copy", peers[PEER], frozen=True, fast=True),
        contestant(f"{PEER}, its own CW setting", peers[PEER], setting=its_own),
        contestant("this sweep, that CW setting", this_sweep, setting=its_own),
    ]


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


def compare(chosen: Subject, rounds: int, device: torch.device) -> pd.DataFrame:
    """One row for everyone who attacks the subject."""
    everyone = contestants(chosen)
    rows = {who.name: counts_and_shares(who, chosen.labels) for who in everyone}
    times = {who.name: [] for who in everyone}
    for turn in range(rounds):
        first = turn * len(everyone) // rounds
        for who in everyone[first:] + everyone[:first]:
            times[who.name].append(seconds(who.run, device))
        print(f"{chosen.name}: round {turn + 1} of {rounds}", file=sys.stderr)
    median = {name: float(np.median(taken)) for name, taken in times.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").round(3).rename_axis("who").reset_index()
    table.insert(0, "detector", chosen.name)
    table.insert(4, "seconds", [f"{median[name]:.3g}" for name in table["who"]])
    for column, name in enumerate((LEAST, PEER), start=5):
        table.insert(column, f"÷ {name}", [f"{median[who] / median[name]:.2f}" for who in table["who"]])
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
    for name in given.detectors:
        chosen = subject(name, device)
        about.append((name, f"batch {' × '.join(map(str, chosen.x.shape))}, weights {chosen.weights}"))
        tables.append(compare(chosen, given.rounds, device))
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
