"""How often do the intervals hold the truth, and how often is a difference found where there is none? By simulation.

    python benchmarks/coverage.py                       # prints three tables, some two minutes on one processor
    python benchmarks/coverage.py --studies 1000 --record book/benchmarks

1. Shares of grouped samples: the lowest coverage over shares from .02 to .98, at a nominal .95, of the interval that
   pages show and of three others. Samples of a group hang together in one of two ways: each group has a rate of its own
   (beta), or a group is one answer as a whole with this probability (copies).
2. Differences of two detectors that have the same share: how often each test calls one at a nominal .05.
3. Whole studies of four alike detectors at three ε: the share of studies that show a difference in RR anywhere.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import beta, norm, t

from rrlib.analysis import compare, difference_interval, share_interval, sign_flips

SHARES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98)
CORRELATIONS = (0.0, 0.1, 0.3, 0.6)
LAYOUTS = {  # sizes of the groups
    "10 × 5": np.full(10, 5),
    "25 × 2": np.full(25, 2),
    "50 × 1": np.ones(50, int),
    "20 × 10": np.full(20, 10),
    "50 × 4": np.full(50, 4),
    "12 × 1 to 10": 1 + np.arange(12) * 7 % 10,
    "37 × 1 to 10": 1 + np.arange(37) * 7 % 10,
    "50 × 1 to 10": 1 + np.arange(50) * 7 % 10,
}
DRAWS, RESAMPLES = 2000, 400


def drawn(generator: np.random.Generator, share: float, correlation: float, way: str, sizes: np.ndarray) -> np.ndarray:
    """Hits of samples in groups, one column for each draw: (N, DRAWS) bool."""
    groups = (len(sizes), DRAWS)
    rates = np.full(groups, share)
    if correlation and way == "beta":
        odds = (1 - correlation) / correlation
        rates = generator.beta(share * odds, (1 - share) * odds, groups)
    if correlation and way == "copies":
        whole = generator.random(groups) < correlation
        rates = np.where(whole, generator.random(groups) < share, share)
    return generator.random((sizes.sum(), DRAWS)) < np.repeat(rates, sizes, axis=0)


def sums_of(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.add.reduceat(hits.astype(float), np.cumsum(sizes) - sizes, axis=0)


def design_effect(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares and effective numbers of samples as they are measured, one trial a group where all agree."""
    sums, count, n = sums_of(hits, sizes), len(sizes), sizes.sum()
    share = sums.sum(0) / n
    variance = count / (count - 1) * ((sums - np.multiply.outer(sizes, share)) ** 2).sum(0) / n**2
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(variance > 0, np.minimum(share * (1 - share) / variance, n), count)
    return share, size


