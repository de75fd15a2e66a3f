"""What every notebook begins with, and how it shows a table."""

import os
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from pathlib import Path

import pandas as pd
from IPython.display import HTML, Markdown

from rrlib import text
from rrlib.datasets import Kind
from rrlib.errors import InputError
from rrlib.report import described, figures
from rrlib.study import PARAMS, Study, half_of, videos_name

SHOWN = 20  # of the sources that were left out; Celeb-DF leaves out two thousand, and all are in the report


def begin() -> None:
    """First call of every notebook: go to the repository's root and draw pictures that repeat byte for byte."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / PARAMS).is_file()), None)
    if root is None:
        raise InputError(f"no {PARAMS} in {here} or above it; open the notebook inside the repository")
    os.chdir(root)
    figures.set_style()
    # here: it ties itself to the IPython that runs when it is imported
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg", metadata={"Date": None})
    _say_what_figures_show()


def _say_what_figures_show() -> None:
    """Each figure that a cell shows carries its description."""
    from IPython.core.getipython import get_ipython
    from matplotlib.figure import Figure

    shell = get_ipython()
    assert shell is not None  # set_matplotlib_formats needs both too
    assert shell.display_formatter is not None
    formatter = shell.display_formatter.formatters["image/svg+xml"]
    drawn = formatter.lookup_by_type(Figure)
    formatter.for_type(Figure, lambda figure: described.titled(drawn(figure), described.described(figure)))


def chosen(found: Study, dataset: str = "", detector: str = "", attack: str = "") -> tuple[str, str, str]:
    """What a page is about; an empty name stands for the first of the study that goes with the others.

    Raises InputError for a data set and a detector that the study does not put together, or an attack that it lacks.
    """
    pairs = [pair for pair in found.pairs() if dataset in ("", pair[0]) and detector in ("", pair[1])]
    if not pairs:
        known = ", ".join("/".join(pair) for pair in found.pairs())
        raise InputError(f"{dataset or '(any)'}/{detector or '(any)'} is not in the study; choose from {known}")
    attacks = list(half_of(found, *pairs[0]).attacks)
    if attack not in ("", *attacks):
        raise InputError(f"attack is {attack}; choose from {', '.join(attacks)}")
    return *pairs[0], attack or attacks[0]


def data_note(*definitions: Kind) -> Markdown:
    """What a page's results rest on: drawn data are named as such on every page that shows them."""
    notes = [
        f"> **Data.** The {noun(each)} are those of {text.code(each.source)}." for each in definitions if not each.drawn
    ]
    if any(each.drawn for each in definitions):
        samples = " and ".join(dict.fromkeys(noun(each) for each in definitions if each.drawn))
        notes.append(
            f"> **Synthetic data.** These {samples} are drawn by the simulator of this compendium. The "
            "numbers show how the method works; they say nothing about detectors of real forgeries."
        )
    return Markdown("\n>\n".join(notes))


def dataset_sentence(dataset: str, frame: pd.DataFrame, noun: str) -> str:
    """Markdown: how many test samples a data set has, of how many groups, and how many of them are fake.

    frame: its manifest; noun: what its samples are called.
    """
    test = frame[frame["split"] == "test"]
    families = frame.loc[frame["label"] == 1, "family"].fillna("").replace("", pd.NA).nunique()
    named = f", forged in {families} ways" if families else ""
    return (
        f"**{text.markdown(dataset)} has {len(test)} test {noun} in {test['group'].nunique()} groups; "
        f"{int((test['label'] == 1).sum())} of them are fake{named}.** All results on it are of these."
    )


def levels_note(names: Sequence[str]) -> Markdown:
    """What a page means by the names of data sets of frames and by those of their videos."""
    frames = ", ".join(map(text.code, names))
    videos = ", ".join(text.code(videos_name(name)) for name in names)
    return Markdown(
        f"> **Two levels.** The samples of {frames} are frames, those of {videos} whole videos: a video's score is the "
        "mean of its frames', each attacked by itself."
    )


def noun(definition: Kind) -> str:
    """What the samples of a data set are called."""
    return definition.noun


def reading_note(clips: Mapping | None, frames: Mapping | None = None, images: Mapping | None = None) -> str:
    """How the samples of a data set are read, and what was left out.

    clips, frames, images: what `clip_report`, `frame_report` and `image_report` of `rrlib.datasets` say of it.
    """
    report = clips or frames
    if report is None:
        said = "Each image is resized to its detector's input size when it is read."
        return said if images is None else _left_out(said, images)
    chosen = f"{report['stride']} apart, from the middle" if report["stride"] else "evenly spaced over its length"
    said = f"Of each clip {report['frames']} frames are read, {chosen}, and resized to its detector's input size."
    if frames:
        taken = "1 frame was" if frames["frames"] == 1 else f"{frames['frames']} frames were"
        said = f"Of each video {taken} taken, {chosen}; each is an image, resized to its detector's input size."
    if crop := report["crop"]:
        said += (
            f" Faces were cut out of the videos: a square box round the face, {crop['scale']:g} times as large and "
            f"smoothed over time; in {crop['without_face']} of {crop['frames']} frames no face was found, and the "
            "box of the frames around was taken."
        )
    return _left_out(said, report)


def _left_out(said: str, report: Mapping) -> str:
    """A sentence, and after it what a report says of decisions, of what was passed over and what was skipped."""
    said = " ".join([said, *map(text.markdown, report.get("notes", []))])
    if passed_over := report.get("passed_over"):
        counts = "; ".join(f"{text.markdown(each['what'])}: {each['count']}" for each in passed_over)
        said += f" Passed over ({counts})."
    skipped = len(report["skipped"])
    if skipped == 0:
        return f"{said} None was left out."
    which = "1 source was left out" if skipped == 1 else f"{skipped} sources were left out"
    return f"{said} {which}{f', the first {SHOWN} of which are' if skipped > SHOWN else ''}:"


def show(table: pd.DataFrame, missing: str = "", empty: str = "None.") -> HTML:
    """A table as a page shows it: no index, three decimals, ε as short as it is; equal tables give equal bytes.

    `empty` stands in the place of a table without rows.
    """
    if table.empty:
        return HTML(f"<p>{empty}</p>")
    epsilons: list[Hashable] = [column for column in table if column in ("ε", "epsilon")]
    others = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    style = table.style.hide(axis="index").format(precision=3, na_rep=missing).format("{:g}", subset=epsilons)
    style = style.format(_shown, subset=others, na_rep=missing).format_index(text.html, axis="columns")
    # JupyterLab would draw what stands between dollars as a formula
    return HTML(style.set_uuid("table").set_table_attributes('class="dataframe mathjax_ignore"').to_html())


def _shown(value: object) -> str:
    """A cell of a column that holds more than numbers."""
    return f"{value:.3f}" if isinstance(value, Real) and not isinstance(value, int) else text.html(value)
