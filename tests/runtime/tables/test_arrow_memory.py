"""Arrays between numpy and pyarrow: the same as by pyarrow's own conversions, without what those import."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.tables.arrow import memory

if TYPE_CHECKING:
    from pathlib import Path

nullable = st.lists(st.none() | st.floats(allow_nan=False), max_size=40)


@given(st.lists(nullable, max_size=4), st.integers(0, 5), st.integers(0, 40))
@settings(deadline=None)
def test_columns_of_pyarrow_are_read_as_pyarrow_does(chunks: list[list[float | None]], start: int, rows: int) -> None:
    column = pa.chunked_array(chunks, pa.float64()).slice(start, rows)
    expected = column.to_numpy(zero_copy_only=False) if len(column) else np.empty(0)
    assert memory.as_numpy(column, np.float64, np.nan).tobytes() == expected.astype(np.float64).tobytes()
    array = pa.array([value for chunk in chunks for value in chunk], pa.float64()).slice(start, rows)
    assert memory.as_numpy(array, np.float64, -1.0).tolist() == array.fill_null(-1.0).to_pylist()


NUMBERS = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.bool_(), pa.decimal128(9, 2),
]  # fmt: skip


@given(st.sampled_from(NUMBERS), st.lists(st.none() | st.integers(-(2**63), 2**64 - 1), max_size=40))
@settings(deadline=None)
def test_numbers_of_every_type_are_cast_as_pyarrow_does(kind: Any, values: list[int | None]) -> None:
    bits = 0 if pa.types.is_decimal(kind) else kind.bit_width
    if pa.types.is_integer(kind):
        low = 0 if str(kind).startswith("u") else -(2 ** (bits - 1))
        column = pa.array([None if value is None else low + value % 2**bits for value in values], kind)
    elif pa.types.is_boolean(kind):
        column = pa.array([None if value is None else value % 2 == 1 for value in values], kind)
    else:
        column = pa.array([None if value is None else (value % 1024) * 0.25 for value in values]).cast(kind, safe=False)
    found = np.asarray(memory.as_numbers(column), dtype=np.float64)
    expected = np.array(column.cast(pa.float64(), safe=False).to_pylist(), dtype=np.float64)
    assert found.tobytes() == expected.tobytes()


@given(st.lists(st.tuples(st.none() | st.just(1.0), st.none() | st.just("x")), max_size=40))
@settings(deadline=None)
def test_rows_without_values_are_seen(rows: list[tuple[float | None, str | None]]) -> None:
    numbers, texts = (
        pa.array([row[index] for row in rows], kind) for index, kind in enumerate((pa.float64(), pa.string()))
    )
    expected = any(row == (None, None) for row in rows)
    assert memory.has_row_without_values(pa.table({"a": numbers, "b": texts})) is expected


@given(st.lists(st.tuples(st.floats(width=32, allow_nan=False), st.booleans(), st.booleans()), max_size=40))
@settings(deadline=None)
def test_columns_for_pyarrow_are_as_pyarrow_makes_them(rows: list[tuple[float, bool, bool]]) -> None:
    numbers, flags, empty = (np.array([row[index] for row in rows]) for index in range(3))
    for values in (numbers.astype(np.float32), numbers.astype(np.float64), flags.astype(np.bool_)):
        for mask in (None, empty.astype(np.bool_)):
            made = memory.as_arrow(values, mask)
            made.validate(full=True)
            assert made.equals(pa.array(values, mask=mask))


def test_no_conversion_imports_pandas_or_compute_functions(tmp_path: Path) -> None:
    """They take longer to import than most predictions do; nobody asked for them."""
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1.0, 3.0]}), path)
    code = f"""
import sys
from lr_runtime.tables import open_table
from lr_runtime.tables.arrow.writing import ArrowCsvText, ParquetFile
from lr_runtime.tables.writing import OutputRows
import io, numpy
a = next(open_table({str(path)!r}).batches(["a"])).values[:, 0]
rows = OutputRows({{}}, {{"y": a}}, numpy.array([True, False]))
ArrowCsvText()(rows)
ParquetFile(io.BytesIO()).write(rows)
sys.exit("pandas" in sys.modules or "pyarrow.compute" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
