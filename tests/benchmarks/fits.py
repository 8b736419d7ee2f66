"""How long an exact fit takes, and how much memory, against the programs that people use for it, in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lr_trainer import fit
from tests.benchmarks import peers
from tests.benchmarks.timing import least
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tests.benchmarks.peers import Way

    Array = NDArray[np.float64]

SHAPES = ((2_000_000, 10), (200_000, 100), (10_000, 1_000))
FROM_PARQUET, FROM_CSV = (2_000_000, 10), (500_000, 10)
UNEXPLAINED = {0.5: "R2 0.5", 1e-4: "R2 0.9999"}
PEAK = """\
import sys
from lr_trainer import fit
fit(sys.argv[1], target="y")
# Not ru_maxrss: a process inherits that of the one that started it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def report() -> Iterator[str]:
    """Yield the lines."""
    yield from _in_memory()
    yield from _per_row()
    with tempfile.TemporaryDirectory() as folder:
        yield from _from_files(Path(folder))
        yield from _peak_memory(Path(folder))


def _in_memory() -> Iterator[str]:
    for rows, columns in SHAPES:
        x = design(rows, columns, 1.0)
        for y, r2 in _each_target(x):
            ours = partial(fit, {"x": x, "y": y}, target="y")
            yield from _compared(f"{rows} x {columns} in memory, {r2}", ours, peers.in_memory(x, y))


def _each_target(x: Array) -> Iterator[tuple[Array, str]]:
    for y, r2 in zip(targets(x, list(UNEXPLAINED)).T, UNEXPLAINED.values(), strict=True):
        yield np.ascontiguousarray(y), r2


def _per_row() -> Iterator[str]:
    fixed, costs = _seconds(100), []
    for rows in (100_000, 1_000_000, 10_000_000):
        costs.append(f"{rows:.0e} rows {(_seconds(rows) - fixed) / rows * 1e9:.1f} ns")
    yield f"4 columns, R2 0.5: {fixed * 1e3:.1f} ms for 100 rows, beyond that a row of {', '.join(costs)}"


def _seconds(rows: int) -> float:
    x = design(rows, 4, 1.0)
    y = targets(x, [0.5])[:, 0].copy()
    return least({"linedge": partial(fit, {"x": x, "y": y}, target="y")})["linedge"].wall


def _from_files(folder: Path) -> Iterator[str]:
    for suffix, shape in (("parquet", FROM_PARQUET), ("csv", FROM_CSV)):
        x = design(*shape, 1.0)
        for y, r2 in _each_target(x):
            path = folder / f"t.{suffix}"
            names = _write(path, x, y)
            what, ours = f"{shape[0]} x {shape[1]} from {suffix}, {r2}", partial(fit, path, target="y")
            if suffix == "csv":
                yield from _compared(what, ours, peers.from_csv(path, names))
            else:
                yield from _compared(what, ours, peers.from_parquet(path, names))
                yield _beside_reading(ours, path, names)


def _beside_reading(ours: Way, path: Path, names: list[str]) -> str:
    costs = least({"linedge": ours, "read": partial(pyarrow.parquet.read_table, path, columns=names)})
    times, read = costs["linedge"].by(costs["read"]), costs["read"]
    return (
        f"  pyarrow reads these columns in {read.wall:.3f} s, CPU {read.cpu:.3f} s: "
        f"from Parquet to a model takes {times.wall:.2f} times that, CPU {times.cpu:.2f}"
    )


def _write(path: Path, x: Array, y: Array) -> list[str]:
    """Write a table; return the names of its columns, the target's last."""
    table = pa.table({**{f"x{index}": column for index, column in enumerate(x.T)}, "y": y})
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return list(table.column_names)


def _peak_memory(folder: Path) -> Iterator[str]:
    path = folder / "t.parquet"
    for rows, columns in ((2_000_000, 4), (8_000_000, 4), (2_000_000, 10)):
        x = design(rows, columns, 1.0)
        for y, r2 in _each_target(x):
            _write(path, x, y)
            done = subprocess.run([sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True)
            yield f"peak memory of {rows} x {columns} from Parquet, {r2}: {int(done.stdout) / 1e3:.0f} MB"


def _compared(what: str, ours: Way, theirs: Mapping[str, Way | str]) -> Iterator[str]:
    """Yield our cost and those of the peers, with their multiples of ours; below 1, they are ahead."""
    costs = least({"linedge": ours} | {name: way for name, way in theirs.items() if not isinstance(way, str)})
    mine = costs.pop("linedge")
    yield what
    yield f"  {'linedge':26}{mine.wall:8.3f} s, CPU {mine.cpu:7.3f} s"
    for name, cost in costs.items():
        times = cost.by(mine)
        line = f"  {name:26}{cost.wall:8.3f} s, CPU {cost.cpu:7.3f} s: {times.wall:.2f} times, CPU {times.cpu:.2f}"
        yield line + ("; ahead of linedge" if min(times) < 1 else "")
    yield from (f"  {name:26}not measured: {why}" for name, why in theirs.items() if isinstance(why, str))
