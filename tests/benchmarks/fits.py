"""How long an exact fit takes, and how much memory, against the libraries that people use for it, in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.linear_model import LinearRegression, Ridge

from lr_trainer import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES = ((2_000_000, 10), (200_000, 100), (10_000, 1_000))
RUNS = 7
PAUSE = 0.2
"""Seconds before each run: the threads of the one before wait for work at full load for a while."""
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


def _table(rows: int, columns: int) -> tuple[Any, Any]:
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, columns)) + 1
    return x, x @ random.normal(size=columns) + 3 * random.normal(size=rows)


def _in_memory() -> Iterator[str]:
    for rows, columns in SHAPES:
        x, y = _table(rows, columns)
        ways: dict[str, Callable[[], object]] = {
            "linedge": partial(fit, {"x": x, "y": y}, target="y"),
            "LinearRegression": partial(LinearRegression().fit, x, y),
            "Ridge(cholesky)": partial(Ridge(1e-9, solver="cholesky").fit, x, y),
            **_intelex(x, y),
        }
        yield _compared(f"{rows} x {columns} in memory", _best(ways))


def _intelex(x: Any, y: Any) -> dict[str, Callable[[], object]]:
    try:
        from sklearnex.linear_model import LinearRegression as Accelerated
    except ImportError:
        return {}
    return {"scikit-learn-intelex": partial(Accelerated().fit, x, y)}


def _per_row() -> Iterator[str]:
    fixed, costs = _seconds(_table(100, 4)), []
    for rows in (100_000, 1_000_000, 10_000_000):
        seconds = _seconds(_table(rows, 4))
        costs.append(f"{rows:.0e} rows {(seconds - fixed) / rows * 1e9:.1f} ns")
    yield f"4 columns: {fixed * 1e3:.1f} ms for 100 rows, beyond that a row of {', '.join(costs)}"


def _seconds(table: tuple[Any, Any]) -> float:
    x, y = table
    return _best({"linedge": partial(fit, {"x": x, "y": y}, target="y")})["linedge"]


def _from_files(folder: Path) -> Iterator[str]:
    x, y = _table(500_000, 10)
    table = pa.table({**{f"x{index}": x[:, index] for index in range(10)}, "y": y})
    csv, parquet = folder / "t.csv", folder / "t.parquet"
    pyarrow.csv.write_csv(table, csv)
    pyarrow.parquet.write_table(table, parquet)
    for path, read in ((csv, pd.read_csv), (parquet, pd.read_parquet)):
        ways: dict[str, Callable[[], object]] = {
            "linedge": partial(fit, path, target="y"),
            "pandas + LinearRegression": partial(_with_pandas, path, read),
        }
        yield _compared(f"500000 x 10 from {path.suffix[1:]}", _best(ways))


def _with_pandas(path: Path, read: Callable[[Path], Any]) -> object:
    frame = read(path)
    return LinearRegression().fit(frame.drop(columns="y"), frame["y"])


def _peak_memory(folder: Path) -> Iterator[str]:
    peaks = []
    for rows in (2_000_000, 8_000_000):
        path = folder / f"{rows}.parquet"
        x, y = _table(rows, 4)
        pyarrow.parquet.write_table(pa.table({**{f"x{i}": x[:, i] for i in range(4)}, "y": y}), path)
        done = subprocess.run([sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1e3)
    few, many = peaks
    yield f"peak memory from Parquet: 2e6 rows {few:.0f} MB, 8e6 rows {many:.0f} MB, ratio {many / few:.2f}"


def _best(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the shortest of RUNS interleaved runs of each."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, run in ways.items():
            time.sleep(PAUSE)
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: min(each) for name, each in times.items()}


def _compared(what: str, times: dict[str, float]) -> str:
    ours = times.pop("linedge")
    others = ", ".join(f"{name} {seconds:.3f} s ({seconds / ours:.2f} times)" for name, seconds in times.items())
    return f"{what}: linedge {ours:.3f} s; {others}"
