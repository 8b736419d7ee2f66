"""Run every benchmark, or those named: `make bench`, or `python -m tests.benchmarks start size`."""

from __future__ import annotations

import sys

from tests.benchmarks import descent, fits, size, start

BENCHMARKS = {"start": start.report, "size": size.report, "fits": fits.report, "descent": descent.report}


def main() -> None:
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n{name}")
        for line in BENCHMARKS[name]():
            print(f"  {line}")


main()
