"""Arrays of numpy and of pyarrow from one another's memory.

pyarrow's own conversions import pandas where that is installed, which takes longer than most predictions, and its
compute functions, which take as long to import as a sixth of the whole start.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lr_runtime.system.text import is_missing
from lr_runtime.tables.batch import ArrowColumn, Coded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray


def as_numbers(column: pa.Array) -> NDArray[np.generic]:
    """Return a column of numbers or truth values in a type that float64 takes, NaN where a value is missing."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return as_numpy(column, kind.to_pandas_dtype(), np.nan)
    if pa.types.is_decimal(kind):  # pyarrow (26) divides by a power of ten, which rounds twice
        numbers = [math.nan if value is None else float(value) for value in column.to_pylist()]
        return np.array(numbers, np.float64)
    return as_numpy(column.cast(pa.float64(), safe=False), np.float64, np.nan)


def as_numpy(column: object, dtype: type[object], missing: float) -> NDArray[np.generic]:
    """Return the values of a column of pyarrow, which has this type, with `missing` where there is none."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_values(chunk, dtype, missing) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])


def _values(array: pa.Array, dtype: type[object], missing: float) -> NDArray[np.generic]:
    if not len(array):
        return np.empty(0, dtype)
    validity, data = array.buffers()
    values = np.frombuffer(data, dtype, len(array), array.offset * np.dtype(dtype).itemsize)
    if not array.null_count:
        return values
    first, last = array.offset // 8, -(-(array.offset + len(array)) // 8)  # bytes, of a slice of what may be long
    bits = np.unpackbits(np.frombuffer(validity, np.uint8)[first:last], bitorder="little")[array.offset % 8 :]
    # An array, so that a type that cannot hold it gives way: NaN among integers, -1 among unsigned ones.
    return np.where(bits[: len(array)], values, np.asarray(missing))


def has_row_without_values(table: pa.Table) -> bool:
    """Whether a row of a table of pyarrow, each column in one chunk, has no value at all."""
    present = np.zeros(-(-table.num_rows // 8), np.uint8)
    for column in table.columns:
        if not column.null_count:
            return False
        (chunk,) = column.chunks
        present |= np.frombuffer(chunk.buffers()[0], np.uint8)[: len(present)]
    return not np.unpackbits(present, count=table.num_rows, bitorder="little").all()


def as_moments(column: ArrowColumn, missing: Collection[str]) -> ArrowColumn:
    """Return a column of text as timestamps where pyarrow reads all of it, which it does alike; else as it is."""
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):  # polars lists views, which pyarrow (26) does not decode
        column = pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(pa.string())).dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    column = pc.if_else(pc.is_in(column, pa.array(missing, column.type)), None, column)
    for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        with suppress(pa.ArrowException):
            column[:1].cast(kind)  # pyarrow takes long to refuse many
            return column.cast(kind)
    return column


def zstandard(stream: IO[bytes]) -> pa.CompressedInputStream:
    """Return the content of a Zstandard stream."""
    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


def as_arrow(values: NDArray[np.generic], empty: NDArray[np.bool_] | None = None) -> pa.Array:
    """Return numbers or truth values as an array of pyarrow, without a value where `empty` says so."""
    is_flag, native = values.dtype.kind == "b", values.dtype.newbyteorder("=")
    content = np.packbits(values.view(np.bool_), bitorder="little") if is_flag else np.ascontiguousarray(values, native)
    validity = None if empty is None else pa.py_buffer(np.packbits(~empty, bitorder="little"))
    kind = pa.from_numpy_dtype(native)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(content)])


def stacked(columns: Sequence[object], rows: int) -> NDArray[np.float64]:
    """Return columns side by side; what is None stays empty."""
    values = np.empty((len(columns), rows)).T  # column by column in memory, as they come
    for index, column in enumerate(columns):
        if column is not None:
            values[:, index] = as_numbers(column)
    return values


def as_texts(column: ArrowColumn) -> Coded:
    """Return a column as folders of its values are called: true and false, as Spark writes them."""
    return _coded(column.cast(pa.string()) if pa.types.is_boolean(column.type) else column)


def _coded(column: pa.Array | pa.ChunkedArray) -> Coded:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):  # pyarrow (26) takes none of the views of text that polars lists
        array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(pa.string())).dictionary_decode()
    is_text = not (pa.types.is_floating(array.type) or pa.types.is_boolean(array.type))
    encoded = (array.cast(pa.string()) if is_text else array).dictionary_encode()
    codes = as_numpy(encoded.indices, encoded.indices.type.to_pandas_dtype(), -1).astype(np.int64)
    values = encoded.dictionary.to_pylist()
    # str: the spelling of Python, True and 1.0, in which predictions read frames.
    return Coded(codes, tuple(map(str, values))).without({code for code, each in enumerate(values) if is_missing(each)})
