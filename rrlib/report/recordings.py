"""The pages on a recorded study: what was found, who takes part in it, and the same beside the present study."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from rrlib import analysis, study, text
from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, Claim, calibration, linearity, summary, trust, words
from rrlib.evaluation import fit_temperature
from rrlib.report import trusted
from rrlib.study import Recorded

GOAL = 0.85  # clean accuracy that the best detector of real faces should reach
WORDS = {HOLDS: "holds", DOES_NOT_HOLD: "does not hold", UNDECIDED: "is undecided"}
NOTHING = "no detector detects whose attacks can be trusted, so nothing is said"
BUDGET = 0.05  # share of inputs that may be decided and then flipped, as on the start page
PAIR = ["dataset", "detector"]


def checklists(found: Recorded, worst: pd.DataFrame) -> dict[tuple[str, str], list[trust.Item]]:
    """By (data set, detector), whether the attacks can be trusted; `worst` is the worst case of `found.results`.

    Detectors that were not looked at have none: published weights that do not detect here.
    """
    kinds = trust.Kinds(**study.attack_kinds(found.study.image.attacks))
    lists = {}
    for (dataset, detector), probe in found.probes.items():
        table, of_worst = (
            each[(each["dataset"] == dataset) & (each["detector"] == detector)] for each in (found.results, worst)
        )
        at = probe.attrs["epsilon"]
        lists[dataset, detector] = trust.checklist(
            table, kinds, at, found.study.highlight.tolerance, probe, worst=of_worst
        )
    return lists


def claims(
    found: Recorded, worst: pd.DataFrame, reasons: Mapping[tuple[str, str], str], tolerance: float | None = None
) -> list[Claim]:
    """The paper's claims on recorded images, at the recorded study's τ unless given; that on video needs video."""
    kept, about = trusted.without(worst, reasons), found.study
    at = about.highlight.tolerance if tolerance is None else tolerance
    return analysis.paper_claims(kept, at, about.tolerances) if len(kept) else []


def data_note(found: Recorded) -> str:
    """Markdown: what the numbers rest on, when and with which code they were measured."""
    whole = found.samples[~found.samples.duplicated("sample")]
    counts = whole["label"].value_counts()
    known = [getattr(each, "fold", None) for each in found.study.datasets.values()]
    folds = max((fold["of"] for fold in known if fold), default=1)
    return (
        f"> **Real data, recorded.** {counts[0]} photographs and {counts[1]} portraits that StyleGAN2 drew, each tested"
        f" by detectors that had seen none of it ({folds} folds). Nothing was measured while this book was built: the "
        f"tables are those of {found.about['date']}, made by commit {text.code(found.about['commit'][:12])} on "
        f"{text.markdown(found.about['processor'])}. [How to measure them again](faces-rerun)."
    )


def detection(worst: pd.DataFrame) -> str:
    """Markdown: how well the best detector detects, against the goal, and who does not detect at all."""
    clean = analysis.clean_performance(worst)
    best = clean.sort_values("accuracy", ascending=False, kind="stable").iloc[0]
    if not clean["detects"].any():
        top = clean.sort_values("auc", ascending=False, kind="stable").iloc[0]
        return (
            f"None of the {len(clean)} detectors detects here: the highest AUC is {top['auc']:.3f} "
            f"[{top['auc_low']:.3f}, {top['auc_high']:.3f}], of {text.markdown(top['detector'])}, and the highest "
            f"clean accuracy {best['accuracy']:.3f}."
        )
    said = (
        f"The best detector here is {text.markdown(best['detector'])}: clean accuracy {best['accuracy']:.3f} "
        f"[{best['accuracy_low']:.3f}, {best['accuracy_high']:.3f}], AUC {best['auc']:.3f} [{best['auc_low']:.3f}, "
        f"{best['auc_high']:.3f}]. "
    )
    said += (
        f"The goal of {GOAL:g} is reached."
        if best["accuracy"] >= GOAL
        else f"The goal of {GOAL:g} is missed by {GOAL - best['accuracy']:.3f}."
    )
    blind = clean.loc[~clean["detects"], "detector"].tolist()
    if len(blind):
        said += f" {_listed(blind)} {'does' if len(blind) == 1 else 'do'} not detect here and take part in no finding."
    return said


def start_line(name: str = "faces") -> str:
    """Markdown for the start page: what RR says about real detectors on real faces, with its link; all of it computed.

    The detector is the one of highest clean accuracy among those that detect and the attacks on which can be trusted.
    """
    found = study.recorded.read(name)
    worst = analysis.worst_case(found.results)
    reasons = trust.distrusted(checklists(found, worst))
    link = "[real faces](faces)"
    best = _best(found, worst, reasons)
    if best is None:
        return f"**On {link} (recorded)** {NOTHING}."
    (first, *_) = claims(found, worst, reasons)
    return (
        f"**On {link} (recorded),** {best[0]}. {best[1]}. That detectors alike in RA can be apart in RR "
        f"{WORDS[first.verdict]} there ({text.markdown(first.reason)})."
    )


def opening(found: Recorded, worst: pd.DataFrame, reasons: Mapping[tuple[str, str], str]) -> str:
    """Markdown, one bold sentence: how the best detector of a recorded study detects, and how far it can be pushed.

    worst: the worst case of `found.results`; reasons: whom the attacks on cannot be trusted, as in `claims`.
    """
    best = _best(found, worst, reasons)
    return f"**On real faces, {NOTHING}.**" if best is None else f"**On real faces, {best[0]}; {_lower(best[1])}.**"


def _best(found: Recorded, worst: pd.DataFrame, reasons: Mapping[tuple[str, str], str]) -> tuple[str, str] | None:
    """Of the detector of highest clean accuracy among those that take part: how it detects; its RA and RR."""
    clean = analysis.clean_performance(worst)
    fit = trusted.without(clean[clean["detects"]], reasons).sort_values("accuracy", ascending=False, kind="stable")
    if fit.empty:
        return None
    best, highlight = fit.iloc[0], found.study.highlight
    of_best = worst[(worst["dataset"] == best["dataset"]) & (worst["detector"] == best["detector"])]
    data = summary.by_epsilon(summary.at_epsilon(of_best, highlight.epsilon), [highlight.tolerance])
    shown = {
        row["measure"]: f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in data.to_dict("records")
    }
    return (
        f"{text.markdown(best['detector'])} tells portraits of StyleGAN2 from photographs with AUC {best['auc']:.3f} "
        f"[{best['auc_low']:.3f}, {best['auc_high']:.3f}]",
        f"At ε = {highlight.epsilon:g}, in the worst case over all attacks, its RA is {shown['RA']} and its "
        f"RR({highlight.tolerance:g}) {shown['RR']}",
    )


def _lower(said: str) -> str:
    return f"{said[:1].lower()}{said[1:]}"


def beside(parts: Mapping[str, pd.DataFrame], epsilon: float, tolerance: float) -> pd.DataFrame:
    """A row for each detector of each part: what it does unattacked and in the worst case at ε.

    Args:
        parts: worst cases of result tables, by what they are called ("drawn", "real").
        epsilon: one that every part holds.
        tolerance: τ of RR.

    Returns:
        Columns: data, detector, detects, clean accuracy, AUC, calibration error (of clean samples), RA, RR(τ),
        stability, distance from a line (of RR(τ), see `linearity`), band and clean inputs decided (the guardrail that
        keeps flips within 0.05 with 95 % confidence, abstaining by the score that is seen).
    """
    found = []
    for name, worst in parts.items():
        at = summary.at_epsilon(worst, epsilon)
        clean = analysis.clean_performance(worst)
        clean["calibration error"] = [
            calibration.calibration_error(part["p_clean"], part["label"])
            for _, part in at.groupby(["dataset", "detector"], sort=False)
        ]
        bands = analysis.bands(worst, epsilon, BUDGET)
        rows = clean
        for each in (
            summary.overview(at, [tolerance])[[*PAIR, "RA", f"RR({tolerance:g})", "stability"]],
            linearity.linearity(at)[[*PAIR, "distance"]],
            bands.loc[bands["on"] == "attacked score", [*PAIR, "band", "decided"]],
        ):
            rows = rows.merge(each, on=PAIR, validate="one_to_one")
        rows["detects"] = rows["detects"].map({True: "yes", False: "not here"})
        found.append(rows.assign(data=name))
    columns = ["data", "detector", "detects", "accuracy", "auc", "calibration error", "RA", f"RR({tolerance:g})"]
    columns += ["stability", "distance", "band", "decided"]
    names = {"accuracy": "clean accuracy", "auc": "AUC", "distance": "distance from a line"}
    names["decided"] = "clean inputs decided"
    return pd.concat(found, ignore_index=True)[columns].rename(columns=names)


def recalibrated(table: pd.DataFrame, distance: str) -> pd.DataFrame:
    """Result tables with a temperature for each detector that is fitted to the very samples on which it is judged.

    It is the best that a temperature can do, which no study could know beforehand: what holds before and after it does
    not hang on how well a detector was calibrated.
    """
    parts = []
    for _, part in table.groupby(PAIR, sort=False):
        clean = part.drop_duplicates("sample")
        z = torch.from_numpy(calibration.logits(clean["p_clean"]))
        both, labels = torch.stack([torch.zeros_like(z), z], dim=1), torch.tensor(clean["label"].tolist())
        parts.append(calibration.at_temperature(part, fit_temperature(both, labels), distance))
    return pd.concat(parts, ignore_index=True)


def contrast(ours: pd.DataFrame, real: pd.DataFrame, epsilon: float, tolerance: float) -> str:
    """Markdown: what differs between two worst cases at one ε that both hold, a line for each subject."""
    table, rr = beside({"ours": ours, "real": real}, epsilon, tolerance), f"RR({tolerance:g})"
    mine, theirs = table[table["data"] == "ours"], table[table["data"] == "real"]
    lines = [
        f"- **{text.markdown(row['detector'])}**: clean accuracy {row['clean accuracy']:.3f} and "
        f"{row['clean accuracy real']:.3f} on real faces, RA {row['RA']:.3f} and {row['RA real']:.3f}, {rr} "
        f"{row[rr]:.3f} and {row[f'{rr} real']:.3f}."
        for row in mine.merge(theirs, on="detector", suffixes=("", " real")).to_dict("records")
    ]
    lines.append(
        f"- **Calibration**: the error of clean probabilities is at most {mine['calibration error'].max():.3f} here "
        f"and {theirs['calibration error'].max():.3f} on real faces."
    )
    found = linearity.compare_image_video(ours, real, epsilon)
    if len(found):
        row = found.iloc[0]
        lines.append(
            f"- **Linearity**: RR(τ) is {row['image']:.3f} from its line here and {row['video']:.3f} on real faces, as "
            f"a mean over detectors (difference {row['difference']:+.3f}, interval [{row['low']:+.3f}, "
            f"{row['high']:+.3f}]). That it is straighter on real faces {WORDS[row['verdict']]}."
        )
    able, able_there = (int((each["clean inputs decided"].fillna(0) > 0).sum()) for each in (mine, theirs))
    lines.append(
        f"- **Guardrails**: a band that keeps flips within {BUDGET:.0%} decides something for {able} of {len(mine)} "
        f"detectors here and for {able_there} of {len(theirs)} on real faces."
    )
    return "\n".join(lines)


def in_common(parts: Mapping[str, Sequence[Claim]]) -> str:
    """Markdown, one bold sentence: how many claims of the paper have the same verdict in all parts.

    >>> one, other = Claim("A.", HOLDS, "", pd.DataFrame()), Claim("B.", HOLDS, "", pd.DataFrame())
    >>> in_common({"drawn": [one, other], "real": [one]})
    '**Of the paper’s claims, 1 was asked of drawn and real data: 1 has the same verdict on both (1 holds, 0 do not \
hold and 0 are undecided), and 0 have not.**'
    """
    by_part = [{claim.statement: claim.verdict for claim in each} for each in parts.values()]
    asked = [statement for statement in by_part[0] if all(statement in each for each in by_part)]
    same = [by_part[0][each] for each in asked if len({part[each] for part in by_part}) == 1]
    if not asked:
        return "**No claim of the paper could be asked of both.**"
    apart = len(asked) - len(same)
    told = f" ({words.counted(same)})" if same else ""
    return (
        f"**Of the paper’s claims, {len(asked)} {'was' if len(asked) == 1 else 'were'} asked of "
        f"{' and '.join(parts)} data: {len(same)} {'has' if len(same) == 1 else 'have'} the same verdict on both"
        f"{told}, and {apart} {'has' if apart == 1 else 'have'} not.**"
    )


def claims_beside(parts: Mapping[str, Sequence[Claim]], word: str = "on") -> str:
    """Markdown: each claim with its verdict in every part, and a sentence that says what they have in common.

    `word` leads to the name of a part: it holds "on" drawn faces, "with" a temperature.
    """
    statements = list(dict.fromkeys(claim.statement for each in parts.values() for claim in each))
    told = []
    for statement in statements:
        verdicts = {
            name: next((claim for claim in each if claim.statement == statement), None) for name, each in parts.items()
        }
        lines = [
            f"  - {name}: **{WORDS[claim.verdict]}** ({text.markdown(claim.reason)})"
            if claim
            else f"  - {name}: not asked, as its data cannot tell"
            for name, claim in verdicts.items()
        ]
        told.append("\n".join([f"- {statement} {_together(verdicts, word)}", *lines]))
    return "\n".join(told)


def _together(verdicts: Mapping[str, Claim | None], on: str = "on") -> str:
    """One sentence from the verdicts of a claim.

    >>> one = Claim("", HOLDS, "", pd.DataFrame())
    >>> _together({"drawn": one, "real": one}), _together({"drawn": one, "real": None})
    ('It holds on drawn and real alike.', 'It holds on drawn; nothing is said of real.')
    """
    words = {name: WORDS[claim.verdict] if claim else "" for name, claim in verdicts.items()}
    if len(set(words.values())) == 1 and all(words.values()):
        return f"It {next(iter(words.values()))} {on} {' and '.join(words)} alike."
    said = [f"it {word} {on} {name}" if word else f"nothing is said of {name}" for name, word in words.items()]
    return f"{'; '.join(said)[:1].upper()}{'; '.join(said)[1:]}."


def _listed(names: Sequence[str]) -> str:
    plain = [text.markdown(name) for name in names]
    return plain[0] if len(plain) == 1 else f"{', '.join(plain[:-1])} and {plain[-1]}"
