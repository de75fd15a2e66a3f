"""Imported by the process that commands are forked from, which so has the imports of all of them behind it.

Libraries are loaded here, and what every command would work out for itself is worked out once. Nothing runs beside the
one thread, so a fork is safe.
"""

import os

from rrlib.report import kernels

if run := os.environ.get("RRLIB_RUN"):  # absent where a tool only looks at this file
    kernels.end_with(int(run))  # before the imports, which take seconds in which the run may be killed

import gc
import pkgutil

import matplotlib.pyplot  # noqa: F401
import nbclient  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torchmetrics  # noqa: F401

import rrlib
from rrlib.report import notebooks

notebooks.papermill()
import ipykernel.kernelapp  # noqa: E402, F401 - before it, papermill's progress bar warns that a widget is missing

for module in pkgutil.walk_packages(rrlib.__path__, "rrlib."):
    if module.name.split(".")[1] not in ("__main__", "cluster", "pipeline") and not module.name.endswith(".warm"):
        __import__(module.name)
from rrlib.evaluation import code, store  # noqa: E402

code.digest_of(*store.MEASURING)  # a quarter of a second for each command and page that asks for it

gc.collect()
gc.freeze()  # collections in the commands leave alone what they share
