"""`export` and `compare`: results for other programs, and two results side by side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rrlib import text
from rrlib.commands.options import add_study
from rrlib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

CARD = (".yaml", ".yml")
TOLERANCE, THRESHOLD = 0.1, 0.5


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    export = commands.add_parser("export", help="result tables as CSV or as a workbook of Excel")
    export.add_argument("table", help="summary, DATASET/DETECTOR, DATASET/DETECTOR/ATTACK or all")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="ends in .csv or .xlsx")
    add_study(export)
    export.set_defaults(run=_export)

    compare = commands.add_parser("compare", help="one detector measured twice, by tables or cards")
    said = "a folder of tables, such as outputs/tables/faces/mine, one table, or a card, outputs/cards/faces/mine.yaml"
    compare.add_argument("first", type=Path, help=said)
    compare.add_argument("second", type=Path, help="the other, of the same kind")
    compare.add_argument("--tolerance", type=float, metavar="τ", help="of RR, for tables (0.1)")
    compare.add_argument("--threshold", type=float, metavar="P", help="P(fake) that is fake, for tables (0.5)")
    compare.set_defaults(run=_compare)


def _export(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import export

    rows = export.export(study.load(), options.table, options.to)
    print(f"{options.to}: {rows} rows")


def _compare(options: argparse.Namespace) -> None:
    cards = [path.suffix in CARD for path in (options.first, options.second)]
    if all(cards):
        _compare_cards(options)
        return
    if any(cards):
        raise InputError(f"{options.first} and {options.second} are a card and tables; give two of one kind")
    from rrlib import analysis, entries

    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    threshold = THRESHOLD if options.threshold is None else options.threshold
    entries.tolerance(tolerance, "--tolerance")
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold {threshold:g} is no probability; give a number in [0, 1]")
    names = ("A", "B")
    for name, path in zip(names, (options.first, options.second), strict=True):
        print(f"{name}: {path}")
    found = analysis.compare_two(_read(options.first), _read(options.second), tolerance, threshold)
    print("the worst case over the attacks that both have, on the same samples; differences are A − B")
    for row in found.to_dict("records"):
        print(f"ε = {row['epsilon']:g}: {_said(row, tolerance)}")


def _compare_cards(options: argparse.Namespace) -> None:
    from rrlib.report import moved

    for name in ("tolerance", "threshold"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is for tables, as a card says its own; leave it out")
    for line in moved.lines(options.first, options.second):
        print(text.line(line))


def _said(row: dict, tolerance: float) -> str:
    parts = []
    for name, key, verdict in (("RA", "ra", "alike"), (f"RR({tolerance:g})", "rr", "apart")):
        a, b, apart, low, high = (row[f"{key}_{each}"] for each in ("first", "second", "difference", "low", "high"))
        parts.append(f"{name} {a:.3f} and {b:.3f}, {apart:+.3f} [{low:+.3f}, {high:+.3f}], {verdict}: {row[verdict]}")
    parts.append(f"alike in RA and apart in RR: {row['verdict']}{': ' if row['reason'] else ''}{row['reason']}")
    return "; ".join(parts)


def _read(path: Path) -> "pd.DataFrame":
    from rrlib.evaluation import tables

    found = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise InputError(f"{path} holds no table; give a folder with .parquet files, such as outputs/tables/faces/mine")
    return tables.read_all(found)
