"""Leftovers of earlier studies, removed."""

import shutil
from pathlib import Path

from rrlib.study import paths
from rrlib.study.params import Study


def tidy(study: Study) -> list[Path]:
    """Remove from outputs/ what an earlier study left there, so that no stage takes it for its own; what was removed.

    What was measured stays: it is found by its key, should the study come back.
    """
    kept = {
        "datasets": set(study.datasets),
        "training": {name for each in study.datasets for name in (each, f".{each}.txt", f".{each}.lock")},
        "checkpoints": set(study.datasets),
        "tables": set(study.datasets),
        "damage": set(study.datasets),
        "transfer": set(study.datasets),
        "trust": set(study.datasets),
        "notebooks/datasets": {f"{name}.ipynb" for name in study.datasets},
        "notebooks/detectors": set(study.datasets),
    }
    for dataset in study.datasets:
        of_dataset = set(study.half(dataset).detectors)
        kept[f"checkpoints/{dataset}"] = {f"{detector}.safetensors" for detector in of_dataset}
        kept[f"damage/{dataset}"] = {f"{detector}.parquet" for detector in of_dataset}
        kept[f"trust/{dataset}"] = {f"{detector}.json" for detector in of_dataset}
        kept[f"tables/{dataset}"] = kept[f"notebooks/detectors/{dataset}"] = of_dataset
    removed = []
    for folder, names in kept.items():
        for left in sorted(paths.OUTPUTS.joinpath(folder).glob("*")):
            if left.name not in names:
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
                removed.append(left)
    return removed
