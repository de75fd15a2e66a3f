"""Whether the attacks on a detector can be trusted, and how tight they are, as pages tell it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from rrlib import analysis, study
from rrlib.analysis import trust
from rrlib.errors import InputError
from rrlib.report import pages

RECORDED = Path("book/benchmarks/tightness.csv")  # what `benchmarks/tightness.py` wrote, on its own machine
GOAL = 0.02  # of the gap in RR, for the detectors of a study
MARKS = {trust.PASSES: "✓ passes", trust.FAILS: "✗ FAILS", analysis.UNDECIDED: "? undecided"}  # told by no colour


def checklist_of(
    found: study.Study, dataset: str, detector: str, table: pd.DataFrame, worst: pd.DataFrame | None = None
) -> list[trust.Item]:
    """The checklist of one detector, from its result tables and its probe; `worst` is their worst case."""
    kinds = trust.Kinds(**study.attack_kinds(study.half_of(found, dataset, detector).attacks))
    probe = study.read_probe(dataset, detector)
    return trust.checklist(table, kinds, probe.attrs["epsilon"], found.highlight.tolerance, probe, worst=worst)


def shown(items: Sequence[trust.Item]) -> pd.DataFrame:
    """The checklist as a page shows it: what fails first."""
    rank = [trust.FAILS, analysis.UNDECIDED, trust.PASSES]
    ordered = sorted(items, key=lambda item: rank.index(item.verdict))
    rows = [(MARKS[item.verdict], item.name, item.reason) for item in ordered]
    return pd.DataFrame(rows, columns=["verdict", "what should be so", "numbers"])


def page_table(items: Sequence[trust.Item]) -> HTML:
    """`shown` as a page's table, whose last column holds sentences and so has to break its lines."""
    return HTML(f'<div class="sentences">{pages.show(shown(items)).data}</div>')


def sentence(items: Sequence[trust.Item]) -> str:
    """Markdown: what follows from a checklist."""
    counts = {word: sum(item.verdict == word for item in items) for word in (trust.PASSES, analysis.UNDECIDED)}
    failed = trust.failing(items)
    told = f"{counts[trust.PASSES]} of {len(items)} items pass and {counts[analysis.UNDECIDED]} are undecided"
    if failed:
        names = "; ".join(item.name for item in failed)
        return (
            f"**Not here:** {told}; what fails: {names}. RA and RR of this detector are upper bounds that may lie far "
            "above the truth, so it is drawn grey and takes part in no finding."
        )
    return f"**Nothing speaks against it:** {told}; none fails."


def distrusted(
    found: study.Study, halves: Mapping[str, pd.DataFrame], worst: Mapping[str, pd.DataFrame] | None = None
) -> dict[tuple[str, str], str]:
    """Why, by (data set, detector), for every detector of the study whose checklist fails; videos go by their frames.

    `halves` are from `study.read_results`, `worst` the worst case of each.
    """
    lists: dict[tuple[str, str], list[trust.Item]] = {}
    for dataset, detector in found.pairs():
        (half,) = (name for name in ("image", "video") if found.half(dataset) is getattr(found, name))
        parts = [
            None if each is None else each[(each["dataset"] == dataset) & (each["detector"] == detector)]
            for each in (halves[half], None if worst is None else worst[half])
        ]
        if parts[0] is None or parts[0].empty:
            raise InputError(f"there is no result of {detector} on {dataset}; make it with `dvc repro`")
        lists[dataset, detector] = checklist_of(found, dataset, detector, parts[0], parts[1])
        if dataset in found.of_frames:
            lists[study.videos_name(dataset), detector] = lists[dataset, detector]
    return _spared(found) | trust.distrusted(lists)


def _spared(found: study.Study) -> dict[tuple[str, str], str]:
    """Whom the study spares an attack that it leads against others: their worst cases cannot be compared."""
    return {
        (name, detector): f"{detector} on {name} is not attacked with {', '.join(attacks)}, since cells of params.yaml "
        "leaves that out: its worst case is not that of the others"
        for (dataset, detector), attacks in study.spared(found).items()
        for name in [dataset, *([study.videos_name(dataset)] if dataset in found.of_frames else [])]
    }


