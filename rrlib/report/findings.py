"""The headline sentences, worded by the verdicts of the tables beside them and by nothing else."""

from collections.abc import Sequence

import pandas as pd

from rrlib import text
from rrlib.analysis import DOES_NOT_HOLD, HOLDS, UNDECIDED, Claim, compare, found_pairs, words

OPENING = {HOLDS: "Holds here.", DOES_NOT_HOLD: "Does not hold here.", UNDECIDED: "Undecided here."}


def main_finding(table: pd.DataFrame, tolerance: float) -> str:
    """Markdown: whether detectors alike in RA are apart in RR(τ), at any ε > 0. Pass `analysis.worst_case(table)`."""
    return finding_of(compare(table, tolerance), tolerance)


def finding_of(comparison: pd.DataFrame, tolerance: float) -> str:
    """The same from a comparison that is there already, so that page and sentence show one table.

    The example is the pair with the largest difference in RR among those whose verdict holds. How many comparisons
    were made, with which verdicts, and what the verdicts ask for, is said with it.
    """
    if comparison.empty:
        return "There are no two detectors to compare here."
    told = words.counted(comparison["verdict"])
    made = (
        f"Of {len(comparison)} comparisons (two detectors at one ε), {told}. *Alike* means that the 90 % interval of "
        "the difference in RA lies inside ± 0.05 (two one-sided tests), *apart* that the difference in RR is not 0, "
        "corrected for all these comparisons together (Holm, 95 %). Detectors that do not detect and RA outside "
        "[0.05, 0.95] decide nothing, nor do fewer than 20 groups."
    )
    found = found_pairs(comparison)
    if found.empty:
        if (comparison["verdict"] == DOES_NOT_HOLD).all():
            opening = f"No two detectors here are alike in robust accuracy and apart in RR({tolerance:g})."
        else:
            opening = (
                f"Whether detectors alike in robust accuracy are apart in RR({tolerance:g}) is undecided here: "
                "no pair shows it, and not every pair could be decided."
            )
        return f"**{opening}** {made}{_why(comparison)}"
    top = found.iloc[0].map(lambda value: text.markdown(value) if isinstance(value, str) else value)
    higher, lower = ("first", "second") if top["rr_difference"] > 0 else ("second", "first")
    return (
        f"**Detectors alike in robust accuracy can be apart in robust ratio.** Under {top['attack']} at "
        f"ε = {top['epsilon']:g} on {top['dataset']}, {top[higher]} and {top[lower]} keep RA = "
        f"{top[f'ra_{higher}']:.3f} and {top[f'ra_{lower}']:.3f} (interval of the difference "
        f"{top['first']} − {top['second']}: [{top['ra_low']:+.3f}, {top['ra_high']:+.3f}]). Yet RR({tolerance:g}) is "
        f"{top[f'rr_{higher}']:.3f} for {top[higher]} and {top[f'rr_{lower}']:.3f} for {top[lower]} (interval of the "
        f"difference {top['first']} − {top['second']}: [{top['rr_low']:+.3f}, {top['rr_high']:+.3f}], "
        f"p = {top['rr_p_holm']:.2g} after correction). On clean samples their accuracies are "
        f"{_clean(top)}.\n\nThis is the pair with the largest difference in RR. {made}"
    )


def claim_lines(claims: Sequence[Claim]) -> str:
    """Markdown: each claim of the paper with its verdict and the reason."""
    return "\n".join(
        f"- **{OPENING[claim.verdict]}** {claim.statement} ({text.markdown(claim.reason)}.)" for claim in claims
    )


def claim_said(claim: Claim) -> str:
    """Markdown: the verdict on one claim of the paper, and the numbers that it follows from."""
    return f"**{OPENING[claim.verdict]}** {_sentence(text.markdown(claim.reason))}"


def claims_sentence(claims: Sequence[Claim]) -> str:
    """Markdown: the verdicts on all claims in one sentence."""
    if not claims:
        return "**The attacks on no detector here can be trusted, so nothing is claimed.**"
    told = words.counted(claim.verdict for claim in claims)
    return f"**Of {len(claims)} claims of the paper, {told} on this study.**"


def _sentence(said: str) -> str:
    return f"{said[0].upper()}{said[1:]}."


def _clean(row: pd.Series) -> str:
    interval = f"[{row['clean_low']:+.3f}, {row['clean_high']:+.3f}]"
    if row["clean_alike"] == HOLDS:
        return f"alike too (interval of the difference {interval})"
    return f"not known to be alike (difference {row['clean_difference']:+.3f}, interval {interval})"


def _why(comparison: pd.DataFrame) -> str:
    """The reasons of the undecided comparisons, the most frequent first."""
    reasons = comparison.loc[comparison["verdict"] == UNDECIDED, "reason"].value_counts(sort=False)
    if reasons.empty:
        return ""
    top = sorted(reasons.items(), key=lambda item: (-item[1], str(item[0])))[:3]
    told = "; ".join(f"{text.markdown(reason)} ({count})" for reason, count in top)
    return f"\n\nWhy undecided, most frequent first: {told}."
