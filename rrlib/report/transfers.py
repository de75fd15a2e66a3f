"""The page on transfer: adversarial inputs of one detector as the others see them."""

from collections.abc import Collection

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, losses, summary
from rrlib.report.figures import COLUMN
from rrlib.report.ordinary import grey_lines, with_interval

NO_ATTACK = "no attack"
MATRIX = ["dataset", "source", "detector", "value", "low", "high"]


def pairs(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """`analysis.losses.losses` of every (source, other detector), the source in the place of the attack; one family.

    A detector's own adversarial inputs are no transfer, and a source that does not detect is in no finding either: its
    adversarial inputs are those of no detector.

    Args:
        table: as `study.read_transfer` gives it, data sets below each other.
    """
    foreign = table[table["source"] != table["detector"]] if len(table) else table
    if foreign.empty:
        return pd.DataFrame(columns=[*losses.COLUMNS, "source"])
    every = _all_of(table, tolerance)
    fit = set(map(tuple, every.loc[every["detects"], ["dataset", "detector"]].to_numpy()))
    known = np.array([cell in fit for cell in zip(foreign["dataset"], foreign["source"], strict=True)], dtype=bool)
    parts = [losses.losses(_named(foreign[known]), tolerance)] if known.any() else []
    if not known.all():
        grey = losses.losses(_named(foreign[~known]), tolerance)
        reasons = {(row["dataset"], row["detector"]): row["reason"] for row in every.to_dict("records")}
        of_source = [reasons[cell] for cell in zip(grey["dataset"], grey["attack"], strict=True)]
        parts.append(grey.assign(detects=False, verdict=UNDECIDED, reason=of_source))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(source=found["attack"])


def finding(found: pd.DataFrame, attack: str, epsilon: float, own: pd.DataFrame) -> str:
    """Markdown: how far attacks carry over. `found` is from `pairs`, `own` from `matrix` of RA."""
    if epsilon == 0:
        return "**The study singles out ε = 0, where nothing is attacked, so nothing can carry over.**"
    fit = found[found["detects"].astype(bool)]
    if fit.empty:
        said = ["**This study holds no two detectors of one data set that detect, so nothing can carry over.**"]
        return "\n\n".join([*said, *(grey_lines(found) if len(found) else [])])
    counts = fit["verdict"].value_counts()
    costs, keeps, open_ = (int(counts.get(word, 0)) for word in (HOLDS, DOES_NOT_HOLD, UNDECIDED))
    said = [
        f"**Adversarial inputs of one detector ({attack}, ε = {epsilon:g}) cost another one accuracy in {costs} of "
        f"{len(fit)} ordered pairs; in {keeps} the loss is below 0.05, and {open_} are undecided.**"
    ]
    for dataset, part in fit.groupby("dataset", sort=False):
        held = part[part["verdict"] == HOLDS]
        if held.empty:
            said.append(f"On {dataset} no pair is known to lose accuracy.")
            continue
        top = held.sort_values("loss", ascending=False, kind="stable").iloc[0]
        white = own[
            (own["dataset"] == dataset) & (own["source"] == top["detector"]) & (own["detector"] == top["detector"])
        ]
        said.append(
            f"On {dataset} the attack on {top['source']} carries furthest, to {top['detector']}: its accuracy falls "
            f"from {top['clean']:.3f} to {top['RA']:.3f} (loss {top['loss']:.3f}, corrected interval "
            f"[{top['loss_low']:.3f}, {top['loss_high']:.3f}]). Attacked itself it keeps {white['value'].item():.3f}."
        )
    return "\n\n".join([*said, *grey_lines(found)])


def matrix(table: pd.DataFrame, measure: str, tolerance: float) -> pd.DataFrame:
    """RA or RR(τ) of every (source, detector) with its 95 % interval over groups, a row for each.

    measure: "RA" or "RR". Columns: dataset, source, detector, value, low, high.
    """
    if table.empty:
        return pd.DataFrame(columns=MATRIX)
    data = summary.by_epsilon(_named(table), [tolerance])
    data = data[data["measure"] == measure].rename(columns={"attack": "source"})
    return data[MATRIX].reset_index(drop=True)


def clean_row(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The clean accuracy of each detector, as rows of `matrix` whose source is no attack."""
    unchanged = table.drop_duplicates(["dataset", "detector", "sample"])
    unchanged = unchanged.assign(p_attacked=unchanged["p_clean"], shift=0.0, source=NO_ATTACK)
    return matrix(unchanged, "RA", tolerance)


def noise_row(results: pd.DataFrame, attack: str, epsilon: float, tolerance: float, measure: str) -> pd.DataFrame:
    """What noise in the same ball does, from the study's own table of it, as rows of `matrix`; may be empty."""
    part = results[(results["attack"] == attack) & (results["epsilon"] == epsilon)]
    return matrix(part.assign(source=attack), measure, tolerance)


def wide(long: pd.DataFrame) -> pd.DataFrame:
    """A matrix of one data set as a page shows it: a row per source, a column per detector, values with intervals."""
    text = long.assign(text=with_interval(long, "value", "low", "high"))
    order = list(dict.fromkeys(long["detector"]))
    shown = text.pivot(index="source", columns="detector", values="text")
    shown = shown.loc[list(dict.fromkeys(long["source"])), order]
    return shown.rename_axis(columns=None).rename_axis("attack on ↓, seen by →").reset_index()


def plot(long: pd.DataFrame, label: str, grey: Collection[str] = ()) -> Figure:
    """A matrix of one data set as a heat map; rows and columns of detectors that do not detect are grey."""
    rows, columns = list(dict.fromkeys(long["source"])), list(dict.fromkeys(long["detector"]))
    values = long.pivot(index="source", columns="detector", values="value").loc[rows, columns].to_numpy(float)
    out = np.array([[row in grey or column in grey for column in columns] for row in rows], dtype=bool)
    figure, ax = plt.subplots(figsize=(COLUMN, 0.26 * len(rows) + 1.3), layout="constrained")
    image = ax.imshow(np.ma.masked_array(values, out), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    ax.set_facecolor("0.85")
    for (row, column), value in np.ndenumerate(values):
        dark = not out[row, column] and value < 0.5
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black", fontsize=7)
    ax.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="seen by", ylabel="attack on")
    ax.grid(False)
    figure.colorbar(image, ax=ax, label=label, shrink=0.9)
    return figure


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of `pairs` as a page shows them."""
    return pd.DataFrame(
        {
            "attack on": found["source"],
            "seen by": found["detector"],
            "clean accuracy": found["clean"],
            "RA": found["RA"],
            "loss [90 %]": with_interval(found, "loss", "near_low", "near_high"),
            "p (Holm)": [f"{p:.2g}" for p in found["p_holm"]],
            "costs accuracy": found["verdict"].where(found["detects"], "does not detect"),
        }
    )


def _all_of(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    return losses.losses(_named(table), tolerance).drop_duplicates(["dataset", "detector"])


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(attack=table["source"])
