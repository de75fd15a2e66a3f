"""How a detector is calibrated, and what that does to RR: for its own page."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrlib import analysis
from rrlib.analysis import calibration, summary
from rrlib.errors import InputError
from rrlib.report import figures

UNITS = np.linspace(0, 3, 121)  # moves of a logit, in spreads of the clean logits
BEFORE, AFTER = (figures.GREY, "s", "--"), (figures.COLORS[0], "o", "-")


def said(metadata: Mapping) -> str:
    """Markdown: which temperature a checkpoint has, and from where; or that it has none, why, and what follows.

    >>> said({"report": {}, "temperature": 1, "calibration": {"none": "params.yaml says calibrate: false"}})[:63]
    '**Not calibrated here:** params.yaml says calibrate: false. Its'
    """
    temperature = metadata.get("temperature", 1)
    fitted = metadata.get("calibration") or {}
    if "temperature" in fitted:
        return (
            f"The weights were given, so a temperature was fitted: the logits are divided by {temperature:.3f}, which "
            f"moves the loss on the validation split ({fitted['samples']} samples in {fitted['groups']} groups) from "
            f"{fitted['loss']:.4f} to {fitted['loss_calibrated']:.4f} nats."
        )
    if metadata.get("report"):
        return f"The logits are divided by {temperature:.3f}, a temperature fitted on the validation split."
    why = fitted.get("none", "its checkpoint does not say how it came to its temperature")
    return (
        f"**Not calibrated here:** {why}. Its RR says as much about the scale of its logits as about how far they can "
        "be pushed; beside other detectors only the last panel below says something."
    )


def plot_calibration(table: pd.DataFrame, temperature: float, epsilon: float, distance: str) -> Figure:
    """Reliability and worst-case RR(τ) before and after the temperature, and the companion that needs none.

    Args:
        table: the tables of all attacks on one detector, with the temperature applied.
        temperature: that of the detector; 1 where it has none, and one curve is drawn.
        epsilon: of RR and of the companion.
        distance: of probability vectors.
    """
    figure, axes = plt.subplots(1, 3, figsize=(figures.PAGE, 2.7), layout="constrained")
    reliable, ratio, companion = axes
    reliable.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for name, at, look in _both(table, temperature, distance):
        clean = at.drop_duplicates("sample")
        _plot_reliability(clean, name, look, reliable)
        shift = summary.at_epsilon(analysis.worst_case(at), epsilon)
        share = summary.robust(shift, figures.CURVE).mean(axis=0)
        ratio.plot(figures.CURVE, share, color=look[0], linestyle=look[2], drawstyle="steps-post", label=name)
    reliable.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean probability of fake", ylabel="share that is fake")
    ratio.set(xlim=(0, 1), ylim=(-0.03, 1.03), xlabel="τ, tolerance", ylabel=figures.RR_LABEL)
    for ax in (reliable, ratio):
        figures.legend_below(ax, 1)
    _plot_companion(table, epsilon, companion)
    return figure


def shown(
    table: pd.DataFrame, temperature: float, epsilon: float, tolerances: Sequence[float], distance: str
) -> pd.DataFrame:
    """ECE on clean samples and worst-case RR(τ) at one ε, a row without the temperature and one with it."""
    rows = []
    for name, at, _ in _both(table, temperature, distance):
        clean = at.drop_duplicates("sample")
        shares = summary.robust(summary.at_epsilon(analysis.worst_case(at), epsilon), tolerances).mean(axis=0)
        rows.append(
            {
                "probabilities": name,
                "ECE": calibration.calibration_error(clean["p_clean"], clean["label"]),
                **{f"RR({tolerance:g})": share for tolerance, share in zip(tolerances, shares, strict=True)},
            }
        )
    return pd.DataFrame(rows)


def _both(
    table: pd.DataFrame, temperature: float, distance: str
) -> list[tuple[str, pd.DataFrame, tuple[str, str, str]]]:
    """The table without the temperature and with it, with a name and a look; where there is none, once."""
    if temperature == 1:
        return [("as it is", table, AFTER)]
    return [
        ("before", calibration.at_temperature(table, 1 / temperature, distance), BEFORE),
        ("after", table, AFTER),
    ]


def _plot_reliability(clean: pd.DataFrame, name: str, look: tuple[str, str, str], ax: Axes) -> None:
    bins = calibration.reliability(clean["p_clean"], clean["label"])
    error = calibration.calibration_error(clean["p_clean"], clean["label"])
    color, marker, line = look
    label = f"{name}: ECE {error:.3f}"
    ax.plot(bins["p_fake"], bins["fake"], color=color, marker=marker, linestyle=line, markersize=4, label=label)


def _plot_companion(table: pd.DataFrame, epsilon: float, ax: Axes) -> None:
    """The share of samples whose logit moves by at most u spreads; a sentence in its place where it has no unit."""
    try:
        moves = analysis.worst_case(calibration.in_own_units(table))
    except InputError as error:
        ax.text(0.5, 0.5, str(error), ha="center", va="center", wrap=True, transform=ax.transAxes)
    else:
        share = summary.robust(summary.at_epsilon(moves, epsilon), UNITS).mean(axis=0)
        ax.plot(UNITS, share, color="black", drawstyle="steps-post")
    ax.set(
        xlim=(0, UNITS[-1]),
        ylim=(-0.03, 1.03),
        xlabel="u, move of the logit\n(spreads of the clean logits)",
        ylabel="share moved by at most u\n(upper bound) ↑",
    )
