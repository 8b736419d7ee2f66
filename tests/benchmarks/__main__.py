"""Run every benchmark, or those named: `make bench`, or `python -m tests.benchmarks start size`.

`python -m tests.benchmarks grid --rows 200000 --columns 100` runs the grid for a table of another size.
`python -m tests.benchmarks serving --quick` takes two minutes instead of twenty.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks import checking, descent, export, fits, frames, grid, predict, size, start, streams, terms, wheels
from tests.benchmarks.scale import table as scale
from tests.benchmarks.serving import table as serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BENCHMARKS: dict[str, Callable[[], Iterator[str]]] = {
    "start": start.report,
    "size": size.report,
    "wheels": wheels.report,
    "checking": checking.report,
    "export": export.report,
    "fits": fits.report,
    "frames": frames.report,
    "terms": terms.report,
    "grid": grid.report,
    "descent": descent.report,
    "predict": predict.report,
    "serving": serving.report,
    "streams": streams.report,
    "scale": scale.report,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *BENCHMARKS], help=", ".join(BENCHMARKS))
    parser.add_argument("--rows", type=int, help="of the grid, with --columns")
    parser.add_argument("--columns", type=int, help="of the grid, with --rows")
    parser.add_argument("--seconds", type=int, help="of serving: how long each server is under load in each case")
    parser.add_argument("--quick", action="store_true", help=f"of serving: --seconds {serving.QUICK}")
    asked = parser.parse_args()
    if asked.rows and asked.columns:
        BENCHMARKS["grid"] = partial(grid.report, [(asked.rows, asked.columns)])
    if seconds := asked.seconds or asked.quick * serving.QUICK:
        BENCHMARKS["serving"] = partial(serving.report, seconds)
    for name in asked.names or BENCHMARKS:
        print(f"\n{name}")
        for line in BENCHMARKS[name]():
            print(f"  {line}", flush=True)


main()
