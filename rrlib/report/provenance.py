"""What made a page: the parameters, the inputs by their hashes, and the versions it ran with."""

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import rrlib

PACKAGES = ("torch", "numpy", "pandas")  # besides this one, which may be used without being installed


def record(inputs: Iterable[Path], parameters: Mapping[str, object]) -> pd.DataFrame:
    """Enough to make a page again: what (parameter, input, package or machine), its name, its value.

    Inputs are files, each with the first 12 digits of its SHA-256. Parameters stand as they were read.
    """
    rows = [("parameter", name, str(value)) for name, value in parameters.items()]
    rows += [("input", str(path), f"SHA-256 {_sha256(path)[:12]}…") for path in inputs]
    rows += [("package", "rrlib", rrlib.__version__)]
    rows += [("package", package, version(package)) for package in PACKAGES]
    rows += [("machine", platform.system(), platform.machine())]
    return pd.DataFrame(rows, columns=["what", "name", "value"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