def on_a_card(
    found: study.Study, dataset: str, detector: str, table: pd.DataFrame, worst: pd.DataFrame | None = None
) -> str:
    """What a card says: why the attacks cannot be trusted, that it was not asked, or nothing."""
    if not study.paths.probe_path(dataset, detector).is_file():
        return f"Whether the attacks can be trusted was not asked: `python -m rrlib trust {dataset} {detector}` does."
    failed = trust.failing(checklist_of(found, dataset, detector, table, worst))
    told = " ".join(f"{item.name}: {item.reason}" for item in failed)
    return f"The attacks on it cannot be trusted, so no number here is near the truth for sure. {told}" if told else ""


def without(table: pd.DataFrame, left_out: Collection[tuple[str, str]]) -> pd.DataFrame:
    """The rows that may take part in a finding: those of no (data set, detector) in `left_out`.

    >>> table = pd.DataFrame({"dataset": "d", "detector": ["f", "g"]})
    >>> without(table, {("d", "g")})["detector"].tolist()
    ['f']
    """
    out = [pair in left_out for pair in zip(table["dataset"], table["detector"], strict=True)]
    return table[[not each for each in out]]


def names(reasons: Collection[tuple[str, str]]) -> set[str]:
    """The detectors among (data set, detector): figures show them grey."""
    return {detector for _, detector in reasons}


def note(reasons: Mapping[tuple[str, str], str]) -> str:
    """Markdown: who takes part in no finding because the attacks cannot be trusted, and why; empty for nobody."""
    if not reasons:
        return ""
    lines = "\n".join(f"> - {reason[0].upper()}{reason[1:]}" for reason in reasons.values())
    return f"> **Left out of every finding, and grey:**\n>\n{lines}"


def tightness(found: study.Study, dataset: str, detector: str, path: Path = RECORDED) -> tuple[str, pd.DataFrame]:
    """Markdown and a table: how much further a longer search got than the study's worst case, as it was recorded.

    The table is empty where nothing was recorded of this checkpoint under these attacks.
    """
    nothing: pd.DataFrame = pd.DataFrame()
    how = "`python benchmarks/tightness.py --record book/benchmarks` records it."
    recorded = pd.read_csv(path, dtype={"checkpoint": str, "attacks": str}) if path.is_file() else nothing
    if recorded.empty:
        return f"How tight these attacks are was not recorded. {how}", nothing
    rows = recorded[(recorded["dataset"] == dataset) & (recorded["detector"] == detector)]
    if rows.empty:
        return f"How tight these attacks are was not recorded for this detector. {how}", nothing
    for name, now, what in (
        ("checkpoint", study.basis_of(found, dataset, detector).detector[:12], "weights"),
        ("attacks", study.attacks_digest(study.half_of(found, dataset, detector).attacks), "attacks"),
    ):
        was = ", ".join(dict.fromkeys(rows[name]))
        rows = rows[rows[name] == now]
        if rows.empty:
            return (
                f"A gap was recorded with other {what} (digest {was}, now {now}) and no longer applies. {how}",
                nothing,
            )
    return _told(rows), _columns(rows)


def _told(rows: pd.DataFrame) -> str:
    largest, samples = float(rows["gap in RR"].max()), int(rows["samples"].iloc[0])
    goal = "is met" if largest <= GOAL else f"is missed by {largest - GOAL:.3f}"
    times = rows["gradients, longer"].iloc[0] / rows["gradients, study"].iloc[0]
    return (
        f"Recorded once, on {samples} samples, with the checkpoint {rows['checkpoint'].iloc[0]}, not measured in this "
        f"run: a search of {times:.0f} times the gradients, and a black box, beside the study's worst case. "
        f"The largest gap in RR, over every ε and τ, is {largest:.3f}; the goal of at most {GOAL:g} {goal}. One sample "
        f"is {1 / samples:.3f}. The search cost {rows['seconds, longer'].iloc[0]:.0f} s of one processor, the "
        f"study's own attacks on these samples {rows['seconds, study'].iloc[0]:.1f} s. In the table: study → longer "
        "search."
    )


def _columns(rows: pd.DataFrame) -> pd.DataFrame:
    measures = [name for name in rows if f"{name}, longer" in rows and not str(name).startswith(("gra", "sec"))]
    told = pd.DataFrame({"ε": rows["epsilon"]})
    for name in measures:
        told[str(name)] = [
            f"{one:.3f} → {other:.3f}" for one, other in zip(rows[name], rows[f"{name}, longer"], strict=True)
        ]
    return told.assign(**{"largest gap in RR": rows["gap in RR"]})
