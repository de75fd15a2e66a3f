"""The page on ordinary damage: its sentences, its figures, its table."""

from collections.abc import Collection

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, summary
from rrlib.evaluation import damage
from rrlib.report.figures import COLUMN, Looks, of_table

LABELS = {"RA": "RA, share that is right ↑", "RR": "RR, robust ratio ↑"}


def setting(kind: str, severity: float) -> str:
    """A severity as people say it.

    >>> setting("jpeg", 20), setting("brightness", -0.1)
    ('quality 80', 'added to pixels −0.1')
    """
    about = damage.KINDS[kind]
    return f"{about.quantity} {about.value(severity)}"


def finding(found: pd.DataFrame, tolerance: float) -> str:
    """Markdown: what damage costs, from `analysis.losses.losses` of the damage of all data sets; one family."""
    fit = found[found["detects"]]
    if fit.empty:
        said = ["**No detector of this study is known to detect, so there is nothing that damage could cost.**"]
        return "\n\n".join([*said, *grey_lines(found)])
    counts = fit["verdict"].value_counts()
    costs, keeps, open_ = (int(counts.get(word, 0)) for word in (HOLDS, DOES_NOT_HOLD, UNDECIDED))
    said = [
        f"**Ordinary damage costs accuracy in {costs} of {len(fit)} settings (a detector, a kind of damage, a "
        f"severity); in {keeps} it costs less than 0.05, and {open_} are undecided.**"
    ]
    said += [_of_dataset(str(name), part, tolerance) for name, part in fit.groupby("dataset", sort=False)]
    return "\n\n".join([*said, *grey_lines(found)])


def _of_dataset(dataset: str, part: pd.DataFrame, tolerance: float) -> str:
    costs = part[part["verdict"] == HOLDS]
    if costs.empty:
        said = f"On {dataset} no damage is known to cost a detector accuracy."
    else:
        top = costs.sort_values("loss", ascending=False, kind="stable").iloc[0]
        said = (
            f"On {dataset} the largest loss is under {top['attack']} ({setting(top['attack'], top['epsilon'])}): "
            f"{top['detector']} falls from {top['clean']:.3f} to {top['RA']:.3f} (loss {top['loss']:.3f}, corrected "
            f"interval [{top['loss_low']:.3f}, {top['loss_high']:.3f}])."
        )
    kept = part[part["verdict"] == DOES_NOT_HOLD]
    if len(kept):
        low = kept.sort_values("RR", kind="stable").iloc[0]
        said += (
            f" Where accuracy is kept, scores still move most under {low['attack']} "
            f"({setting(low['attack'], low['epsilon'])}): RR({tolerance:g}) of {low['detector']} is {low['RR']:.3f} "
            f"(95 % interval of this row alone [{low['rr_low']:.3f}, {low['rr_high']:.3f}])."
        )
    return said


def grey_lines(found: pd.DataFrame) -> list[str]:
    """A sentence for each detector that does not detect: it is grey, and in no finding."""
    reasons = found.loc[~found["detects"], "reason"].unique()
    return [f"{reason}; it is shown grey and takes part in no finding." for reason in reasons]


def plot(
    table: pd.DataFrame, measure: str, tolerance: float, grey: Collection[str] = (), looks: Looks | None = None
) -> Figure:
    """RA or RR(τ) over the severity of each kind of damage on one data set, a panel per kind, with 95 % intervals.

    table: the damage of one data set; measure: "RA" or "RR"; grey: detectors that do not detect here; looks: those of
    the study's detectors.
    """
    kinds = list(table["attack"].unique())
    rows = -(-len(kinds) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(COLUMN, 1.45 * rows + 0.8), squeeze=False, sharey=True, layout="constrained"
    )
    data = summary.by_epsilon(table, [tolerance])
    data = data[data["measure"] == measure]
    for ax, kind in zip(axes.flat, kinds, strict=False):
        of_kind = data[data["attack"] == kind]
        severities = sorted(of_kind["epsilon"].unique())
        for name, look in of_table(table, looks, grey).items():
            line = of_kind[of_kind["detector"] == name].sort_values("epsilon")
            ax.plot(range(len(line)), line["value"], **look, markersize=3, label=name)
            ax.fill_between(range(len(line)), line["low"], line["high"], color=look["color"], alpha=0.1, linewidth=0)
        about = damage.KINDS[kind]
        ax.set_xticks(range(len(severities)), ["none" if s == 0 else about.value(s) for s in severities])
        ax.set(ylim=(-0.03, 1.03), xlabel=about.quantity, title=kind)
    for ax in axes.flat[len(kinds) :]:
        ax.set_axis_off()
    figure.supylabel(
        LABELS[measure] if measure == "RA" else f"RR({tolerance:g}), share that moves by ≤ {tolerance:g} ↑"
    )
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def shown(found: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The rows of `analysis.losses.losses` as a page shows them: what a verdict rests on is in its row."""
    return pd.DataFrame(
        {
            "detector": found["detector"],
            "damage": found["attack"],
            "setting": [setting(*each) for each in zip(found["attack"], found["epsilon"], strict=True)],
            "clean accuracy": found["clean"],
            "RA": found["RA"],
            "loss [90 %]": with_interval(found, "loss", "near_low", "near_high"),
            "p (Holm)": [f"{p:.2g}" for p in found["p_holm"]],
            f"RR({tolerance:g}) [95 %]": with_interval(found, "RR", "rr_low", "rr_high"),
            "costs accuracy": found["verdict"].where(found["detects"], "does not detect"),
        }
    )


def with_interval(found: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    """Each value with its interval, as text."""
    numbers = zip(found[value], found[low], found[high], strict=True)
    return [f"{each:.3f} [{least:.3f}, {most:.3f}]" for each, least, most in numbers]
