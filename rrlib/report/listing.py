"""The page of the book with the code of all its other pages, once, where each of them would repeat it."""

import json
from pathlib import Path

from rrlib.report import notebooks

PAGE = "code"  # its name in the table of contents
ABOUT = (
    "Every page of the study is a notebook that a stage of `dvc.yaml` runs. Here is the code of each, as it stands in "
    "`notebooks/`; the parameters that it is run with, the names of a data set, a detector and an attack, stand at the "
    "end of the page that it makes. It shows tables and draws figures; what it calls is described in the "
    "[API reference](api-reference.md)."
)


# not coloured: that would be three times as much
def markdown(folder: Path = notebooks.SOURCES) -> str:
    """The page: a section for each notebook of `folder`, with the code of its cells."""
    parts = ["---\nnosearch: true\n---", "# The code of the pages", ABOUT]
    for path in sorted(folder.glob("*.ipynb")):
        parts.append(f"## {path.stem}\n\n```text\n{_code(path)}\n```")
    return "\n\n".join(parts) + "\n"


def _code(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
