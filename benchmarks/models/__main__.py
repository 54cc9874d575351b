"""What fusepath makes of the families of networks that people have.

    make bench-models                        all of them; some minutes
    python -m benchmarks.models fpn unet-nearest
    python -m benchmarks.models --quick      a few small ones; nothing is written

Every network is built in the spellings of the exporters that people use, read, planned at its
crossover, split and compared with the unsplit model. Rows go to benchmarks/results/models.csv in
place of older ones of the same network; when all are there, docs/models.md is written from them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.models.families import FAMILIES
from benchmarks.models.measure import measure
from benchmarks.models.report import is_complete, merged, page, summary, table, write_csv
from fusepath.schedule.budget import Budget

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "models.csv"
PAGE = ROOT / "docs" / "models.md"
QUICK = ("mobilenetv2", "espcn", "ultraface", "blazeface")
QUICK_BUDGET = Budget(evaluations=5_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", nargs="*", help=f"one or more of: {', '.join(FAMILIES)}")
    parser.add_argument("--quick", action="store_true", help="a few small ones, little search")
    options = parser.parse_args()
    if unknown := set(options.family) - set(FAMILIES):
        parser.error(f"there is no family '{min(unknown)}'; known are {', '.join(FAMILIES)}")
    names = options.family or (QUICK if options.quick else FAMILIES)
    rows = []
    for name in names:
        for spelling in FAMILIES[name].spellings:
            rows.append(measure(name, spelling, budget=QUICK_BUDGET if options.quick else None))
            print(*table(rows)[-1:], file=sys.stderr, flush=True)
            if not options.quick:  # what was measured before something failed is worth having
                write_csv(RESULTS, merged(RESULTS, rows))
    if not options.quick:
        rows = merged(RESULTS, rows)
        if is_complete(rows):
            PAGE.write_text(page(rows), encoding="utf-8")
    print(*table(rows), *summary(rows), sep="\n")


if __name__ == "__main__":
    main()
