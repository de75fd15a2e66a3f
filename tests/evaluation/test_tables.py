"""Result tables on disk: what comes back, and what is refused."""

import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rrlib.errors import InputError
from rrlib.evaluation import tables


def test_a_table_comes_back_as_it_was_written(tmp_path, six_rows):
    tables.write(tmp_path / "a" / "cell.parquet", six_rows)
    back = tables.read(tmp_path / "a" / "cell.parquet")
    assert list(back) == tables.SCHEMA.names
    pd.testing.assert_frame_equal(back, six_rows, check_dtype=False)


def test_numbers_come_back_to_the_last_bit(tmp_path, six_rows):
    six_rows["p_attacked"] = [1 / 3, 1e-300, np.nextafter(1, 0), 1.0, 0.0, np.pi / 4]
    tables.write(tmp_path / "cell.parquet", six_rows)
    assert tables.read(tmp_path / "cell.parquet")["p_attacked"].tolist() == six_rows["p_attacked"].tolist()


def test_a_missing_gradient_stays_apart_from_a_zero_one(tmp_path, six_rows):
    tables.write(tmp_path / "cell.parquet", six_rows)
    gradient = tables.read(tmp_path / "cell.parquet")["gradient"]
    assert gradient.isna().tolist() == [True, False, True, False, True, False]
    assert gradient.dropna().tolist() == [True, True, False]


def test_the_same_table_is_the_same_bytes_whatever_its_index_and_the_order_of_its_columns(tmp_path, six_rows):
    tables.write(tmp_path / "first.parquet", six_rows)
    tables.write(tmp_path / "second.parquet", six_rows.set_index(six_rows.index + 7)[six_rows.columns[::-1]])
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_other_columns_are_left_out(tmp_path, six_rows):
    tables.write(tmp_path / "cell.parquet", six_rows.assign(family="swap"))
    assert pq.read_schema(tmp_path / "cell.parquet").equals(tables.SCHEMA)


def test_tables_are_read_one_below_the_other(tmp_path, six_rows):
    tables.write(tmp_path / "a.parquet", six_rows)
    tables.write(tmp_path / "b.parquet", six_rows.assign(attack="cw"))
    both = tables.read_all([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert both["attack"].tolist() == ["pgd"] * 6 + ["cw"] * 6
    assert both.index.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("column", "row", "value", "fault"),
    [
        ("p_attacked", 3, np.nan, "NaN in 1 of 6 rows, the first for sample b"),
        ("shift", 5, np.nan, "NaN in 1 of 6 rows, the first for sample c"),
        ("label", 4, 2, "a label other than 0 and 1 in 1 of 6 rows, the first for sample c"),
        ("p_clean", 0, 1.01, "a probability outside [0, 1] in 1 of 6 rows, the first for sample a"),
        ("p_attacked", 5, -0.01, "a probability outside [0, 1] in 1 of 6 rows, the first for sample c"),
        ("linf", 1, 0.10001, "a perturbation beyond epsilon in 1 of 6 rows, the first for sample a"),
        ("shift", 2, 1e-9, "a shift at epsilon 0 in 1 of 6 rows, the first for sample b"),
    ],
)
@pytest.mark.parametrize("first_index", [0, 100])
def test_a_table_that_breaks_its_own_definition_is_neither_written_nor_kept(
    tmp_path, six_rows, column, row, value, fault, first_index
):
    six_rows.loc[row, column] = value
    six_rows.index += first_index
    path = tmp_path / "cell.parquet"
    with pytest.raises(InputError, match="^" + re.escape(f"{path}: {fault}; evaluate the cell again") + "$"):
        tables.write(path, six_rows)
    assert list(tmp_path.iterdir()) == []


def test_float32_may_round_a_perturbation_up(tmp_path, six_rows):
    six_rows.loc[1, "linf"] = float(np.float32(0.1)) + 5e-8
    tables.write(tmp_path / "cell.parquet", six_rows)


def test_a_table_without_rows_or_without_a_column_is_refused(six_rows):
    with pytest.raises(InputError, match="cell: no rows; evaluate the cell again"):
        tables.check(six_rows[:0], "cell")
    with pytest.raises(InputError, match="cell: no column group; evaluate the cell again"):
        tables.check(six_rows.drop(columns="group"), "cell")


def test_a_failed_write_leaves_the_earlier_table_and_nothing_else(tmp_path, six_rows):
    tables.write(tmp_path / "cell.parquet", six_rows)
    before = (tmp_path / "cell.parquet").read_bytes()
    with pytest.raises(TypeError):
        tables.write(tmp_path / "cell.parquet", six_rows.assign(group=[object()] * 6))
    assert [path.name for path in tmp_path.iterdir()] == ["cell.parquet"]
    assert (tmp_path / "cell.parquet").read_bytes() == before


def test_an_absent_table_is_named(tmp_path):
    path = tmp_path / "cell.parquet"
    with pytest.raises(InputError, match=re.escape(f"{path} is absent; make it with `dvc repro`")):
        tables.read(path)


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_file_cut_short_is_refused(tmp_path, six_rows, kept):
    path = tmp_path / "cell.parquet"
    tables.write(path, six_rows)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=re.escape(f"{path} is not a whole result table (")):
        tables.read(path)


def test_a_table_that_pandas_wrote_is_as_good(tmp_path, six_rows):
    six_rows.to_parquet(tmp_path / "cell.parquet")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "cell.parquet"), six_rows, check_dtype=False)


@pytest.mark.parametrize("shift", ["far", [[0.0]] * 6])
def test_a_column_of_another_kind_is_refused(tmp_path, six_rows, shift):
    path = tmp_path / "cell.parquet"
    six_rows.assign(shift=shift).to_parquet(path)
    with pytest.raises(InputError, match="^" + re.escape(f"{path} is not a whole result table (") + "[^\n]+$"):
        tables.read(path)


def test_a_table_without_a_column_is_not_read(tmp_path, six_rows):
    path = tmp_path / "cell.parquet"
    six_rows.drop(columns="linf").to_parquet(path)
    with pytest.raises(InputError, match=re.escape(f"{path}: no column linf; evaluate the cell again")):
        tables.read(path)
