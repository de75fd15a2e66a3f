"""`record` and `verify`: the present results, written down to be compared with later ones, and compared."""

import argparse
from pathlib import Path

from rrlib.commands.options import add_study


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    record = commands.add_parser("record", help="write the present results to data/, to compare later runs with")
    add_study(record)
    record.set_defaults(run=_record)

    verify = commands.add_parser("verify", help="compare the present results with the recorded ones")
    add_study(verify)
    verify.add_argument(
        "--images", type=Path, metavar="FOLDER", help="of a recorded study, where they are not its source"
    )
    verify.add_argument("--all", action="store_true", help="of a recorded study measure all again, not a part: hours")
    verify.set_defaults(run=_verify)


def _record(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    if options.study:
        for line in study.recorded.record(options.study):
            print(line)
        return
    for line in record.record(study.load()):
        print(line)


def _verify(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    if name := study.recorded.name_of(options.study):
        count = None if options.all else study.again.PART
        for line in study.again.lines(study.again.measure_again(name, options.images, count)):
            print(line, flush=True)
        return
    print(record.verify(study.load()))
