"""`record` and `verify`: the present results, written down to be compared with later ones, and compared."""

import argparse

from rrlib.commands.options import add_study


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    record = commands.add_parser("record", help="write the present results to data/, to compare later runs with")
    record.set_defaults(run=_record)

    verify = commands.add_parser("verify", help="compare the present results with the recorded ones")
    add_study(verify)
    verify.set_defaults(run=_verify)


def _record(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    for line in record.record(study.load()):
        print(line)


def _verify(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    print(record.verify(study.load()))
