"""`plan`: what a study lacks, and what its run would cost."""

import argparse
from pathlib import Path

from rrlib.commands.options import add_study
from rrlib.errors import InputError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    plan = commands.add_parser("plan", help="say what a study lacks, how to get it, and what its run would cost")
    plan.add_argument("file", type=Path, nargs="?", help="params.yaml unless given")
    plan.add_argument("--write", type=Path, metavar="FILE", help="write the part that can run, such as to params.yaml")
    plan.add_argument("--offline", action="store_true", help="leave out what would have to be fetched, too")
    plan.add_argument(
        "--workers", type=int, nargs="+", metavar="N", help="tell the wall time of so many (1 2 8 64); GPUs or cores"
    )
    add_study(plan)
    plan.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> None:
    from rrlib import plan, study

    if options.file and options.study:
        raise InputError(f"two studies are given, {options.file} and {options.study}; leave one out")
    if options.workers and min(options.workers) < 1:
        raise InputError(f"--workers {min(options.workers)} is too few; give 1 or more, or leave it out")
    asked = {"workers": tuple(options.workers)} if options.workers else {}
    made = plan.make(options.file or study.PARAMS, options.offline, **asked)
    for line in plan.lines(made):
        print(line, flush=True)
    if options.write:
        out = plan.write(made.study, made.file, made.missing, options.write)
        print(f"{options.write}: written, {len(out)} thing(s) left out" if out else f"{options.write}: written")
