"""How tight is the study's worst case? RA and RR of its attacks beside a much longer search, on a few samples.

    python benchmarks/tightness.py --record book/benchmarks      # every detector of params.yaml
    python benchmarks/tightness.py --weights Meso4_DF.h5 --architecture meso4 --input-size 256 --record book/benchmarks

The longer search is APGD on the shift, 100 steps from each of 3 starts in both directions, PGD of 100 steps, and Square
as a black box of 500 queries. A gap is what the study's worst case is above that of both together, so it is at least 0.
Seconds are of one processor. Of a given file of weights the samples are photographs (see `subjects.py`), and the labels
are its own answers.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from subjects import Plan, subject
from torch import nn

from rrlib import attacks, evaluation, study
from rrlib.analysis import worst_case
from rrlib.analysis.rules import correct, robust
from rrlib.attacks import Rule
from rrlib.devices import resolve
from rrlib.errors import InputError
from rrlib.evaluation import Labelled, probe, store

SAMPLES = 256  # of the test split, or all that it has
PHOTOGRAPHS = 16
SUBJECT = ["dataset", "detector", "attacks"]
GOAL, GOALS = 0.02, {"Meso4_DF": 0.05}  # of the gap in RR, at every ε and τ
LONGER = {
    "shift, longer": attacks.rule("shift", steps=100, restarts=3, schedule="apgd"),
    "pgd, longer": attacks.rule("pgd", steps=100),
    "square": attacks.rule("square", queries=500),
}


def rows(
    detector: nn.Module,
    data: Labelled,
    numbers: list[int],
    rules: Mapping[str, Rule],
    found: study.Study,
    names: Mapping[str, str],
) -> pd.DataFrame:
    """One row for each ε > 0: both worst cases, the gaps between them, and what both cost.

    The longer search is spared a sample that has gone as far as any share here asks: its verdict is wrong, and its
    shift beyond every tolerance.
    """
    epsilons = [epsilon for epsilon in found.epsilons if epsilon > 0]

    def attacked(asked: Mapping[str, Rule], numbers: list[int], at: list[float]) -> pd.DataFrame:
        return evaluation.evaluate(
            detector,
            probe.Part(data, numbers),
            asked,
            at,
            distance=found.distance,
            seed=found.seed,
            batch_size=16,
            device="cpu",
            fold=found.fold,
            tried=True,
            dataset_name=names["dataset"],
            detector_name=names["detector"],
        )

    called = data.table["sample"].tolist()
    started = time.process_time()
    table = attacked(rules, numbers, epsilons)
    seconds = [time.process_time() - started]
    ours, tables, searched = worst_case(table), [table], {}
    started = time.process_time()
    for epsilon in epsilons:
        at = ours[ours["epsilon"] == epsilon]
        open_still = at[correct(at) | robust(at, [max(found.tolerances)])[:, 0]]["sample"].tolist()
        searched[epsilon] = len(open_still)
        if open_still:
            tables.append(attacked(LONGER, sorted(called.index(sample) for sample in open_still), [epsilon]))
    seconds.append(time.process_time() - started)
    settled = [table.assign(attack=attack) for attack in LONGER]  # a worst case asks for all samples under each attack
    longer = pd.concat([*tables, *settled], ignore_index=True)
    longer = longer.drop_duplicates(["attack", "sample", "epsilon"])
    both = worst_case(longer)
    made = []
    for epsilon in epsilons:
        one, other = (each[each["epsilon"] == epsilon] for each in (ours, both))
        row = {**names, "epsilon": epsilon, "samples": len(one), "searched": searched[epsilon]}
        shares = {"RA": [correct(each).mean() for each in (one, other)]}
        for tolerance in found.tolerances:
            shares[f"RR({tolerance:g})"] = [robust(each, [tolerance]).mean() for each in (one, other)]
        for measure, (here, further) in shares.items():
            row |= {measure: here, f"{measure}, longer": further}
        row["gap in RA"] = shares["RA"][0] - shares["RA"][1]
        row["gap in RR"] = max(here - further for name, (here, further) in shares.items() if name != "RA")
        row["black box further"] = int((other["by"] == "square").sum())
        for side, asked in (("study", rules), ("longer", LONGER)):
            work = attacks.work_together(asked.values(), 1)
            row[f"gradients, {side}"] = work.gradients if work else None
        row |= {"seconds, study": round(seconds[0], 1), "seconds, longer": round(seconds[1], 1)}
        made.append(row)
    return pd.DataFrame(made)


def of_study(found: study.Study, only: list[str]) -> Iterator[pd.DataFrame]:
    for dataset, detector in found.pairs():
        if only and detector not in only:
            continue
        half, loaded = study.half_of(found, dataset, detector), study.load_detector(found, dataset, detector)
        whole = study.load_test_set(dataset, loaded.metadata["input_size"])
        chosen = probe.part(whole, SAMPLES, found.seed)
        names = {"dataset": dataset, "detector": detector}
        names |= {"checkpoint": study.basis_of(found, dataset, detector).detector[:12]}
        names |= {"attacks": study.attacks_digest(half.attacks), "shift": in_words(half.attacks)}
        yield rows(loaded.detector, whole, chosen.numbers, half.attacks, found, names)


def in_words(rules: Mapping[str, Rule]) -> str:
    """What RR's own adversary does, which decides how tight a study is."""
    found = []
    for rule in rules.values():
        if isinstance(rule, attacks.Shift):
            more = f", refined by {rule.refine}" if rule.refine else ""
            found.append(f"{rule.steps} steps, {rule.schedule}{more}")
    return "; ".join(found) or "none"


