"""The result table: one row per (sample, epsilon), the only thing that statistics, figures and guardrails read.

| column | meaning |
|---|---|
| dataset, detector, attack | the cell |
| epsilon | radius of the L∞ ball, pixel units |
| sample, group | the sample's name, and what it shares with samples that are not independent of it |
| label | 0 real, 1 fake |
| p_clean, p_attacked | probability of fake before and after |
| shift | distance between the two probability vectors |
| linf | the perturbation's real size, pixel units |
| gradient | whether the attack had a non-zero gradient; missing where it asks for none (noise, ε = 0) |
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rrlib import files
from rrlib.errors import InputError, parsing

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("detector", pa.string()),
        ("attack", pa.string()),
        ("epsilon", pa.float64()),
        ("sample", pa.string()),
        ("group", pa.string()),
        ("label", pa.int8()),
        ("p_clean", pa.float64()),
        ("p_attacked", pa.float64()),
        ("shift", pa.float64()),
        ("linf", pa.float64()),
        ("gradient", pa.bool_()),
    ]
)
LINF_SLACK = 1e-6  # float32 rounds x + ε


def check(table: pd.DataFrame, where: str, ball: bool = True) -> None:
    """Raise InputError unless the table keeps to what follows from its definition (ε = 0 is clean, the ball holds).

    Without `ball` a severity stands in the place of ε, as in tables of ordinary damage; it bounds no pixel.
    """
    missing = [name for name in SCHEMA.names if name not in table]
    if missing or len(table) == 0:
        raise InputError(f"{where}: {'no rows' if not missing else 'no column ' + missing[0]}; evaluate the cell again")
    numbers = table[["epsilon", "p_clean", "p_attacked", "shift", "linf"]]
    faults = {
        "NaN": numbers.isna().any(axis=1),
        "a label other than 0 and 1": ~table.label.isin([0, 1]),
        "a probability outside [0, 1]": ((table.p_clean - 0.5).abs() > 0.5) | ((table.p_attacked - 0.5).abs() > 0.5),
        "a perturbation beyond epsilon": ball & (table.linf > table.epsilon + LINF_SLACK),
        "a shift at epsilon 0": (table.epsilon == 0) & (table["shift"] != 0),
    }
    for fault, rows in faults.items():
        if rows.any():
            raise InputError(
                f"{where}: {fault} in {int(rows.sum())} of {len(table)} rows, the first for sample "
                f"{table['sample'].iloc[rows.argmax()]}; evaluate the cell again"
            )


def write(path: Path, table: pd.DataFrame, ball: bool = True) -> None:
    """Write a checked table as Parquet, whole or not at all; the same table gives the same bytes.

    `table.attrs`, texts by name (what was attacked, say), go with it. `ball` is that of `check`.
    """
    arrow = _arrow(table, str(path), ball)
    with files.whole(path) as unfinished:
        pq.write_table(arrow, unfinished, compression="zstd")


def _arrow(table: pd.DataFrame, where: str, ball: bool) -> pa.Table:
    check(table, where, ball)
    arrow = pa.Table.from_pandas(table[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    return arrow.replace_schema_metadata({name: str(text) for name, text in sorted(table.attrs.items())} or None)


def read(path: Path, ball: bool = True) -> pd.DataFrame:
    """A table as `write` left it; raises InputError if it is absent, damaged or breaks its own definition.

    `ball` is that of `check`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`")
    with parsing(path, "a whole result table", "evaluate the cell again"):
        arrow = pq.read_table(path)
        metadata = arrow.schema.metadata or {}
        there = pa.schema([field for field in SCHEMA if field.name in arrow.column_names])
        arrow = arrow.select(there.names).cast(there)
        table = arrow.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
        table.attrs = {name.decode(): text.decode() for name, text in metadata.items()}
    check(table, str(path), ball)
    return table


def read_all(paths: Iterable[Path]) -> pd.DataFrame:
    """Several tables, one below the other, without what is said of each."""
    tables = [read(path) for path in paths]
    for table in tables:
        table.attrs = {}
    return pd.concat(tables, ignore_index=True)
