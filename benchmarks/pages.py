"""Processor seconds of six small pages: a command for each, and one command for all of them.

    python benchmarks/pages.py [ROUNDS]

Each page imports what an evaluation page imports and draws one figure of a small table. Both ways are taken in turn,
and the medians are printed, with the least and the most: per page, user and system time of the command and of all that
it started. On a machine that does other things too, more rounds help.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
PAGES = [f"outputs/{number}.ipynb" for number in range(6)]
PARAMETERS = 'detector = "none"'
IMPORTS = """import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from rrlib import study
from rrlib.analysis import summary
from rrlib.evaluation import Cell
from rrlib.report import figures, pages, pictures, provenance
from rrlib.study import paths, stages

pages.begin()"""
TABLE = """grid = [(str(sample), epsilon) for sample in range(64) for epsilon in (0.0, 0.01, 0.1)]
table = pd.DataFrame(grid, columns=["sample", "epsilon"])
table = table.assign(dataset="faces", detector=detector, attack="pgd", group=table["sample"], label=1, p_clean=0.9)
table["shift"] = table["epsilon"] * table["sample"].astype(int) / 8
table["p_attacked"] = table["p_clean"] - table["shift"]
pages.show(table.groupby("epsilon")["shift"].mean().reset_index())"""
FIGURE = """figure, ax = plt.subplots(figsize=(6.4, 3.4))
figures.plot_curves(table, ax)
plt.show()"""
ALL = """import sys
from pathlib import Path
from rrlib.report import notebooks
jobs = [notebooks.Job("page", Path(target), {"detector": target}) for target in sys.argv[1:]]
notebooks.execute_all(jobs)"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    one_by_one = [[sys.executable, "-m", "rrlib", "notebook", "page", page, f"detector={page}"] for page in PAGES]
    ways = {"a command for each": one_by_one, "one command for all": [[sys.executable, "-c", ALL, *PAGES]]}
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for _ in range(rounds):
            for way, commands in ways.items():
                spent[way].append(cost(commands, Path(folder)))
                made[way] = [Path(folder, page).read_bytes() for page in PAGES]
    print(f"| {len(PAGES)} pages, {rounds} rounds | processor s per page | least – most | wall s per page |")
    print("|---|---|---|---|")
    for way, costs in spent.items():
        processor, wall = ([each[kind] / len(PAGES) for each in costs] for kind in (0, 1))
        spread = f"{min(processor):.2f} – {max(processor):.2f}"
        print(f"| {way} | {statistics.median(processor):.2f} | {spread} | {statistics.median(wall):.2f} |")
    equal = len({tuple(pages) for pages in made.values()}) == 1
    print(f"The pages of both ways are {'equal, byte for byte' if equal else 'NOT equal'}.")


def prepare(folder: Path) -> None:
    """A repository as far as pages need one."""
    (folder / "notebooks").mkdir()
    (folder / "params.yaml").touch()
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [parameters, *map(new_code_cell, (IMPORTS, TABLE, FIGURE))]
    nbformat.write(new_notebook(metadata=kernel, cells=cells), folder / "notebooks" / "page.ipynb")


def cost(commands: list[list[str]], folder: Path) -> tuple[float, float]:
    """Processor and wall seconds of these commands, one after the other."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, stderr=subprocess.DEVNULL
        )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    main()
