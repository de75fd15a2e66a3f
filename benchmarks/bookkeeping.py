"""What a study of a thousand cells costs beside its cells: `dvc status`, and the bookkeeping of `python -m rrlib run`.

    python benchmarks/bookkeeping.py --cells 310 620 1240 --workers 2

A study of so many cells (5 attacks, up to 31 detectors, as many data sets as that asks for) in a copy of the
repository: the stages are those of dvc.yaml, and each command puts down files of the usual number and size that were
made before. So what is left is what DVC, Dask and `rrlib run` do. A line for each number of cells: processor seconds
and wall of `dvc status` after the run, processor seconds of the run's main process by stage and by cell, its wall, and
what a second run costs, which finds nothing to do.
"""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "tests" / "pipeline"))
from small import FEW, project_files  # noqa: E402

ATTACKS = {f"pgd{steps}": {"rule": "pgd", "steps": steps} for steps in range(1, 6)}
DETECTORS = 31  # for each data set
EPSILONS, TEST, OTHER = (0, 0.002, 0.01, 0.02, 0.05, 0.2), 384, 512  # as the default study has them
NOTEBOOK, CHECKPOINT, SMALL = 140_000, 320_000, 10_000  # bytes
RUN = """
import sys, time
from rrlib.__main__ import main
code = main(["run", *sys.argv[1:]])
print("processor seconds:", time.process_time())
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[310, 620, 1240], metavar="N")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0, help="that each command sleeps besides (0)")
    options = parser.parse_args()
    for cells in options.cells:
        with tempfile.TemporaryDirectory(prefix="bookkeeping-") as folder:
            place = Path(folder)
            stages = project(place, cells, options.seconds)
            first, wall = run(place, options.workers)
            status, waited = dvc_status(place)
            again, _ = run(place, options.workers)
            print(
                f"{cells} cells, {stages} stages: run {first:.0f} s of processor ({1000 * first / stages:.0f} ms a "
                f"stage, {1000 * first / cells:.0f} ms a cell), {wall:.0f} s wall; dvc status {status:.1f} s "
                f"({waited:.1f} s wall); second run {again:.1f} s",
                flush=True,
            )


def project(place: Path, cells: int, seconds: float) -> int:
    """A study of `cells` cells in a copy of the repository whose commands put down what is ready in made/."""
    pairs = -(-cells // len(ATTACKS))
    count = -(-pairs // DETECTORS)
    for name in project_files():
        if not name.startswith(("tests/", "benchmarks/", "dvc.lock")) and (REPOSITORY / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, place / name)
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    dataset, resnet = FEW["datasets"]["synthetic"], FEW["detectors"]["resnet"]
    study = FEW | {
        "epsilons": list(EPSILONS),
        "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd5"},
        "attacks": ATTACKS,
        "datasets": {f"drawn{number}": dataset | {"seed": number} for number in range(count)},
        "detectors": {f"resnet{number}": resnet | {"seed": number} for number in range(pairs // count)},
        "video": {"datasets": {}, "detectors": {}, "attacks": {}},
    }
    (place / "params.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    text = yaml.safe_load((place / "dvc.yaml").read_text())
    for stage in text["stages"].values():
        body = stage.get("do", stage)
        outs = " ".join(shlex.quote(out) for out in (*body.get("outs", ()), *body.get("metrics", ())))
        body["cmd"] = f"sh put-down.sh {outs}"
    (place / "dvc.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
    (place / "put-down.sh").write_text(
        f'sleep {seconds}\nfor out; do mkdir -p "${{out%/*}}"; cp -r "made/$out" "$out"; done\n'
    )
    return make(place)


def make(place: Path) -> int:
    """The outputs of all stages, in made/; how many stages there are."""
    from dvc.repo import Repo

    rng = random.Random(0)
    with Repo(place) as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd]
        for stage in stages:
            for out in stage.outs:
                fill(place / "made" / Path(out.fs_path).relative_to(repo.root_dir), stage.name, rng)
    return len(stages)


def fill(target: Path, stage: str, rng: random.Random) -> None:
    """Files like those of a stage; no two hold the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = re.split("[@-]", stage)[0]
    if target.name == "cells":  # a file for each pair
        study = yaml.safe_load((target.parents[2] / "params.yaml").read_text())
        for dataset, detector in product(study["datasets"], study["detectors"]):
            write(target / dataset / f"{detector}.txt", 10, rng)
    elif kind == "dataset" and not target.suffix:
        for number in range(TEST + OTHER):
            write(target / ("real", "fake")[number % 2] / f"{number:04}.png", SMALL // 10, rng)
        write(target / "manifest.csv", SMALL, rng)
    elif kind == "measure":
        target.mkdir()
        for attack in ATTACKS:
            table(rng, attack).to_parquet(target / f"{attack}.parquet", compression="zstd")
    elif kind == "results":
        target.mkdir()
        table(rng, "pgd5").to_parquet(target / "image.parquet", compression="zstd")
    elif kind == "pages":
        for name in ("detector", *ATTACKS):
            write(target / f"{name}.ipynb", NOTEBOOK, rng)
    elif target.suffix:
        write(target, {".safetensors": CHECKPOINT, ".ipynb": NOTEBOOK}.get(target.suffix, SMALL), rng)
    else:
        write(target / "file", SMALL, rng)


def write(path: Path, size: int, rng: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":  # DVC reads those that are metrics
        path.write_text(json.dumps({"drawn": rng.randbytes(size // 2).hex()}))
    else:
        path.write_bytes(rng.randbytes(size))


def table(rng: random.Random, attack: str) -> pd.DataFrame:
    """A result table of drawn numbers."""
    count = TEST * len(EPSILONS)
    draws = np.random.default_rng(rng.getrandbits(32)).random((3, count))
    epsilon = np.tile(EPSILONS, TEST)
    samples = [f"{number:04}" for number in range(TEST) for _ in EPSILONS]
    columns: dict[str, Any] = {"dataset": "d", "detector": "f", "attack": attack, "epsilon": epsilon, "sample": samples}
    columns |= {"group": samples, "label": np.repeat(np.arange(TEST) % 2, len(EPSILONS)).astype(np.int8)}
    columns |= {"p_clean": draws[0], "p_attacked": draws[1], "shift": draws[2] * (epsilon > 0), "linf": epsilon}
    return pd.DataFrame(columns).assign(gradient=pd.array([True] * count, dtype="boolean"))


def run(place: Path, workers: int) -> tuple[float, float]:
    """Processor seconds of the main process of a run, without its commands, and wall seconds."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--workers", str(workers)], cwd=place, env=environment(), capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return float(done.stdout.split()[-1]), time.monotonic() - begun


def dvc_status(place: Path) -> tuple[float, float]:
    """Processor and wall seconds."""
    begun = time.monotonic()
    process = subprocess.Popen(["dvc", "status"], cwd=place, env=environment(), stdout=subprocess.PIPE, text=True)
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status or "up to date" not in said:
        raise SystemExit(f"dvc status ended with {status} and said: {said[-2000:]}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begun


def environment() -> dict[str, str]:
    settings = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    return os.environ | settings | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
