"""A small study in a temporary clone, run once for all tests of this folder."""

import shutil
from pathlib import Path

import pytest
import yaml
from small import FEW, REPOSITORY, change, run


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """What git would give a stranger, with the uncommitted state of tracked files, and a tiny study."""
    folder = tmp_path_factory.mktemp("clone")
    listed = run("git", "ls-files", "-co", "--exclude-standard", folder=REPOSITORY).stdout.split("\n")
    for name in filter(None, listed):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)  # with its time, which make looks at
    run("git", "init", "--quiet", folder=folder)
    synthetic = yaml.safe_load((folder / "params.yaml").read_text())["datasets"]["synthetic"]
    small = synthetic | {"size": 32, "images": {"train": 64, "validation": 32, "test": 32}}
    change(folder, datasets={"synthetic": small}, **FEW)
    (folder / "dvc.lock").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="session")
def study(clone) -> Path:
    done = run("dvc", "repro", folder=clone)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return clone
