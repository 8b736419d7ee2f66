"""Fits from frames of pandas and polars against what their users fit with, and the memory beside the frame itself."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
from sklearn.linear_model import LinearRegression

from lr_trainer import fit
from tests.benchmarks.fits import UNEXPLAINED
from tests.benchmarks.timing import least
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.peers import Way

ROWS, COLUMNS = 2_000_000, 10
PEAK = """\
import sys
import numpy, pandas, polars, pyarrow
from lr_trainer import fit
def memory(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))
columns = {f"x{place}": numpy.random.default_rng(place).normal(size=int(sys.argv[2])) for place in range(10)}
columns["y"] = sum(columns.values()) + numpy.random.default_rng(10).normal(size=int(sys.argv[2]))
frame = getattr(sys.modules[sys.argv[1]], "DataFrame")(columns)
del columns
fit(frame[:1000], target="y")
open("/proc/self/clear_refs", "w").write("5")  # the most memory counts from here
before = memory("VmRSS")
fit(frame, target="y")
print(memory("VmHWM") - before)
"""


def report() -> Iterator[str]:
    """Yield the lines."""
    x = design(ROWS, COLUMNS, 1.0)
    for y, r2 in zip(targets(x, list(UNEXPLAINED)).T, UNEXPLAINED.values(), strict=True):
        columns = {f"x{place}": column.copy() for place, column in enumerate(x.T)} | {"y": y.copy()}
        costs = least(_ways(pd.DataFrame(columns), pl.DataFrame(columns)))
        yield f"{ROWS} x {COLUMNS} from a frame, {r2}"
        for name, cost in costs.items():
            times = cost.by(costs["linedge, pandas"])
            yield f"  {name:34} {cost.wall:.3f} s, CPU {cost.cpu:.3f} s: {times.wall:.2f} times, CPU {times.cpu:.2f}"
    for package in ("pandas", "polars"):
        command = [sys.executable, "-c", PEAK, package, str(ROWS)]
        most = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e3
        held = ROWS * (COLUMNS + 1) * 8 / 1e6
        yield f"memory beside a frame of {package} of {held:.0f} MB, at most: {most:.0f} MB"


def _ways(pandas: pd.DataFrame, polars: pl.DataFrame) -> dict[str, Way]:
    names = [name for name in pandas if name != "y"]
    ways: dict[str, Way] = {
        "linedge, pandas": partial(fit, pandas, target="y"),
        "linedge, polars": partial(fit, polars, target="y"),
        "LinearRegression().fit(pandas, y)": lambda: LinearRegression().fit(pandas[names], pandas["y"]),
        "LinearRegression().fit(polars, y)": lambda: LinearRegression().fit(polars[names], polars["y"]),
    }
    try:
        import_module("polars_ols")  # gives the expressions of polars the name least_squares
    except ImportError:
        return ways
    target: Any = pl.col("y")
    asked = target.least_squares.ols(*names, add_intercept=True, mode="coefficients")
    return {**ways, "polars-ols": partial(polars.select, asked)}
