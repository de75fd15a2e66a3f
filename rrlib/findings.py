"""The study's main finding as a paragraph, worded by what the tables hold."""

import pandas as pd

from rrlib.guardrails import alike_in_ra_apart_in_rr, compare


def main_finding(table: pd.DataFrame, tolerance: float, attack: str) -> str:
    """Markdown: whether detectors that RA does not tell apart differ in RR, under one attack, over all ε > 0.

    The example is the pair with the largest difference in RR among those; how many comparisons were made, and how
    their intervals were corrected, is said with it.
    """
    comparison = compare(table, tolerance, attack)
    if comparison.empty:
        return "This study holds one detector, so there is nothing to compare."
    found = alike_in_ra_apart_in_rr(comparison)
    made = (
        f"{len(comparison)} comparisons of two detectors at one ε under {attack} "
        "(paired bootstrap over groups, 95 % for all comparisons together)"
    )
    if found.empty:
        return (
            f"**No pair of detectors here is alike in RA and apart in RR({tolerance:g}).** "
            f"That is the outcome of {made}."
        )
    top = found.iloc[0]
    higher, lower = ("first", "second") if top["rr_difference"] > 0 else ("second", "first")
    return (
        f"**Detectors that robust accuracy does not tell apart differ in robust ratio.** "
        f"At ε = {top['epsilon']:g} on {top['dataset']}, {top[higher]} and {top[lower]} keep RA = "
        f"{top[f'ra_{higher}']:.3f} and {top[f'ra_{lower}']:.3f}, a difference whose interval, "
        f"[{top['ra_low']:+.3f}, {top['ra_high']:+.3f}], holds zero. Yet within a tolerance of {tolerance:g} the "
        f"probabilities of {top[higher]} stay put for a share of {top[f'rr_{higher}']:.3f} of the samples, and those "
        f"of {top[lower]} for {top[f'rr_{lower}']:.3f}. This is the largest such difference; {len(found)} of {made} "
        "are alike in RA and apart in RR."
    )
