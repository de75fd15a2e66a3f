"""`python -m tests.fuzz --cases 1000000 --seed N [--kind K]`: as many cases as wanted, and what came of them."""

import argparse
import json
import sys
from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.kinds import KINDS


def main() -> int:
    """Runs what the command line says; 0 if every case passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="of all kinds together (20,000 unless given)")
    parser.add_argument("--seed", default="0", help="another seed damages otherwise")
    parser.add_argument("--kind", action="append", choices=KINDS, help="this kind alone; may be given several times")
    parser.add_argument("--corpus", action="store_true", help="first the past failures that are kept in corpus/")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="write this case to --to instead, packed with gzip")
    parser.add_argument("--to", type=Path, default=Path("outputs/fuzz"), help="the folder for files that fail")
    parser.add_argument("--state", type=Path, metavar="FILE", help="go on where the run that wrote this file stopped")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there as well")
    options = parser.parse_args()
    kinds = [KINDS[name] for name in options.kind or KINDS]
    if options.case is not None:
        kind = kinds[0]
        data = kind.damaged(options.seed, options.case, campaign.valid_seeds([kind])[kind.name])
        print(
            campaign.keep(campaign.Failure(kind.name, f"{options.seed}/{options.case}", "case", "", data), options.to)
        )
        return 0
    failures = []
    if options.corpus:
        tallies, failures = campaign.past(kinds)
        print(campaign.markdown({name: tally for name, tally in tallies.items() if tally.cases}))
    tallies, more = campaign.campaign(options.cases, options.seed, kinds, options.to, options.state)
    failures += more
    print(campaign.markdown(tallies))
    print(f"{campaign.used():.0f} s of processor time")
    if options.json:
        counts = {name: tally.outcomes for name, tally in tallies.items()}
        told = [f"{each.kind} {each.name}: {each.outcome}, alone {each.again}\n{each.detail}" for each in failures]
        options.json.write_text(json.dumps({"outcomes": counts, "failures": told, "seconds": campaign.used()}))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
