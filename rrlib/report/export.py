"""Result tables for other programs: CSV, or a workbook of Excel."""

from pathlib import Path

import pandas as pd

from rrlib import files, study
from rrlib.analysis import recorded
from rrlib.errors import InputError
from rrlib.evaluation import Cell, tables
from rrlib.study import paths

SUFFIXES = (".csv", ".xlsx")
SUMMARY, ALL = "summary", "all"
MOST_ROWS, LONGEST_NAME = 1_048_576, 31  # of a sheet, says Microsoft's page on specifications and limits
ALLOWED = f"{SUMMARY}, DATASET/DETECTOR, DATASET/DETECTOR/ATTACK or {ALL}"


def export(found: study.Study, name: str, target: Path) -> int:
    """Write a table of the study's results to `target`, .csv or .xlsx; the number of its rows.

    name: `summary` (RA, RR and stability of each cell and ε), DATASET/DETECTOR, DATASET/DETECTOR/ATTACK (a row for each
    sample and ε), or `all`: in a workbook the summary and a sheet for each detector, in CSV all rows of all tables.

    Raises InputError for another name or ending, for a table that is absent, and for more rows than a sheet can hold.
    """
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target} ends in neither {' nor '.join(SUFFIXES)}; give it one of these endings")
    sheets = _sheets(found, name, target.suffix == ".xlsx")
    with files.whole(target) as unfinished:
        if target.suffix == ".csv":
            next(iter(sheets.values())).to_csv(unfinished, index=False, lineterminator="\n")
        else:
            _workbook(sheets, unfinished)
    return sum(map(len, sheets.values()))


def _sheets(found: study.Study, name: str, workbook: bool) -> dict[str, pd.DataFrame]:
    if name == SUMMARY:
        return {SUMMARY: _summary(found, found.cells())}
    if name == ALL:
        of_pairs = {"-".join(pair): _rows(found, *pair) for pair in found.pairs()}
        if workbook:
            return {SUMMARY: _summary(found, found.cells())} | of_pairs
        return {ALL: pd.concat(of_pairs.values(), ignore_index=True)}
    parts = name.split("/")
    if len(parts) not in (2, 3):
        raise InputError(f"{name} is no table; choose from {ALLOWED}")
    return {"-".join(parts): _rows(found, *parts)}


def _rows(found: study.Study, dataset: str, detector: str, attack: str = "") -> pd.DataFrame:
    attacks = study.half_of(found, dataset, detector).attacks
    if attack and attack not in attacks:
        raise InputError(f"attack {attack} is not in params.yaml; choose from {', '.join(attacks)}")
    cells = [Cell(dataset, detector, name) for name in attacks if attack in ("", name)]
    return tables.read_all(map(paths.table_path, cells))


def _summary(found: study.Study, cells: list[Cell]) -> pd.DataFrame:
    return recorded.rows(study.judged(found, tables.read_all(map(paths.table_path, cells))))


def _workbook(sheets: dict[str, pd.DataFrame], path: Path) -> None:
    try:
        import openpyxl
    except ModuleNotFoundError:
        raise InputError("a workbook needs openpyxl; `pip install openpyxl`, or export to .csv") from None
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, (name, table) in enumerate(sheets.items()):
        if len(table) >= MOST_ROWS:
            raise InputError(f"{name} has {len(table)} rows, more than a sheet can hold; export it to .csv")
        # sheets are told apart by their number where their names are cut
        sheet = book.create_sheet(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]}~{number}")
        sheet.freeze_panes = "A2"
        sheet.append(list(table.columns))
        for number, row in enumerate(table.astype(object).where(table.notna(), None).itertuples(index=False), start=2):
            sheet.append(row)
            for column, value in enumerate(row, start=1):
                if isinstance(value, str) and value.startswith("="):  # a name, and no formula
                    sheet.cell(number, column).data_type = "s"
    book.save(path)