def ours(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return share_interval(hits, np.repeat(np.arange(len(sizes)), sizes))[:2]


def wilson(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval with a t quantile on the effective number of samples."""
    (share, size), z = design_effect(hits, sizes), t.isf(0.025, len(sizes) - 1)
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return centre - half, centre + half


def korn_graubard(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's on the effective number of samples, with the measured design effect alone."""
    (share, size), n = design_effect(hits, sizes), sizes.sum()
    size = np.minimum(size * (t.isf(0.025, n - 1) / t.isf(0.025, len(sizes) - 1)) ** 2, n)
    with np.errstate(invalid="ignore"):
        low = np.where(share > 0, beta.ppf(0.025, share * size, size - share * size + 1), 0)
        high = np.where(share < 1, beta.isf(0.025, share * size + 1, size - share * size), 1)
    return low, high


def bootstrap(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the share over groups drawn with replacement."""
    count = len(sizes)
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    means = (times @ sums_of(hits, sizes)) / (times @ sizes)[:, None]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high


INTERVALS: dict[str, Callable] = {
    "shown": ours,
    "Korn–Graubard": korn_graubard,
    "Wilson, t": wilson,
    "bootstrap": bootstrap,
}


def coverage() -> pd.DataFrame:
    generator, rows = np.random.default_rng(0), []
    for (layout, sizes), correlation, way in product(LAYOUTS.items(), CORRELATIONS, ("beta", "copies")):
        if (correlation == 0 and way == "copies") or (len(sizes) == sizes.sum() and correlation):
            continue  # the same draws as another row
        found: dict[str, list] = {name: [] for name in INTERVALS}
        for share in SHARES:
            hits = drawn(generator, share, correlation, way, sizes)
            for name, interval in INTERVALS.items():
                low, high = interval(hits, sizes)
                found[name].append((((low <= share + 1e-12) & (share <= high + 1e-12)).mean(), (high - low).mean()))
        row = {"groups × samples": layout, "correlation": correlation, "way": way if correlation else "–"}
        for name, values in found.items():
            row[name] = np.min(values, axis=0)[0]
        row["width of the shown"], row["of the bootstrap"] = (
            np.mean(found[n], axis=0)[1] for n in ("shown", "bootstrap")
        )
        rows.append(row)
    return pd.DataFrame(rows)


def differences() -> pd.DataFrame:
    """The share of differences that are called one, the largest over shares, where both detectors have that share."""
    generator, rows = np.random.default_rng(1), []
    ways = {
        "both beta .3": ("beta", 0.3) * 2,
        "both copies .6": ("copies", 0.6) * 2,
        "one of each": ("copies", 0.6, "beta", 0.0),
    }
    for layout, sizes in {"20 × 10": np.full(20, 10), "50 × 4": np.full(50, 4), "384 × 1": np.ones(384, int)}.items():
        for name, (way, correlation, other_way, other) in ways.items():
            if len(sizes) == sizes.sum() and name != "both beta .3":
                continue
            called: dict[str, list] = {"shown": [], "sign flips": [], "t over groups": []}
            for share in SHARES:
                first, second = (
                    drawn(generator, share, c, w, sizes) for w, c in ((way, correlation), (other_way, other))
                )
                groups = np.repeat(np.arange(len(sizes)), sizes)
                low, high, _ = difference_interval(first, second, groups)
                flips = sign_flips(first, second, groups) <= 0.05
                called["shown"].append((((low > 0) | (high < 0)) & flips).mean())
                called["sign flips"].append(flips.mean())
                called["t over groups"].append(
                    (np.abs(t_statistic(first, second, sizes)) > t.isf(0.025, len(sizes) - 1)).mean()
                )
            rows.append({"groups × samples": layout, "detectors": name, **{key: max(v) for key, v in called.items()}})
    return pd.DataFrame(rows)


def t_statistic(first: np.ndarray, second: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    sums, count = sums_of(first, sizes) - sums_of(second, sizes), len(sizes)
    mean = sums.sum(0) / sizes.sum()
    spread = count / (count - 1) * ((sums - np.multiply.outer(sizes, mean)) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(sums.sum(0) / np.sqrt(spread))


def studies(count: int) -> pd.DataFrame:
    """Studies of four detectors that differ in nothing: how many show one apart in RR, or the whole finding."""
    rows = []
    for groups, size in ((16, 8), (48, 4), (384, 1)):
        generator, apart, holds = np.random.default_rng(groups), 0, 0
        for _ in range(count):
            found = compare(study(generator, groups, size), tolerance=0.1)
            apart += (found["apart"] == "holds").any()
            holds += (found["verdict"] == "holds").any()
        rows.append({"groups": groups, "samples": groups * size, "studies": count})
        rows[-1] |= {"show a difference in RR": apart / count, "show the finding": holds / count}
    return pd.DataFrame(rows)


def study(generator: np.random.Generator, groups: int, size: int) -> pd.DataFrame:
    names, n = np.repeat(np.arange(groups), size), groups * size
    label, hard, parts = generator.integers(0, 2, n), norm.ppf(generator.random(groups))[names], []
    for detector in range(4):
        own = generator.normal(size=n)
        for epsilon in (0.01, 0.02, 0.05):
            clean = 1 / (1 + np.exp(-(2 + hard + own)))
            moved = np.abs(hard + generator.normal(size=n)) * epsilon * 10
            attacked = np.clip(clean - moved, 0, 1)
            p_clean, p_attacked = (np.where(label == 1, p, 1 - p) for p in (clean, attacked))
            parts.append(
                pd.DataFrame(
                    {
                        **{"dataset": "d", "detector": f"f{detector}", "attack": "a", "epsilon": epsilon},
                        **{"sample": np.arange(n), "group": names, "label": label},
                        **{"p_clean": p_clean, "p_attacked": p_attacked, "shift": np.abs(p_clean - p_attacked)},
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100, help="simulated studies for each number of groups")
    parser.add_argument("--record", type=Path, help="folder that the three tables are written to")
    asked = parser.parse_args()
    tables = {"coverage": coverage(), "differences": differences(), "studies": studies(asked.studies)}
    for name, table in tables.items():
        print(f"\n{name}\n{table.round(3).to_string(index=False)}")
        if asked.record:
            table.round(3).to_csv(asked.record / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
