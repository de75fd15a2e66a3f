"""The command line, `python -m rrlib …`: what the stages of dvc.yaml run, and what a person may run by hand."""

import argparse
import os
import sys
from pathlib import Path

from rrlib.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 when the input cannot be used, 130 when it was interrupted."""
    options = _parser().parse_args(arguments)
    # As in the Makefile: the first is read when torch is loaded, the others when a process, here a kernel, begins.
    for name, value in (
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("MALLOC_MMAP_MAX_", "0"),
        ("MALLOC_TRIM_THRESHOLD_", "4000000000"),
    ):
        os.environ.setdefault(name, value)
    try:
        options.run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}; free it and run again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept; run `dvc repro` to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rrlib", description="Robustness of deepfake detectors")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check", help="check params.yaml and the weights that it names, and say what it asks for"
    )
    check.set_defaults(run=_check)

    dataset = commands.add_parser("dataset", help="prepare one data set")
    dataset.add_argument("dataset")
    dataset.set_defaults(run=_dataset)

    checkpoint = commands.add_parser("checkpoint", help="train one detector on one data set, or take its weights")
    checkpoint.add_argument("dataset")
    checkpoint.add_argument("detector")
    checkpoint.set_defaults(run=_checkpoint)

    videos = commands.add_parser("videos", help="tables of videos from the tables of their frames")
    videos.set_defaults(run=_videos)

    notebook = commands.add_parser("notebook", help="execute one notebook of notebooks/ into outputs/notebooks/")
    notebook.add_argument("name", help="its file name without .ipynb")
    notebook.add_argument("target", type=Path, help="the executed notebook")
    notebook.add_argument("parameters", nargs="*", metavar="KEY=VALUE")
    notebook.set_defaults(run=_notebook)

    fetch = commands.add_parser("fetch", help="bring a data set or checkpoint of data/catalogue.yaml here, checked")
    fetch.add_argument("name", help="`python -m rrlib sources` lists them")
    fetch.add_argument("--to", type=Path, metavar="FOLDER", help="outputs/sources/NAME unless given")
    fetch.add_argument("--trust-first-use", action="store_true", help="take a file or revision that is not pinned yet")
    fetch.set_defaults(run=_fetch)

    sources = commands.add_parser("sources", help="list what fetch can bring, as a Markdown table")
    sources.set_defaults(run=_sources)
    for command in (fetch, sources):
        command.add_argument(
            "--catalogue", type=Path, action="append", default=[], metavar="PATH", help="a file that changes entries"
        )

    record = commands.add_parser("record", help="write the present results to data/reference.csv, for later runs")
    record.set_defaults(run=_record)

    book = commands.add_parser("book", help="build the book from the executed notebooks")
    book.add_argument("target", type=Path, help="the folder for its pages")
    book.set_defaults(run=_book)
    return parser


# Each command imports what it needs: `--help` and `check` should not wait for papermill and Sphinx.


def _check(options: argparse.Namespace) -> None:
    from rrlib import stages, study

    found = study.load()
    for name, entry in found.detectors.items():
        if entry.weights:
            stages.load_weights(found, name)
    for name, half in (("images", found.image), ("video", found.video)):
        print(
            f"params.yaml: {name}: {len(half.datasets)} data set(s) × {len(half.detectors)} detector(s) × "
            f"{len(half.attacks)} attack(s) = {len(half.cells())} cells at {len(found.epsilons)} epsilons"
        )


def _dataset(options: argparse.Namespace) -> None:
    from rrlib import stages, study

    stages.prepare_dataset(study.load(), options.dataset)


def _checkpoint(options: argparse.Namespace) -> None:
    from rrlib import stages, study

    stages.make_checkpoint(study.load(), options.dataset, options.detector)


def _videos(options: argparse.Namespace) -> None:
    from rrlib import stages, study

    print(f"{len(stages.write_videos(study.load()))} table(s) in {study.VIDEOS}")


def _notebook(options: argparse.Namespace) -> None:
    from rrlib import notebooks

    pairs = [parameter.partition("=") for parameter in options.parameters]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise InputError(f"{wrong[0]} is no parameter; write KEY=VALUE")
    notebooks.execute(options.name, options.target, {key: value for key, _, value in pairs})


def _fetch(options: argparse.Namespace) -> None:
    from rrlib.sources import catalogue, fetch

    source = catalogue.find(catalogue.read(overrides=options.catalogue), options.name)
    for line in fetch.fetch(source, options.to or fetch.OUTPUTS / source.name, options.trust_first_use):
        print(line)


def _sources(options: argparse.Namespace) -> None:
    from rrlib.sources import catalogue, table

    print(table.markdown(catalogue.read(overrides=options.catalogue).values()), end="")


def _record(options: argparse.Namespace) -> None:
    from rrlib import stages, study, summary, tables

    found = study.load()
    table = tables.read_all(path for half in stages.result_paths(found).values() for path in half)
    rows = summary.reference_rows(table, found.highlight.tolerance)
    rows.to_csv("data/reference.csv", index=False, float_format="%.6f")
    print(f"{len(rows)} rows in data/reference.csv; run `dvc commit --force data.dvc` to pin them")


def _book(options: argparse.Namespace) -> None:
    from rrlib import book

    print(f"the book: {os.path.relpath(book.build(options.target))}")


if __name__ == "__main__":
    sys.exit(main())
