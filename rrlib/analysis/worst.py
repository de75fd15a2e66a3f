"""The worst case: RR and RA are statements about the whole ball, so each sample is judged by the worst found in it.

Per sample it is the largest shift over the attacks and over every ε′ ≤ ε (design law 5). RA asks whether any of these
attacks makes the verdict wrong, which need not be the one with the largest shift; so does the label clause of RR. So a
worst case carries these answers in columns of its own. It never rises with ε, as balls nest (law 9), and stays an
upper bound of the true RR and RA: no attack proves that there is nothing worse.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rrlib.analysis.rules import Threshold, clean_correct, correct, kept, robust, thresholds
from rrlib.errors import InputError

WORST_CASE = "worst case"
OF_SAMPLE = ["dataset", "detector", "sample"]
CELL = ["dataset", "detector", "attack"]


def worst_case(table: pd.DataFrame, attacks: Collection[str] | None = None, threshold: Threshold = 0.5) -> pd.DataFrame:
    """Each sample's worst case at every ε of its detector, over the attacks and all smaller ε.

    Args:
        table: result tables, one below the other.
        attacks: those to take; all by default, noise too, as it is in the ball. Leave out what is not (JPEG, say).
        threshold: the probability of fake above which a detector says fake.

    Returns:
        The columns of a result table with `attack` = "worst case" and one row per (data set, detector, sample, ε).
        `shift`, `p_attacked` and `linf` are those of the largest shift, `gradient` whether any attack had one.
        Besides: `correct`, right under all attacks; `kept`, the clean verdict under all attacks; `crossed`, how far
        beyond the threshold the score was pushed at most, negative where it never crossed; `by` and `by_epsilon`, the
        attack and the ε′ of the largest shift.

    Raises:
        InputError: where no row is left, or where two attacks of a detector were run on different samples.

    >>> table = pd.DataFrame({
    ...     "dataset": "d", "detector": "f", "attack": ["fgsm", "pgd"], "epsilon": 0.1, "sample": "s", "group": "s",
    ...     "label": 1, "p_clean": 0.7, "p_attacked": [0.4, 1.0], "shift": [0.3, 0.3], "linf": 0.1, "gradient": True})
    >>> worst_case(table)[["shift", "p_attacked", "correct", "by"]].values.tolist()
    [[0.3, 0.4, False, 'fgsm']]
    """
    if attacks is not None:
        table = table[table["attack"].isin(list(attacks))]
    if table.empty:
        raise InputError("a worst case of no attack was asked for; pass tables of at least one")
    _same_samples(table)
    at = thresholds(table, threshold)
    p_attacked, right_before = table["p_attacked"].to_numpy(float), clean_correct(table, threshold)
    said_fake = right_before == (table["label"].to_numpy() == 1)
    gradient = table["gradient"].astype("Float64") if "gradient" in table else pd.Series(pd.NA, table.index, "Float64")
    rows = table.assign(
        correct=correct(table, threshold) & right_before,  # the clean input is in the ball
        kept=kept(table, threshold),
        crossed=np.where(said_fake, at - p_attacked, p_attacked - at),
        gradient=gradient.to_numpy(float, na_value=np.nan),
        by=table["attack"],
        by_epsilon=table["epsilon"],
    )
    # among equal shifts the smallest ε and the first name, whatever the order of the rows
    rows = rows.sort_values(
        [*OF_SAMPLE, "epsilon", "shift", "attack"],
        ascending=[True] * 4 + [False, True],
        kind="stable",
        ignore_index=True,
    )
    of_sample = rows.groupby(OF_SAMPLE, sort=False)
    largest = of_sample["shift"].cummax()
    is_new = largest.ne(largest.groupby([rows[key] for key in OF_SAMPLE], sort=False).shift())
    source = np.maximum.accumulate(np.where(is_new, np.arange(len(rows)), 0))  # a sample's first row is always new
    for column in ("shift", "p_attacked", "linf", "by", "by_epsilon"):
        if column in rows:
            rows[column] = rows[column].to_numpy()[source]
    for column in ("correct", "kept"):
        rows[column] = of_sample[column].cummin().astype(bool)
    rows["crossed"] = of_sample["crossed"].cummax()
    rows["gradient"] = of_sample["gradient"].cummax().groupby([rows[key] for key in OF_SAMPLE], sort=False).ffill()
    rows = rows.drop_duplicates([*OF_SAMPLE, "epsilon"], keep="last").assign(attack=WORST_CASE)
    rows["gradient"] = rows["gradient"].astype("Float64").astype("boolean")
    order = _order(table)
    keys = [rows["dataset"].map(order["dataset"]), rows["detector"].map(order["detector"]), rows["epsilon"]]
    return rows.iloc[np.lexsort(keys[::-1])].reset_index(drop=True)


def beaten(table: pd.DataFrame, tolerances: Sequence[float], threshold: Threshold = 0.5) -> pd.DataFrame:
    """Where a cell's own RA or RR(τ) is above what another attack, or a smaller ε, reached: it is not the worst there.

    One row per (cell, ε > 0, measure) that is beaten, with the lowest value over all attacks and every ε′ ≤ ε beside
    it. Columns: dataset, detector, attack, epsilon, measure ("RA", "RR"), tolerance (missing for RA), value, lowest,
    by (the attack) and by_epsilon of that, excess = value − lowest > 0. The worst case itself can lie lower still, as
    it takes each sample's own.

    >>> table = pd.DataFrame({
    ...     "dataset": "d", "detector": "f", "attack": ["noise", "pgd"], "epsilon": 0.1, "sample": "s", "label": 1,
    ...     "p_clean": 0.9, "p_attacked": [0.7, 0.85], "shift": [0.2, 0.05]})
    >>> beaten(table, [0.1])[["attack", "measure", "by", "excess"]].values.tolist()
    [['pgd', 'RR', 'noise', 1.0]]
    """
    hits = np.column_stack([correct(table, threshold), robust(table, tolerances)])
    names = list(range(hits.shape[1]))
    shares = (
        pd.DataFrame(hits, columns=names, index=table.index)
        .groupby([table[key] for key in [*CELL, "epsilon"]], sort=False)
        .mean()
        .reset_index()
    )
    found = []
    for row in shares[shares["epsilon"] > 0].to_dict("records"):
        inside = shares[
            (shares["dataset"] == row["dataset"])
            & (shares["detector"] == row["detector"])
            & (shares["epsilon"] <= row["epsilon"])
        ].sort_values(["epsilon", "attack"], ascending=[False, True])
        for number in names:
            lowest = inside.loc[inside[number].idxmin()]
            if lowest[number] < row[number]:
                found.append(
                    {
                        **{key: row[key] for key in [*CELL, "epsilon"]},
                        "measure": "RA" if number == 0 else "RR",
                        "tolerance": np.nan if number == 0 else float(tolerances[number - 1]),
                        "value": row[number],
                        "lowest": lowest[number],
                        "by": lowest["attack"],
                        "by_epsilon": lowest["epsilon"],
                        "excess": row[number] - lowest[number],
                    }
                )
    columns = [*CELL, "epsilon", "measure", "tolerance", "value", "lowest", "by", "by_epsilon", "excess"]
    return pd.DataFrame(found, columns=columns)


def _same_samples(table: pd.DataFrame) -> None:
    """A worst case over samples that met different attacks would favour those that met few."""
    for (dataset, detector), part in table.groupby(["dataset", "detector"], sort=False):
        met: dict[str, NDArray[np.object_]] = {
            str(attack): np.sort(rows["sample"].unique()) for attack, rows in part.groupby("attack", sort=False)
        }
        first = next(iter(met))
        for attack, samples in met.items():
            if not np.array_equal(samples, met[first]):
                raise InputError(
                    f"{detector} on {dataset}: {first} was run on {len(met[first])} samples and {attack} on "
                    f"{len(samples)}, not the same; a worst case needs the same samples under every attack"
                )


def _order(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Data sets and detectors keep the order of the table."""
    return {key: {name: number for number, name in enumerate(table[key].unique())} for key in ("dataset", "detector")}
