"""Over many ways to halve the groups of the study at hand: how often is a guardrail's budget broken on the other half?

    python benchmarks/splits.py --splits 1000 --record book/benchmarks

A band is found on one half of the groups, with a stated confidence that new inputs keep the budget, and judged on the
other half. The study's pages show one split; here each detector has a thousand, at the ε that the study singles out. A
budget is broken where more of the judging half is decided and then flipped. That half is itself a sample, so a band
whose true share is within the budget may break it there by chance; the promise holds if that, too, is rare.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from rrlib import analysis, study


def splits(worst: pd.DataFrame, epsilon: float, budget: float, confidence: float, count: int) -> pd.DataFrame:
    """One row per (data set, detector) and score that is abstained by, over `count` splits."""
    found = pd.concat(
        analysis.bands(worst, epsilon, budget, confidence, salt=salt).assign(split=salt)
        for salt in tqdm(range(count), unit="split")
    )
    rows = []
    for (dataset, detector, on), part in found.groupby(["dataset", "detector", "on"], sort=False):
        promised = part[part["band"].notna()]
        broken = promised["flipped"] > budget
        rows.append(
            {
                "data set": dataset,
                "detector": detector,
                "abstains by": on,
                "splits": len(part),
                "promised": len(promised),
                "budget broken": int(broken.sum()),
                "share broken": broken.mean() if len(promised) else np.nan,
                "allowed": 1 - confidence,
                "band, median": promised["band"].median(),
                "narrowest on all samples": part["narrowest"].iloc[0],
                "decided, median": promised["decided"].median(),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--budget", type=float, default=0.05)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--record", type=Path, help="folder that splits.csv is written to")
    options = parser.parse_args()
    found = study.load()
    halves = study.read_results(found).values()
    worst = pd.concat([analysis.worst_case(half) for half in halves], ignore_index=True)
    epsilon = found.highlight.epsilon
    table = splits(worst, epsilon, options.budget, options.confidence, options.splits)
    print(f"ε = {epsilon:g}, budget {options.budget:g}, confidence {options.confidence:g}")
    print(table.round(3).to_string(index=False))
    if options.record:
        table.round(3).to_csv(options.record / "splits.csv", index=False)


if __name__ == "__main__":
    main()
