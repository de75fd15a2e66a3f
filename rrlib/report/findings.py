"""The study's main finding as a paragraph, worded by what the tables hold."""

import pandas as pd

from rrlib.analysis import alike_in_ra_apart_in_rr, compare


def main_finding(table: pd.DataFrame, tolerance: float) -> str:
    """Markdown: whether detectors that RA does not tell apart differ in RR, under any attack and at any ε > 0.

    The example is the pair with the largest difference in RR among those; how many comparisons were made, and how
    their intervals were corrected, is said with it.
    """
    comparison = compare(table, tolerance)
    if comparison.empty:
        return "This study holds one detector, so there is nothing to compare."
    found = alike_in_ra_apart_in_rr(comparison)
    made = (
        f"{len(comparison)} comparisons (two detectors, one attack, one ε; paired bootstrap over groups, 95 % for all "
        "comparisons together)"
    )
    if found.empty:
        return (
            f"**No two detectors here are alike in robust accuracy and apart in RR({tolerance:g}).** "
            f"That is the outcome of {made}."
        )
    top = found.iloc[0]
    higher, lower = ("first", "second") if top["rr_difference"] > 0 else ("second", "first")
    per_attack = ", ".join(f"{attack} {count}" for attack, count in found["attack"].value_counts(sort=False).items())
    return (
        f"**Detectors that robust accuracy does not tell apart can differ in robust ratio.** "
        f"Under {top['attack']} at ε = {top['epsilon']:g} on {top['dataset']}, {top[higher]} and {top[lower]} keep "
        f"RA = {top[f'ra_{higher}']:.3f} and {top[f'ra_{lower}']:.3f}; the interval of the difference, "
        f"[{top['ra_low']:+.3f}, {top['ra_high']:+.3f}], holds zero. Yet the probabilities of {top[higher]} move by at "
        f"most {tolerance:g} for a share of {top[f'rr_{higher}']:.3f} of the samples, and those of {top[lower]} for "
        f"{top[f'rr_{lower}']:.3f}.\n\n"
        f"This is the pair with the largest difference in RR. Of {made}, {len(found)} are alike in RA (at most 0.05 "
        f"apart) and apart in RR; by attack: {per_attack}."
    )
