"""A study small enough for a test, and how to run and look at it."""

import hashlib
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from bs4 import BeautifulSoup

from rrlib.datasets import video

REPOSITORY = Path(__file__).resolve().parents[2]
# a whole study: nothing of the repository's own params.yaml, which a user may have changed
FEW = {
    "seed": 0,
    "device": "cpu",
    "batch_size": 128,
    "workers": 0,
    "fold": True,
    "compiled": False,
    "retrain": False,
    "distance": "linf",
    "threshold": 0.5,
    "tolerances": [0.01, 0.1, 0.5],
    "sources": {},
    "datasets": {
        "synthetic": {
            "kind": "synthetic",
            "source": "rrlib/datasets/synthetic",
            "seed": 1,
            "size": 32,
            "strength": 0.6,
            "images": {"train": 64, "validation": 32, "test": 32},
        }
    },
    "epsilons": [0, 0.01, 0.2],
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "cells": {},
    "damage": {"jpeg": [50], "h264": [28]},
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
# what FEW has in place of these, on videos that `film` makes
TALKS = {
    "datasets": {"talks": {"kind": "frames", "source": "talks", "seed": 0, "frames": 4, "on_error": "skip"}},
    "detectors": {"resnet": FEW["detectors"]["resnet"]},
    "attacks": {"pgd": FEW["attacks"]["pgd"]},
    "video": {"datasets": {}, "detectors": {}, "attacks": {}},
}
SAMPLES = {"synthetic": 32, "moving": 16}


def run(*command: str, folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def project_files() -> list[str]:
    """The files of the project from its root: those that git does not ignore or, of a ZIP, all but what is made."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", folder=REPOSITORY)
    if listed.returncode == 0 and (REPOSITORY / ".git").exists():
        return listed.stdout.split("\n")[:-1]
    made = {".venv", "outputs", "__pycache__", "cache", "tmp"}
    found = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not made & set(path.parts))


def film(folder: Path) -> None:
    """Twelve real videos and twelve brighter fake ones of twelve persons, and a file that is no video."""
    rng = np.random.default_rng(0)
    for label, kind in enumerate(("real", "fake")):
        for person in range(12):
            path = folder / kind / f"person{person}" / f"{kind}.mp4"
            path.parent.mkdir(parents=True)
            face = rng.integers(60, 120, (1, 32, 32, 3)) + 60 * label
            video.encode(path, (face + rng.integers(-20, 20, (9, 32, 32, 3))).astype(np.uint8))
    (folder / "real" / "broken.mp4").write_bytes(b"no video")


def change(folder: Path, **parameters: object) -> None:
    """The study `FEW` with other parameters, in place of whatever the folder's params.yaml says."""
    (folder / "params.yaml").write_text(yaml.safe_dump(FEW | parameters, sort_keys=False))


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


def first_table(page: str) -> dict[str, list[str]]:
    """The first table of an HTML page, by column."""
    rows = BeautifulSoup(page, "html.parser").find("table").find_all("tr")
    names, *cells = ([cell.get_text(strip=True) for cell in row.find_all(["th", "td"])] for row in rows)
    return {name: list(column) for name, column in zip(names, zip(*cells, strict=True), strict=True)}
