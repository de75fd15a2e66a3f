"""Small studies in temporary clones, each run once for all tests of one process."""

import shutil
from pathlib import Path

import pytest
from small import REPOSITORY, TALKS, change, film, project_files, run


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A clone with a tiny study."""
    folder = cloned(tmp_path_factory.mktemp("clone"))
    change(folder)
    return folder


def cloned(folder: Path) -> Path:
    """What git would give a stranger, with the uncommitted state of tracked files."""
    for name in project_files():
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)  # with its time, which make looks at
    run("git", "init", "--quiet", folder=folder)
    (folder / "dvc.lock").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="session")
def study(clone) -> Path:
    """The clone with its study, as `make` runs it."""
    done = run("python", "-m", "rrlib", "run", "--workers", "2", folder=clone)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return clone


@pytest.fixture(scope="session")
def talks(tmp_path_factory) -> Path:
    """A clone with videos of its own, on which one detector of images is evaluated."""
    folder = cloned(tmp_path_factory.mktemp("talks"))
    film(folder / "talks")
    change(folder, **TALKS)
    done = run("dvc", "repro", "figure1", "dataset-page", "pages", folder=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder
