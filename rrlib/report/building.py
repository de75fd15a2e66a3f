"""Jupyter Book's build in a process of its own, two pages at a time.

Run as `python -m rrlib.report.building SOURCE TARGET PARENT`, the last being the process that it ends with.
"""

import functools
import os
import sys
from pathlib import Path

from rrlib.report import warm

PROCESSES = 2  # more gain little: a third of the work is before and after the pages


def build(source: Path, target: Path) -> int:
    """Build the book of `source` into `target`; 0, or 1 if Sphinx warned. What it has to say goes to stdout.

    Where a build before left its pages in `target`, and what it read beside it in `.doctrees`, only pages that changed
    are read and written.
    """
    # not installed, says jsonschema's reader of it, which allows for that and otherwise makes 38 grammars, 2 seconds
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    import sphinx_multitoc_numbering
    from jupyter_book.sphinx import build_sphinx
    from pybtex import plugin

    # it numbers chapters, which this book does not, and does not say that its pages may be read two at a time
    sphinx_multitoc_numbering.setup = lambda app: {"parallel_read_safe": True, "parallel_write_safe": True}

    # each citation looks it up again among all that is installed
    plugin._load_entry_point = functools.cache(plugin._load_entry_point)
    sys.stderr = sys.stdout
    done = build_sphinx(
        source,
        target,
        noconfig=True,
        path_config=source / "_config.yml",
        confoverrides={
            "external_toc_path": str(source / "_toc.yml"),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        quiet=True,
        warningiserror=True,
        keep_going=True,
        jobs=min(PROCESSES, os.cpu_count() or 1),
    )
    if isinstance(done, Exception):
        print(f"ERROR: {done}")
    return int(bool(done))


def end_with(parent: int) -> None:
    """Let the system end this process when `parent` ends, and those that read and write pages for it when it does."""
    if sys.platform == "linux":
        warm.end_with(parent)
        os.register_at_fork(after_in_child=functools.partial(warm.end_with, os.getpid()))


if __name__ == "__main__":
    end_with(int(sys.argv[3]))
    sys.exit(build(*(Path(each).resolve() for each in sys.argv[1:3])))
