"""`check` and `run`: a study looked at before anything runs, and the whole of it brought up to date."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rrlib import text
from rrlib.commands.options import add_study
from rrlib.errors import InputError

if TYPE_CHECKING:
    from rrlib import study


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    check = commands.add_parser(
        "check", help="check params.yaml and the weights that it names, and say what it asks for"
    )
    add_study(check)
    check.set_defaults(run=_check)

    whole = commands.add_parser("run", help="all that `make` does: check, run what is stale side by side, verify")
    whole.add_argument("--workers", type=int, metavar="N", help="stages at a time; as many as processors unless given")
    whole.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler, to use its workers instead")
    whole.add_argument("--apart", action="store_true", help="its workers stand in copies of this folder of their own")
    whole.add_argument("--keep-going", action="store_true", help="after a failure, go on with what does not rest on it")
    whole.add_argument(
        "--shards", type=int, default=1, metavar="N", help="parts in which each detector is measured (1)"
    )
    whole.add_argument("--time-limit", type=float, metavar="MIN", help="end a stage that takes longer (no limit)")
    add_study(whole)
    whole.set_defaults(run=_run)


def _check(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.sources import OUTPUTS, is_here

    if not options.study and (changed := study.settle_git()):  # a study beside params.yaml never has git
        print(changed)
    found = study.load()
    study.check_inputs(found)
    for left in study.tidy(found):
        print(f"removed {left}, which this study does not have")
    study.adopt(found)
    for source in found.sources.values():
        if not is_here(source, OUTPUTS / source.name):
            comes = source.files or source.hub or source.folder
            said = "will be fetched" if comes else f"is not here and nothing fetches it: ask at {source.page}"
            print(text.terminal(f"{options.study or study.PARAMS}: sources: {source.name} ({source.title}) {said}"))
    _warn(found)
    file = options.study or study.PARAMS
    for name, half in (("images", found.image), ("video", found.video)):
        less = f", less {len(half.left_out)} left out," if half.left_out else ""
        print(
            f"{file}: {name}: {len(half.datasets)} data set(s) × {len(half.detectors)} detector(s) × "
            f"{len(half.attacks)} attack(s){less} = {len(half.cells())} cells at {len(found.epsilons)} epsilons"
        )


def _run(options: argparse.Namespace) -> None:
    from rrlib import cluster, study
    from rrlib.report import record

    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers} is too few; give 1 or more, or leave it out")
    if options.shards < 1:
        raise InputError(f"--shards {options.shards} is too few; give 1 or more, or leave it out")
    if options.apart and not options.scheduler:
        raise InputError("--apart is given without --scheduler; give its address, or leave --apart out")
    if options.time_limit is not None and options.time_limit <= 0:
        raise InputError(f"--time-limit {options.time_limit:g} is too short; give more than 0 minutes, or leave it out")
    _check(options)
    seconds = options.time_limit and 60 * options.time_limit
    cluster.run(options.workers, options.scheduler, options.keep_going, options.shards, seconds, options.apart)
    found = study.load()
    print(record.verify(found))
    _warn(found)  # again, as it is now that there are data and tables to speak of
    print(f"the book: {Path('outputs/book/index.html').resolve()}")


def _warn(found: "study.Study") -> None:
    for said in (*_giveaways(found), *_doubts(found)):
        print(f"warning: {text.terminal(said)}", file=sys.stderr)


def _giveaways(found: "study.Study") -> Iterator[str]:
    """What gives the label away in data sets that are prepared."""
    from rrlib import datasets, study

    for name in found.datasets:
        traces = datasets.traces.read(study.dataset_folder(name))
        if traces is not None:
            from rrlib.analysis import shortcuts

            told = shortcuts.shortcuts(traces, datasets.traces.TRACES)
            if told["tells"].any():
                yield f"the data set {name}: {shortcuts.said(told)}"


def _doubts(found: "study.Study") -> Iterable[str]:
    """What the tables that are there say against detectors that were not trained here."""
    if all(entry.training for entry in found.detectors.values()):
        return ()  # the usual case need not wait for what follows
    from rrlib.report import swapped

    return swapped.doubts(found)
