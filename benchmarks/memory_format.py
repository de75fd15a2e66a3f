"""Is channels last worth it? One gradient of each detector in both layouts, interleaved in one run, one thread.

    python benchmarks/memory_format.py

Prints, per architecture, the ratio of processor times (channels last / default; below 1 is faster) as the median over
pairs, and the largest difference of probabilities between the two.
"""

import copy
import statistics
import time

import torch

from rrlib.attacks.gradients import margin_gradient
from rrlib.detectors.catalogue import ARCHITECTURES, build
from rrlib.detectors.layout import to_device

PAIRS, BATCH, FRAMES, SIZE = 9, 128, 8, 64


def seconds(detector: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    started = time.process_time()
    margin_gradient(detector, x, labels)
    return time.process_time() - started


def main() -> None:
    torch.set_num_threads(1)
    images = torch.rand(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    print(f"{BATCH} images, or as many frames in clips of {FRAMES}, of {SIZE} px, {PAIRS} pairs")
    for name in ARCHITECTURES:
        x = images.unflatten(0, (-1, FRAMES)) if ARCHITECTURES[name].modality == "video" else images
        labels = torch.arange(len(x)) % 2
        default = build(name, SIZE, seed=0).eval().requires_grad_(False)
        last = to_device(copy.deepcopy(default), "cpu", x[0])
        ratios = []
        for _ in range(PAIRS + 1):
            ratios.append(seconds(last, x, labels) / seconds(default, x, labels))
        difference = (default(x).softmax(1) - last(x).softmax(1)).abs().max()
        print(f"{name:18} {statistics.median(ratios[1:]):.2f}   largest difference {float(difference):.1e}")


if __name__ == "__main__":
    main()
