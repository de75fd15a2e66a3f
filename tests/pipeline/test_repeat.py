"""Two runs from nothing give the same bytes."""

import shutil

import pytest
from small import hashes, run

pytestmark = pytest.mark.slow
MADE = ["outputs/tables/**/*.parquet", "outputs/notebooks/**/*.ipynb", "outputs/checkpoints/**/*.safetensors"]
PAGES = [
    "figure1",
    "index",
    "claims",
    "compare",
    "evaluations",
    "explorer",
    "linearity",
    "choose",
    "damage-page",
    "transfer-page",
    "faces",
    "drawn-and-real",
    "dataset-page",
    "dataset-page-video",
    "pages",
    "pages-video",
]


def test_equal_inputs_give_equal_bytes(study, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(study, again, ignore=shutil.ignore_patterns("outputs", "dvc.lock", "cache", "tmp"))
    done = run("dvc", "repro", *PAGES, folder=again)
    assert done.returncode == 0, done.stderr[-2000:]
    for pattern in MADE:
        assert hashes(again, pattern) == hashes(study, pattern)
        assert hashes(again, pattern)
