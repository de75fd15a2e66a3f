"""The commands of this folder, in the order in which `--help` lists them."""

import argparse

from rrlib.commands import check, fetch, plan, record, train


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of them all."""
    for each in (check, plan, fetch, train, record):
        each.add(commands)