def of_weights(found: study.Study, weights: Path, architecture: str, size: int) -> Iterator[pd.DataFrame]:
    rules = found.image.attacks
    chosen = subject(architecture, resolve("cpu"), Plan(size, PHOTOGRAPHS, weights=weights))
    names = {"dataset": "photographs", "detector": weights.stem}
    names |= {"checkpoint": store.digest_of({}, chosen.detector)[:12], "attacks": study.attacks_digest(rules)}
    names["shift"] = in_words(rules)
    yield rows(
        chosen.detector, evaluation.labelled((chosen.x, chosen.labels)), list(range(PHOTOGRAPHS)), rules, found, names
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", nargs="+", default=[], metavar="NAME", help="all of params.yaml unless given")
    parser.add_argument("--weights", type=Path, help="a file of weights instead, on photographs")
    parser.add_argument("--architecture", default="meso4")
    parser.add_argument("--input-size", type=int, default=256)
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="write or renew the rows of tightness.csv here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = study.load()
    if given.weights:
        tables = of_weights(found, given.weights, given.architecture, given.input_size)
    else:
        tables = of_study(found, given.detectors)
    for table in tables:
        print(table.round(4).to_string(index=False), flush=True)
        if given.record:
            record(table, given.record / "tightness.csv")


def record(table: pd.DataFrame, path: Path) -> None:
    """The rows, and those that were recorded before of other detectors or against other attacks of the study."""
    if path.is_file():
        before = pd.read_csv(path, dtype={"checkpoint": str, "attacks": str})
        measured = set(table[SUBJECT].itertuples(index=False, name=None))
        kept = [each not in measured for each in before[SUBJECT].itertuples(index=False, name=None)]
        table = pd.concat([before[kept], table], ignore_index=True)
    table.round(4).to_csv(path, index=False, lineterminator="\n")
    goals(table).to_csv(path.with_name("tightness-goals.csv"), index=False, lineterminator="\n")


def goals(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each detector: the largest gaps, over every ε and τ, and whether the goal is met."""
    made = []
    for (dataset, detector, _), rows in table.groupby(SUBJECT, sort=False):
        largest, goal = rows["gap in RR"].max(), GOALS.get(detector, GOAL)
        at = rows.loc[rows["gap in RR"].idxmax(), "epsilon"] if largest > 0 else "–"
        met = "met" if largest <= goal else f"missed by {largest - goal:.3f}"
        row = {"data set": dataset, "detector": detector, "shift of the study": rows["shift"].iloc[0]}
        row |= {"samples": rows["samples"].iloc[0]}
        row |= {
            "largest gap in RR": round(largest, 3),
            "at ε": at,
            "largest gap in RA": round(rows["gap in RA"].max(), 3),
        }
        row |= {"furthest by the black box": rows["black box further"].sum(), "goal for RR": goal, "the goal is": met}
        made.append(row)
    return pd.DataFrame(made)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
