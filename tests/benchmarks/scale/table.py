"""What one worker and two take for a table, whether they write the same bytes, and what follows for larger ones.

Each worker is on one core, and the table is in the page cache. What is not measured is said in `ASSUMED`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from lr_trainer.moments.blocks import block_moments
from lr_trainer.rows.blocks import block_rows
from tests.benchmarks.timing import least
from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, COLUMNS, GROUP, RUNS = 8_000_000, 10, 1_000_000, 3
LATENCY, BANDWIDTH, LAUNCH = 100e-6, 1.25e9, 10.0
ASSUMED = (
    "assumed for more workers: 100 us a step of a collective of log2(workers) steps, 10 Gbit/s into each, 10 s to "
    "launch and to open the files, every worker as fast as this core, its rows as fast as from the page cache"
)


class Took(NamedTuple):
    """Seconds: of the whole command, from the first block to the last collective, and of the exchange in between."""

    whole: float
    between: float
    exchanging: float
    sha256: str


class Costs(NamedTuple):
    """What the time is made of, in seconds: a worker's start, a row, a merge; and the bytes of moments."""

    start: float
    row: float
    merge: float
    size: int

    def seconds(self, rows: float, workers: int, *, start: float | None = None) -> float:
        """Return how long a fit takes in one pass."""
        depth = math.log2(max(rows / block_rows(COLUMNS + 1) / workers, 2.0))
        exchange = LATENCY * math.ceil(math.log2(workers)) + workers * depth * self.size / BANDWIDTH
        merges = self.merge * (rows / block_rows(COLUMNS + 1) / workers + workers * depth)
        return (self.start if start is None else start) + rows * self.row / workers + merges + exchange


def report() -> Iterator[str]:
    """Yield the lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        half, whole = Path(folder, "half.parquet"), Path(folder, "whole.parquet")
        written(half, ROWS // 2)
        written(whole, ROWS)
        found = {count: took(whole, count) for count in (1, 2)}
        yield f"{ROWS:,} rows of {COLUMNS} columns, Parquet in groups of {GROUP:,}; each worker on one core"
        for count, each in found.items():
            yield f"{count} workers: {each.between:.2f} s from block to collective, {each.whole:.1f} s in all"
        yield f"throughput of 2 against 1: {found[1].between / found[2].between:.2f}"
        yield f"same SHA-256: {len({each.sha256 for each in found.values()}) == 1} ({found[1].sha256[:12]})"
        exact = {count: took(whole, count, "exact") for count in (1, 2)}
        yield f"--exact-sums: {exact[1].between / found[1].between:.2f} times as long, with 2 workers " + (
            f"{exact[1].between / exact[2].between:.2f} times the throughput, "
            f"same SHA-256: {exact[1].sha256 == exact[2].sha256}"
        )
        costs = measured(found[1], took(half, 1))
        yield (
            f"a row {costs.row * 1e9:.0f} ns, a merge {costs.merge * 1e6:.0f} us, moments {costs.size:,} bytes, start "
            f"{costs.start:.1f} s"
        )
        said = costs.seconds(ROWS, 2, start=0.0)
        yield f"the model of 2 workers: {said:.2f} s, {said / found[2].between - 1:+.0%} off"
    yield ASSUMED
    for rows in (1e9, 1e11, 1e13):
        times = [
            f"{workers:,} workers {_words(costs.seconds(rows, workers, start=LAUNCH))}" for workers in (10, 100, 1000)
        ]
        yield f"10^{math.log10(rows):.0f} rows: {', '.join(times)}"


def written(path: Path, rows: int) -> None:
    """Write a table of normal columns, of which y is a combination with as much noise."""
    random = np.random.default_rng(0)
    names, weights = [f"x{place}" for place in range(COLUMNS)], np.linspace(-1, 1, COLUMNS)
    schema = pa.schema([(name, pa.float64()) for name in (*names, "y")])
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, GROUP):
            x = random.normal(size=(min(GROUP, rows - start), COLUMNS))
            y = x @ weights + random.normal(size=len(x)) * math.sqrt(weights @ weights)
            writer.write_table(pa.table({**dict(zip(names, x.T, strict=True)), "y": y}, schema=schema))


def took(table: Path, workers: int, *exact: str) -> Took:
    """Return the run of some that took least from the first block to the last collective."""
    launch = [SCRIPTS / "torchrun", "--nproc-per-node", str(workers), "-m", "tests.benchmarks.scale.one_worker"]
    runs = []
    for _ in range(RUNS):
        started = time.perf_counter()
        done = subprocess.run([*map(str, launch), str(table), *exact], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        runs.append(Took(time.perf_counter() - started, found["seconds"], found["exchanging"], found["sha256"]))
    return min(runs, key=lambda each: each.between)


def measured(whole: Took, half: Took) -> Costs:
    """Return the costs of one worker."""
    random = np.random.default_rng(1)
    one, other = (block_moments(random.normal(size=(1000, COLUMNS + 1))) for _ in range(2))
    merge = least({"merge": lambda: [one.merge(other) for _ in range(1000)]}, pause=0.0)["merge"].cpu / 1000
    size = sum(array.nbytes for array in one.arrays().values())
    return Costs(whole.whole - whole.between, (whole.between - half.between) / (ROWS - ROWS // 2), merge, size)


def _words(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    print(f"{sys.version_info.major}.{sys.version_info.minor}, {os.cpu_count()} cores")
    for line in report():
        print(line, flush=True)
