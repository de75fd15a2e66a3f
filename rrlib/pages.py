"""What every notebook begins with, and how it shows a table."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from IPython.display import HTML, Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats

from rrlib import figures
from rrlib.errors import InputError
from rrlib.study import PARAMS


def begin() -> None:
    """First call of every notebook: go to the repository's root and draw pictures that repeat byte for byte."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / PARAMS).is_file()), None)
    if root is None:
        raise InputError(f"no {PARAMS} in {here} or above it; open the notebook inside the repository")
    os.chdir(root)
    figures.set_style()
    set_matplotlib_formats("svg", metadata={"Date": None})


def data_note(definition: Mapping) -> Markdown:
    """What a page's results rest on, in a sentence: drawn data are named as such on every page that shows them."""
    if definition["kind"] == "synthetic":
        return Markdown(
            "> **Synthetic data.** These images are drawn by the simulator of this compendium. The numbers show how "
            "the method works; they say nothing about detectors of real forgeries."
        )
    return Markdown(f"> **Data.** The images are those of `{definition['source']}`.")


def show(table: pd.DataFrame, missing: str = "") -> HTML:
    """A table as a page shows it: no index, three decimals, ε as short as it is; equal tables give equal bytes."""
    epsilons = [column for column in table if column in ("ε", "epsilon")]
    style = table.style.hide(axis="index").format(precision=3, na_rep=missing).format("{:g}", subset=epsilons)
    return HTML(style.set_uuid("table").set_table_attributes('class="dataframe"').to_html())
