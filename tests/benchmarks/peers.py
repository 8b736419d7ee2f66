"""The programs that people fit tables with, each as it is used: what is not installed is said, with the reason."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from functools import partial
from importlib import import_module
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, Ridge

from tests.benchmarks.timing import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Way = Callable[[], object]

# R takes no array of another process without a package of its own, so it reads the numbers and times itself.
R = """
words <- commandArgs(trailingOnly = TRUE)
rows <- as.integer(words[2]); columns <- as.integer(words[3])
table <- matrix(readBin(words[1], "double", rows * (columns + 1)), rows)
x <- cbind(1, table[, 1:columns]); y <- table[, columns + 1]
times <- replicate(3, system.time(.lm.fit(x, y))[1:3])
cat(min(times[3, ]), min(times[1, ] + times[2, ]))
"""


logging.getLogger("sklearnex").setLevel(logging.WARNING)


def in_memory(x: Array, y: Array) -> dict[str, Way | str]:
    """Return how each fits arrays in memory, or why it cannot be measured."""
    frame = pd.DataFrame(x, columns=_names(x)).assign(y=y)
    return {
        "LinearRegression": partial(LinearRegression().fit, x, y),
        "Ridge(cholesky)": partial(Ridge(1e-9, solver="cholesky").fit, x, y),
        "scikit-learn-intelex": _with("sklearnex.linear_model", lambda each: each.LinearRegression().fit(x, y)),
        "polars-ols": _with_polars_ols(frame),
        "statsmodels": _with("statsmodels.api", lambda each: each.OLS(y, each.add_constant(x)).fit().bse),
        "pyfixest": _with("pyfixest", lambda each: each.feols(f"y ~ {' + '.join(_names(x))}", frame).se()),
        "R, .lm.fit": partial(_with_r, x, y) if shutil.which("Rscript") else "Rscript is not installed here",
    }


def from_parquet(path: Path, names: Sequence[str]) -> dict[str, Way | str]:
    """Return how each gets from a Parquet file to coefficients, or why it cannot be measured."""
    return {
        "pandas + LinearRegression": partial(_with_pandas, pd.read_parquet, path),
        "Polars, streaming sums": _with("polars", lambda each: _polars_sums(each, each.scan_parquet(path), names)),
        "DuckDB, SQL sums": _with("duckdb", lambda each: _duckdb_sums(each, f"read_parquet('{path}')", names)),
    }


def from_csv(path: Path, names: Sequence[str]) -> dict[str, Way | str]:
    """Return how each gets from a CSV file to coefficients, or why it cannot be measured."""
    return {
        "pandas + LinearRegression": partial(_with_pandas, pd.read_csv, path),
        "Polars, streaming sums": _with("polars", lambda each: _polars_sums(each, each.scan_csv(path), names)),
        "DuckDB, SQL sums": _with("duckdb", lambda each: _duckdb_sums(each, f"read_csv('{path}')", names)),
    }


def _names(x: Array) -> list[str]:
    return [f"x{index}" for index in range(x.shape[1])]


def _with(module: str, way: Callable[[Any], object]) -> Way | str:
    """Return what is to be done with a module; why it cannot be, where it is not installed."""
    try:
        return partial(way, import_module(module))
    except ImportError as error:
        return str(error)


def _with_polars_ols(frame: pd.DataFrame) -> Way | str:
    try:
        polars = import_module("polars")
        import_module("polars_ols")  # gives the expressions of polars the name least_squares
    except ImportError as error:
        return str(error)
    table, names = polars.DataFrame({name: frame[name].to_numpy() for name in frame}), list(frame)[:-1]
    asked = polars.col("y").least_squares.ols(*names, add_intercept=True, mode="coefficients")
    return partial(table.select, asked)


def _with_pandas(read: Callable[[Path], Any], path: Path) -> object:
    frame = read(path)
    return LinearRegression().fit(frame.drop(columns="y"), frame["y"])


def _polars_sums(polars: Any, table: Any, names: Sequence[str]) -> Array:
    pairs = {f"{a} {b}": (polars.col(a) * polars.col(b)).sum() for a, b in combinations_with_replacement(names, 2)}
    singles = {name: polars.col(name).sum() for name in names}
    row = table.select(rows=polars.len(), **singles, **pairs).collect(engine="streaming").to_dicts()[0]
    return _solved(row, names)


def _duckdb_sums(duckdb: Any, table: str, names: Sequence[str]) -> Array:
    pairs = [f'sum({a} * {b}) AS "{a} {b}"' for a, b in combinations_with_replacement(names, 2)]
    asked = ", ".join(["count(*) AS rows", *(f"sum({name}) AS {name}" for name in names), *pairs])
    with duckdb.connect() as database:
        answer = database.execute(f"SELECT {asked} FROM {table}")  # noqa: S608 # of names and a path of our own
        keys = [column[0] for column in answer.description]
        return _solved(dict(zip(keys, answer.fetchone(), strict=True)), names)


def _solved(sums: Mapping[str, float], names: Sequence[str]) -> Array:
    """Return the solution of the normal equations of sums about 0; the last name is the target's."""
    gram = np.zeros((len(names) + 1, len(names) + 1))
    gram[0] = [sums["rows"], *(sums[name] for name in names)]
    for (i, a), (j, b) in combinations_with_replacement(enumerate(names, 1), 2):
        gram[i, j] = sums[f"{a} {b}"]
    gram = np.triu(gram) + np.triu(gram, 1).T
    return np.asarray(np.linalg.solve(gram[:-1, :-1], gram[:-1, -1]))


def _with_r(x: Array, y: Array) -> Cost:
    with tempfile.NamedTemporaryFile() as file:
        np.column_stack([x, y]).T.tofile(file.name)  # R's matrices lie column by column
        command = ["Rscript", "--vanilla", "-e", R, file.name, *map(str, x.shape)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(*map(float, done.stdout.split()))
