"""A study small enough for a test, and how to run and look at it."""

import hashlib
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FEW = {
    "epsilons": [0, 0.01, 0.2],
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "detectors": {
        "resnet": {"architecture": "resnet", "input_size": 32, "seed": 0, "training": {"epochs": 2}},
        "meso4": {"architecture": "meso4", "input_size": 32, "seed": 0, "training": {"epochs": 1}},
    },
    "attacks": {"fgsm": {"rule": "fgsm"}, "pgd": {"rule": "pgd", "steps": 3}},
    "video": {
        "datasets": {
            "moving": {
                "kind": "synthetic-clips",
                "source": "rrlib/datasets/synthetic",
                "seed": 1,
                "size": 32,
                "frames": 4,
                "strength": 0.6,
                "clips": {"train": 32, "validation": 16, "test": 16},
            }
        },
        "detectors": {
            "gru": {"architecture": "cnn-gru", "input_size": 32, "seed": 0, "training": {"epochs": 1}},
        },
        "attacks": {"pgd": {"rule": "pgd", "steps": 3}, "pgd-1": {"rule": "pgd", "steps": 3, "frames": 1}},
    },
}


SAMPLES = {"synthetic": 32, "moving": 16}


def run(*command: str, folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def change(folder: Path, **parameters: object) -> None:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | parameters, sort_keys=False))


def hashes(folder: Path, pattern: str) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.md5(p.read_bytes()).hexdigest() for p in sorted(folder.glob(pattern))}


def stages_run(log: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", log))


def cells() -> list[tuple[str, str, str]]:
    """(data set, detector, attack) of both halves."""
    images = product(["synthetic"], FEW["detectors"], FEW["attacks"])
    return [*images, *product(*(FEW["video"][part] for part in ("datasets", "detectors", "attacks")))]


def table(study: Path, dataset: str, detector: str, attack: str) -> pd.DataFrame:
    return pd.read_parquet(study / f"outputs/tables/{dataset}/{detector}/{attack}.parquet")
