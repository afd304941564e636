"""``python -m tests.fuzz --cases 20000 --seed 1``; ``--case NAME`` runs one again."""

from __future__ import annotations

import argparse
import resource
import sys
from collections import Counter

from tqdm import tqdm

from .campaign import KINDS, names, run_case
from .outcomes import Outcome

_MOST_MEMORY = 12 * 2**30  # bytes, so that a case that asks for more does not take the machine down


def main() -> int:
    """Runs cases; returns 1 where one of them was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="only these; repeatable")
    parser.add_argument("--case", metavar="NAME", help="only this one, as a fault's first line names it")
    options = parser.parse_args()
    chosen = [options.case] if options.case else list(names(options.cases, options.seed, options.kind or KINDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    counts: Counter[str] = Counter()
    for name in tqdm(chosen, unit="case"):
        found = run_case(name)
        counts[f"{name.partition(':')[0]:<8} {found.outcome.value}"] += 1
        if found.outcome is Outcome.FAULT or options.case:
            tqdm.write(f"{name}\n{found.outcome.value}: {found.why}", file=sys.stdout)
    for outcome, count in sorted(counts.items()):
        print(f"{outcome:<28} {count:>7,}")
    faults = sum(count for outcome, count in counts.items() if outcome.endswith(Outcome.FAULT.value))
    print(f"{len(chosen):,} cases, seed {options.seed}, {faults:,} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
