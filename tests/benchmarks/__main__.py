"""Run every benchmark, or those named: `make bench`, or `python -m tests.benchmarks start size`."""

from __future__ import annotations

import sys

from tests.benchmarks import checking, export, fits, predict, size, start, streams, wheels

BENCHMARKS = {
    "start": start.report,
    "size": size.report,
    "wheels": wheels.report,
    "checking": checking.report,
    "export": export.report,
    "fits": fits.report,
    "predict": predict.report,
    "streams": streams.report,
}


def main() -> None:
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n{name}")
        for line in BENCHMARKS[name]():
            print(f"  {line}")


main()
