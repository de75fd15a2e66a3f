"""`fetch` and `sources`: what others have published, brought here and listed."""

import argparse
from pathlib import Path

from rrlib.commands.options import add_study
from rrlib.errors import InputError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    fetch = commands.add_parser("fetch", help="bring a data set or checkpoint of data/catalogue.yaml here, checked")
    fetched = fetch.add_mutually_exclusive_group(required=True)
    fetched.add_argument("name", nargs="?", help="`python -m rrlib sources` lists them")
    add_study(fetched, alone="all that params.yaml, or FILE, lists under sources, as it says")
    fetch.add_argument("--to", type=Path, metavar="FOLDER", help="outputs/sources/NAME unless given")
    fetch.add_argument("--trust-first-use", action="store_true", help="take a file or revision that is not pinned yet")
    fetch.set_defaults(run=_fetch)

    sources = commands.add_parser("sources", help="list what fetch can bring, as a Markdown table")
    sources.set_defaults(run=_sources)
    for command in (fetch, sources):
        command.add_argument(
            "--catalogue", type=Path, action="append", default=[], metavar="PATH", help="a file that changes entries"
        )


def _fetch(options: argparse.Namespace) -> None:
    if options.study:
        _fetch_study(options)
        return
    from rrlib.sources import catalogue, fetch

    source = catalogue.find(catalogue.read(overrides=options.catalogue), options.name)
    for line in fetch.fetch(source, options.to or fetch.OUTPUTS / source.name, options.trust_first_use):
        print(line)


def _fetch_study(options: argparse.Namespace) -> None:
    from rrlib import study

    if options.to or options.catalogue or options.trust_first_use:
        raise InputError("--study goes by params.yaml alone; change the entry under its sources, or fetch by name")
    found = study.load()
    study.write_asked(found)
    for line in study.fetch_sources(found):
        print(line, flush=True)


def _sources(options: argparse.Namespace) -> None:
    from rrlib.sources import catalogue, table

    print(table.markdown(catalogue.read(overrides=options.catalogue).values()), end="")
