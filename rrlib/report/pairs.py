"""The pages on comparisons and claims: what is said of two detectors, and the rows behind it."""

import pandas as pd

from rrlib.analysis import DOES_NOT_HOLD, HOLDS, words

MOST = 30  # rows of a claim that a page shows; its CSV file holds all
NAMES = {"dataset": "data set", "epsilon": "ε", "ra": "RA", "rr": "RR"}


def sentence(comparison: pd.DataFrame, tolerance: float) -> str:
    """Markdown: how many pairs are told apart by RA, and how many by RR(τ), from `analysis.compare`."""
    if comparison.empty:
        return "**There are no two detectors here to compare.**"
    pairs = comparison[["dataset", "first", "second"]].drop_duplicates()
    ra = int((comparison["alike"] == DOES_NOT_HOLD).sum())
    rr = int((comparison["apart"] == HOLDS).sum())
    told = words.counted(comparison["verdict"])
    return (
        f"**Of {len(comparison)} comparisons ({len(pairs)} pairs of detectors at each ε), RA differs by more than 0.05 "
        f"in {ra} and RR({tolerance:g}) differs in {rr}.** That a pair is alike in RA and apart in RR: {told}."
    )


def shown(rows: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The rows of `analysis.compare` as a page shows them, differences with their intervals."""
    return pd.DataFrame(
        {
            "ε": rows["epsilon"],
            "first": rows["first"],
            "second": rows["second"],
            "RA": _both(rows, "ra"),
            "difference in RA": _difference(rows, "ra"),
            "alike in RA": rows["alike"],
            f"RR({tolerance:g})": _both(rows, "rr"),
            "difference in RR": _difference(rows, "rr"),
            "p (Holm)": [f"{p:.2g}" for p in rows["rr_p_holm"]],
            "apart in RR": rows["apart"],
            "difference in clean accuracy": _difference(rows, "clean"),
            "verdict": rows["verdict"],
            "why": rows["reason"],
        }
    )


def filters(rows: pd.DataFrame, epsilon: float) -> str:
    """What menus a table of `shown` gets, for tables.js: two of detectors, one of ε that begins at `epsilon`."""
    first = f"{epsilon:g}" if epsilon in set(rows["epsilon"]) else ""
    return f"detector=first,second;against=first,second;ε=ε={first}"


def evidence(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows behind a claim, with columns named as in the book."""
    columns = {name: str(name).replace("_", " ") for name in numbers}
    columns |= {name: said for name, said in NAMES.items() if name in numbers}
    columns |= {
        name: f"{NAMES[start]} {rest}".replace("_", " ")
        for name in numbers
        if (start := str(name).split("_", 1)[0]) in ("ra", "rr") and (rest := str(name).partition("_")[2])
    }
    return numbers.rename(columns=columns)


def _both(rows: pd.DataFrame, name: str) -> list[str]:
    return [f"{one:.3f}, {two:.3f}" for one, two in zip(rows[f"{name}_first"], rows[f"{name}_second"], strict=True)]


def _difference(rows: pd.DataFrame, name: str) -> list[str]:
    numbers = zip(rows[f"{name}_difference"], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
    return [f"{each:+.3f} [{low:+.3f}, {high:+.3f}]" for each, low, high in numbers]
