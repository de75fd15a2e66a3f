"""What a recorded time depends on besides the code: the machine, its load, the versions."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("torch", "torchattacks", "foolbox", "adversarial-robustness-toolbox", "cleverhans")


def facts(rounds: int, device: torch.device) -> list[tuple[str, str]]:
    """(what, value), of this moment."""
    rows = [
        ("date", datetime.date.today().isoformat()),
        ("processor", f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread used"),
        ("load before the run", f"{os.getloadavg()[0]:.2f}"),
    ]
    if device.type == "cuda":
        rows.append(("GPU", torch.cuda.get_device_name(device)))
    rows += [
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ("rounds", str(rounds)),
        ("freed memory", "kept" if "MALLOC_TRIM_THRESHOLD_" in os.environ else "as the C library decides"),
    ]
    return rows + [(package, version(package)) for package in PACKAGES]


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
