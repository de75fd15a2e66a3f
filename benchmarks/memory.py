"""Does attacking a clip stay within memory that frames_at_once sets? Peak resident memory, one process a row.

    python benchmarks/memory.py

Clips of 256 px through `FrameMean(Meso4(256), frames_at_once=16)`, evaluated at two epsilons in batches of one. Prints,
per attack, length and number of clips, the peak of the whole process, what of it the libraries take, and the size of
one clip. Wanted: below 4 GiB for 300 frames, and no growth with the number of clips. Needs Linux, takes minutes.

glibc keeps what is freed in blocks below 32 MiB for later, which adds up to 0.4 GiB, more or less from run to run;
here every block from 1 MiB is given back at once, so that the peak is that of what is in use.
"""

import os
import subprocess
import sys

import pandas as pd
import torch
from torch.utils.data import Dataset

from rrlib.attacks import rule
from rrlib.detectors.meso import Meso4
from rrlib.detectors.temporal import FrameMean
from rrlib.evaluation import evaluate

SIZE, FRAMES_AT_ONCE, EPSILONS = 256, 16, [0.01, 0.05]
ATTACKS = {"fgsm": {}, "pgd": {"steps": 3}, "pgd, 3 frames": {"steps": 3, "frames": 3}}
ROWS = [(attack, frames, 1) for frames in (32, 300) for attack in ATTACKS]
ROWS += [(attack, 32, clips) for clips in (2, 8) for attack in ("fgsm", "pgd")]


class Clips(Dataset):
    """Random clips, made when they are asked for."""

    def __init__(self, clips: int, frames: int):
        names = [str(number) for number in range(clips)]
        self.frames = frames
        self.table = pd.DataFrame({"sample": names, "group": names, "label": 1})

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        generator = torch.Generator().manual_seed(index)
        return torch.rand(self.frames, 3, SIZE, SIZE, generator=generator), 1, index


def peak() -> float:
    """The largest resident memory of this process so far, in GiB."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def measure(attack: str, frames: int, clips: int) -> None:
    torch.set_num_threads(1)
    before = peak()
    detector = FrameMean(Meso4(SIZE), FRAMES_AT_ONCE)
    chosen = rule(attack.split(",")[0], **ATTACKS[attack])
    evaluate(detector, Clips(clips, frames), chosen, EPSILONS, batch_size=1)
    clip = frames * 3 * SIZE**2 * 4 / 2**30
    print(f"{attack:14} {frames:7} {clips:6} {peak():10.2f} {before:10.2f} {clip:10.2f}", flush=True)


def main() -> None:
    print(f"FrameMean(Meso4({SIZE}), {FRAMES_AT_ONCE}), GiB; torch {torch.__version__}")
    print("attack          frames  clips       peak  libraries   one clip", flush=True)
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    for row in ROWS:
        command = [sys.executable, __file__, *map(str, row)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
