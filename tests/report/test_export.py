"""Tables for other programs say what the study's tables say."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import yaml
from small import FEW

from rrlib.__main__ import main
from rrlib.analysis import recorded
from rrlib.evaluation import Cell, tables
from rrlib.study import paths


@pytest.fixture
def study(tmp_path, monkeypatch, six_rows) -> pd.DataFrame:
    """A study of one table, whose first sample has a name that Excel would compute."""
    monkeypatch.chdir(tmp_path)
    given = FEW | {"attacks": {"pgd": {"rule": "pgd", "steps": 3}}, "video": FEW["video"] | {"datasets": {}}}
    given["datasets"] = {"faces": FEW["datasets"]["synthetic"]}
    given["detectors"] = {"meso4": FEW["detectors"]["meso4"]}
    Path("params.yaml").write_text(yaml.safe_dump(given))
    table = six_rows.assign(sample=six_rows["sample"].replace("a", "=1+1"))
    tables.write(paths.table_path(Cell("faces", "meso4", "pgd")), table)
    return table


def test_csv_holds_every_row(study, capsys):
    assert main(["export", "faces/meso4/pgd", "--to", "table.csv"]) == 0
    assert capsys.readouterr().out.endswith("table.csv: 6 rows\n")
    found = pd.read_csv("table.csv")
    assert list(found["sample"]) == list(study["sample"])
    for column in ("label", "epsilon", "p_clean", "p_attacked", "shift"):
        assert list(found[column]) == list(study[column])


def test_a_workbook_holds_the_summary_and_a_sheet_for_each_detector(study):
    assert main(["export", "all", "--to", "all.xlsx"]) == 0
    sheets = pd.read_excel("all.xlsx", sheet_name=None)
    assert list(sheets) == ["summary", "faces-meso4"]
    assert len(sheets["faces-meso4"]) == 6
    expected = recorded.rows(study)
    assert sheets["summary"]["RA"].tolist() == pytest.approx(expected["RA"].tolist())
    assert sheets["summary"]["RR(0.1)"].tolist() == pytest.approx(expected["RR(0.1)"].tolist())


def test_no_name_is_computed(study):
    main(["export", "faces/meso4", "--to", "all.xlsx"])
    (sheet,) = openpyxl.load_workbook("all.xlsx")
    cells = [cell for row in sheet for cell in row]
    assert {cell.data_type for cell in cells if cell.value == "=1+1"} == {"s"}
    assert not [cell for cell in cells if cell.data_type == "f"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["all", "--to", "x.ods"], "x.ods ends in neither .csv nor .xlsx; give it one of these endings"),
        (
            ["faces", "--to", "x.csv"],
            "faces is no table; choose from summary, DATASET/DETECTOR, ",
        ),
        (["faces/meso4/cw", "--to", "x.csv"], "attack cw is not in params.yaml; choose from pgd"),
        (["faces/nope", "--to", "x.csv"], "detector nope is not in params.yaml; choose from meso4"),
    ],
)
def test_what_is_no_table_is_said(study, capsys, arguments, message):
    assert main(["export", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(Path().glob("x.*"))


def test_two_dates_are_compared_on_the_command_line(study, capsys):
    later = Path("later/pgd.parquet")
    tables.write(later, study.assign(p_attacked=study["p_clean"], shift=0.0))
    assert main(["compare", "outputs/tables/faces/meso4", "later"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("ε = 0.1: RA 0.333 and 0.667, -0.333 [")
    assert "; RR(0.1) 0.333 and 1.000, -0.667 [" in last
    assert main(["compare", "nowhere", "later"]) == 1
    assert capsys.readouterr().err.startswith("error: nowhere holds no table; give a folder with .parquet files")
