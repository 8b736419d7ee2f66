"""What is no table, or not X and y: one line in Python's words, never an error of another package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from lr_runtime.errors import LinedgeError
from lr_trainer import fit, look, update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 30
X = np.random.default_rng(3).normal(size=(ROWS, 2))
Y = X @ [1.0, 2.0] + np.random.default_rng(4).normal(size=ROWS)
PANDAS = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
POLARS = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})


class Broken:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise RuntimeError("the cable is cut\nand more")


def used(reader: Any) -> Any:
    reader.read_all()
    return reader


def failing() -> Iterator[Any]:
    yield POLARS
    raise OSError("the network is down")


def pandas_with(a: Any) -> pd.DataFrame:
    return PANDAS.assign(a=a)


def polars_with(a: Any) -> pl.DataFrame:
    return POLARS.with_columns(a=a)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a number": (
        lambda: fit(5),
        r'a table is a path, .* by name, not "5". Arrays alone are X and y, as in fit\(X, y\)',
    ),
    "nothing": (lambda: fit(None), 'not "None"'),  # type: ignore[arg-type]
    "rows without names": (lambda: fit([[1, 2]]), r'by name, not "\[\[1, 2\]\]"'),
    "an empty list": (lambda: fit([]), r'by name, not "\[\]"'),
    "rows as dicts": (lambda: fit([{"a": 1}]), "or arrays by name, not"),  # type: ignore[arg-type]
    "bytes": (lambda: fit(b"a,y"), "or arrays by name, not"),
    "X alone": (lambda: fit(X, target="y"), r"as in fit\(X, y\)"),
    "a series alone": (lambda: fit(PANDAS["a"], target="y"), r"as in fit\(X, y\)"),
    "a series of polars alone": (lambda: fit(POLARS["a"], target="y"), r"as in fit\(X, y\)"),
    "a number to look at": (lambda: look(5), "or arrays by name, not"),  # type: ignore[arg-type]
    "an array to update from": (lambda: update(fit(PANDAS, target="y"), X), "or arrays by name, not"),
    "no target": (lambda: fit(PANDAS), 'to be predicted. Add target="NAME"; the table has "a", "b", "y"'),
    "another target": (lambda: fit(POLARS, target="z"), 'no column "z"; it has: "a", "b", "y"'),
    "y and target": (lambda: fit(X, Y, target="y"), "Leave one of them out"),
    "lengths": (lambda: fit(X, Y[1:]), "X has 30 rows, y 29"),
    "lengths by name": (lambda: fit({"a": [1, 2, 3], "y": [1, 2]}, target="y"), r"different numbers of rows: \[2, 3\]"),
    "a path and y": (lambda: fit("t.csv", Y), r'For "t.csv", name the column: target="NAME"'),
    "y in X": (lambda: fit(PANDAS, PANDAS["y"]), 'the column "y" is in X and in y.* leave y out: target="y"'),
    "no rows": (lambda: fit(PANDAS[:0], target="y"), "the table has no rows"),
    "no rows of polars": (lambda: fit(POLARS[:0], target="y"), "the table has no rows"),
    "no rows of X": (lambda: fit(X[:0], Y[:0]), "the table has no rows"),
    "no columns": (lambda: fit(X[:, :0], Y), "not columns of numbers"),
    "three dimensions": (lambda: fit(X[None], Y), r"\(1, 30, 2\), not columns"),
    "a number for y": (lambda: fit(X, 1.0), r"\(\), not columns"),
    "text for y": (lambda: fit(X, ["p"] * ROWS), '"p" is not a number'),
    "ragged rows": (lambda: fit([[1, 2], [3]], [1, 2]), "have different lengths"),
    "complex numbers": (lambda: fit(X + 1j, Y), 'column "x1": holds complex, neither numbers nor text'),
    "complex numbers of pandas": (lambda: fit(pandas_with(X[:, 0] * 1j), target="y"), 'column "a": holds complex'),
    "a sparse matrix": (lambda: fit(scipy.sparse.csr_matrix(X), Y), r"is a sparse matrix. Give its toarray\(\)"),
    "a sparse tensor": (lambda: fit(torch.tensor(X).to_sparse(), Y), "Sparse"),
    "a tensor without data": (lambda: fit(torch.empty(3, 2, device="meta"), Y), "cannot be read as an array"),
    "a name twice": (
        lambda: fit(pd.DataFrame(X, columns=["a", "a"]), Y),
        'a name stands twice among the columns "a", "a"',
    ),
    "a name twice in pyarrow": (
        lambda: fit(pa.table([Y, Y], ["a", "a"]), target="a"),
        'a name stands twice among the columns "a", "a"',
    ),
    "text among numbers": (lambda: fit(pandas_with(["x", *range(29)]), target="y"), 'row 1, column "a": "x" is not'),
    "any objects": (lambda: fit(pandas_with([object()] * ROWS), target="y"), 'column "a": holds object, neither'),
    "any objects of polars": (
        lambda: fit(polars_with(pl.Series([object()] * ROWS, dtype=pl.Object)), target="y"),
        "not numbers",
    ),
    "dicts": (lambda: fit(pandas_with([{"q": 1}] * ROWS), target="y"), r"holds struct<q: int64>, not numbers"),
    "dates": (lambda: fit(pandas_with(pd.date_range("2026", periods=ROWS)), target="y"), "it is a date"),
    "time spans": (lambda: fit(pandas_with(pd.to_timedelta(range(ROWS))), target="y"), "not a number"),
    "periods": (lambda: fit(pandas_with(pd.period_range("2026", periods=ROWS, freq="D")), target="y"), "not numbers"),
    "lists of polars": (lambda: fit(polars_with(pl.concat_list("a", "b")), target="y"), "holds large_list<.*not num"),
    "a missing value": (lambda: fit(polars_with(pl.lit(None)), target="y"), "the value is missing"),
    "a missing integer": (
        lambda: fit(pandas_with(pd.array([None, *range(29)], "Int64")), target="y"),
        'row 1, column "a": the value is missing',
    ),
    "an infinity": (lambda: fit(polars_with(pl.lit(np.inf)), target="y"), "the value is not finite"),
    "a broken stream": (lambda: fit(Broken(), target="y"), r"the table: cannot be read \(the cable is cut\)"),
    "a reader that was read": (lambda: fit(used(pa.table({"y": Y}).to_reader()), target="y"), "has no rows"),
    "an iterator of numbers": (lambda: fit(iter([1, 2]), target="y"), "cannot be read"),  # type: ignore[arg-type]
    "an iterator that fails": (lambda: fit(failing(), target="y"), r"cannot be read \(the network is down\)"),
    "parts of different types": (
        lambda: fit(iter([POLARS, polars_with(pl.col("a").cast(pl.Float32))]), target="y"),
        "its parts differ",
    ),
    "a lazy frame that fails": (
        lambda: fit(POLARS.lazy().select(pl.col("zz")), target="y"),  # type: ignore[arg-type]
        "cannot be read .*zz",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_table_is_said_in_one_line(case: str) -> None:
    call, said = WRONG[case]
    with pytest.raises(LinedgeError, match=said) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    assert "--" not in message


def test_a_column_that_nothing_takes_may_hold_anything() -> None:
    odd = PANDAS.assign(when=pd.date_range("2026", periods=ROWS), what=[{"q": 1}] * ROWS, mixed=["x", *range(29)])
    expected = fit(PANDAS, target="y").to_bytes()
    assert fit(odd, target="y", features=["a", "b"]).to_bytes() == expected
    assert fit(pl.DataFrame(odd.drop(columns="mixed")), target="y", ignore=["when", "what"]).to_bytes() == expected
