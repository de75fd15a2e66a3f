"""The card of a detector as a PDF for people: what is promised, what is not, and its curves."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from rrlib import analysis, files, study
from rrlib.report import card_files, cards, figures

A4 = (8.27, 11.69)  # inches
MARGIN, LINE, WIDE = 0.08, 0.018, 95  # shares of the page, and characters of a line


def write(card: Mapping[str, Any], table: pd.DataFrame, tolerances: list[float], target: Path) -> None:
    """Two pages: the card's main numbers with what they do not show, and RA and RR of its worst case over ε and τ.

    card: as `cards.content` made it, with its commit. table: the tables of all attacks on the detector, judged. Equal
    cards and tables give equal bytes: the file holds no date.
    """
    figures.set_style()
    with files.whole(target) as unfinished, PdfPages(unfinished, metadata={"CreationDate": None}) as pages:
        pages.savefig(_numbers(card))
        pages.savefig(_curves(card, analysis.worst_case(table), tolerances))


def of_detector(found: study.Study, dataset: str, detector: str, card: Mapping[str, Any], target: Path) -> None:
    """`write` for a detector of the study."""
    table = study.judged(found, study.all_tables_of(found, dataset, detector))
    write(card, table, list(found.tolerances), target)


def _title(card: Mapping[str, Any]) -> str:
    return f"{card['detector']['name']} on {card['detector']['dataset']}"


def _numbers(card: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=A4)
    figure.text(MARGIN, 0.94, _title(card), fontsize=16, weight="bold")
    place = 0.90
    for row in cards.shown(card).to_dict("records"):
        figure.text(MARGIN, place, row["what"], fontsize=9)
        figure.text(0.50, place, row["value"], fontsize=9)
        figure.text(0.74, place, row["interval"], fontsize=9)
        place -= LINE
    place -= LINE
    figure.text(MARGIN, place, "What this does not show", fontsize=11, weight="bold")
    for said in card["does_not_show"]:
        for number, line in enumerate(textwrap.wrap(said, WIDE)):
            place -= LINE
            figure.text(MARGIN, place, f"{'  ' if number else '• '}{line}", fontsize=8)
    end = f"SHA-256 of the card {card_files.digest(card)}, commit {card.get('commit') or 'unknown'}"
    figure.text(MARGIN, 0.04, textwrap.fill(end, WIDE), fontsize=7, color="0.4")
    return figure


def _curves(card: Mapping[str, Any], worst: pd.DataFrame, tolerances: list[float]) -> Figure:
    figure = Figure(figsize=A4)
    figure.text(MARGIN, 0.94, f"{_title(card)}: worst case over its attacks", fontsize=12, weight="bold")
    above, below = figure.subplots(2, 1, gridspec_kw={"top": 0.88, "right": 0.78, "left": 0.12, "hspace": 0.3})
    figures.plot_by_epsilon(worst, tolerances, above)
    figures.plot_curves(worst, below)
    return figure
