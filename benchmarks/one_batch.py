"""Is PGD faster at all ε in one batch than at one ε after the other? Time of the first over the second, per batch size.

    python benchmarks/one_batch.py [--device cuda]

Six ε, ten steps, ResNet at 64 px, one thread, processor time (on a GPU time on the wall), medians of interleaved pairs.
"""

import argparse
import statistics
import time

import torch

from rrlib.attacks import rule, sweep
from rrlib.detectors.catalogue import build
from rrlib.detectors.layout import batch_to_device, to_device
from rrlib.devices import resolve

PAIRS, SIZE, EPSILONS = 7, 64, [0.001, 0.002, 0.005, 0.01, 0.05, 0.2]


def seconds(one_batch: bool, detector: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    clock = time.process_time if x.device.type == "cpu" else time.perf_counter
    start = clock()
    for step in sweep(rule("pgd", one_batch=one_batch), detector, x, labels, EPSILONS):
        step.images.sum().item()  # waits for a GPU
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    device = resolve(parser.parse_args().device)
    torch.set_num_threads(1)
    detector = to_device(build("resnet", SIZE, seed=0).eval(), device, torch.zeros(3, SIZE, SIZE))
    for batch in (1, 4, 16, 64):
        x = torch.rand(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        x = batch_to_device(x, device, detector)
        labels = torch.arange(batch, device=device) % 2
        ratios = []
        for _ in range(PAIRS + 1):
            ratios.append(seconds(True, detector, x, labels) / seconds(False, detector, x, labels))
        print(f"batch of {batch:3}: {statistics.median(ratios[1:]):.2f}")


if __name__ == "__main__":
    main()
