"""How the tests of tables write files and read them back."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from lr_runtime.errors import (
    TableError,
)
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_runtime.tables.cells.options import BOOLEANS
from lr_runtime.tables.text.syntax import LineError
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Coded
    from lr_runtime.tables.text.csv_syntax import CsvSyntax

    Values = NDArray[np.float64]


pa = optional("pyarrow")
pq = optional("pyarrow.parquet")
SEMICOLONS = TableOptions(delimiter=";", decimal=",")
WAYS = ("strict", "fast", "numpy")


def accelerate(patch: pytest.MonkeyPatch, way: str) -> None:
    if way == "fast" and find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed here")
    patch.setattr("lr_runtime.tables.text.fast.available", lambda: way == "fast")
    if way == "strict":
        patch.setattr("lr_runtime.tables.text.fast_numpy.csv_block", lambda *_: None)


def table_file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, options: TableOptions | None = None, columns: Sequence[str] | None = None) -> Values:
    table = open_table(path, options)
    names = table.names if columns is None else columns
    return np.concatenate([np.empty((0, len(names))), *(batch.values for batch in table.batches(names))])


def refusal(path: Path, options: TableOptions | None = None, columns: Sequence[str] | None = None) -> str:
    with pytest.raises(TableError) as caught:
        read(path, options, columns)
    return str(caught.value)


NUMBERS = ["0", "-0", "1", "+1", "1.", ".5", "-.5", "1e5", "1E-5", "1e+5", "0.1", "1e-400", "1.7976931348623157e308"]
NOT_NUMBERS = ["0x10", "1_000", "1e", "e5", "--1", "1 2", "1,5", "12e1.5", ".", "1d5", "1f", "\uff11\uff12", "\u0663"]
INFINITE = ["inf", "-inf", "+Infinity", "INF"]
DATES = ["2026-11-23", "2026-11-23T10:00", "2026-11-23 10:00:01.5+01:00", "11/23/2026", "23.11.2026", "2026/11/23"]
cells = (
    st.floats().map(repr)
    | st.floats(width=32).map(repr)
    | st.integers().map(str)
    | st.sampled_from([*NUMBERS, *NOT_NUMBERS, *INFINITE, *MISSING_TOKENS, "1e400", " 1", "2\t", "  NA "])
    | st.sampled_from([*BOOLEANS, *BOOLEANS, *DATES, " true", '"true"', "-999", "none", "1'000", "1.000", "1'0"])
    | st.text("0123456789+-.eEnaNif_x ,;\"'\r\n\t", max_size=6)
    | st.sampled_from(['"1"', '"1"2', '"1\n"', '"1,5"', '"a""b"', '5"', '"', '""', "1\r2", "\ufeff1", "é", "1#2"])
)


finite_cells = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(2**80), 2**80).map(str)
plain_cells = finite_cells | st.sampled_from(MISSING_TOKENS)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Text that is nearly a CSV table of the columns a and b."""
    cell = draw(st.sampled_from([cells, plain_cells]))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n", "\n\n", "\r", ""]]))
    delimiter = draw(st.sampled_from([",", ",", ";"]))
    rows = draw(st.lists(st.lists(cell, min_size=2, max_size=2), max_size=5))
    rows += draw(st.lists(st.lists(cell, min_size=1, max_size=1) | st.lists(cell, min_size=3, max_size=3), max_size=1))
    return "".join(delimiter.join(row) + draw(st.sampled_from(ends)) for row in rows)


def records(syntax: CsvSyntax, content: str) -> Iterator[Sequence[Any]]:
    for _, row in syntax.records(content, "ab", 1):
        assert not isinstance(row, LineError)
        yield row


def written_out(column: Coded) -> list[str | None]:
    return [None if code < 0 else column.values[code] for code in column.codes.tolist()]


def assert_same(left: Values, right: Values) -> None:
    assert left.shape == right.shape
    # Every NaN here is a missing value, whatever its bits.
    assert np.array_equal(np.isnan(left), np.isnan(right))
    known = ~np.isnan(left)
    assert left[known].tobytes() == right[known].tobytes()


class _Standard:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def folder_of(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


ROWS = pa.table({"a": [1.0, 3.0], "b": pa.array([2, 4], pa.int16()), "note": ["x", "y"]})


def parquet(table: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def arrow(table: Any, writer: Callable[..., Any] = pa.ipc.new_file) -> bytes:
    sink = io.BytesIO()
    with writer(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()
