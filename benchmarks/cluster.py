"""How much faster several workers are than one, and what the bookkeeping of a run costs as its stages grow in number.

    python benchmarks/cluster.py              # sixteen stages that sleep eight seconds, on one worker and on four
    python benchmarks/cluster.py --stages 64 310 1240

The second line is a run of stages that do nothing: its processor time, and that of finding that nothing is left to do.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import yaml

from rrlib import cluster


def project(folder: Path, command: str, count: int) -> None:
    """A DVC project of `count` stages that do not rest on each other; it becomes the working directory."""
    stages = {
        f"stage{number}": {"cmd": f"{command}; echo {number} > {number}", "outs": [f"{number}"]}
        for number in range(count)
    }
    from dvc.repo import Repo  # here: each command's process imports this file anew

    folder.mkdir()
    os.chdir(folder)
    Repo.init(folder, no_scm=True).close()
    folder.joinpath("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))


def sleeping(place: Path, workers: int) -> float:
    """Seconds of sixteen stages that sleep."""
    project(place / f"workers{workers}", "sleep 8", 16)
    begun = time.monotonic()
    assert len(cluster.run(workers=workers)) == 16
    return time.monotonic() - begun


def bookkeeping(place: Path, count: int) -> tuple[float, float]:
    """Processor seconds of this process for a run of `count` stages, and for seeing that nothing is left."""
    project(place / f"stages{count}", "true", count)
    begun = time.process_time()
    assert len(cluster.run(workers=2)) == count
    ran = time.process_time()
    assert cluster.run(workers=2) == []
    return ran - begun, time.process_time() - ran


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stages", type=int, nargs="*", default=[], metavar="N", help="bookkeeping of so many stages")
    counts = parser.parse_args().stages
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for count in counts:
            run, seen = bookkeeping(place, count)
            print(
                f"{count} stages: run {run:.1f} processor seconds, {run / count:.3f} a stage; nothing left {seen:.1f}"
            )
        if not counts:
            one, four = sleeping(place, 1), sleeping(place, 4)
            print(
                f"16 stages of 8 s: {one:.1f} s with one worker, {four:.1f} s with four, {one / four:.2f} times faster"
            )
        os.chdir("/")


if __name__ == "__main__":
    main()
