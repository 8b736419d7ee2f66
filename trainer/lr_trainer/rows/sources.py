"""The sources of a table: files, open tables, and arrays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np

from lr_runtime.errors import OptionError, TableError, escaped
from lr_runtime.prediction.inputs import as_cells, as_text, by_name, unmasked
from lr_runtime.system.lazy import needs_extra
from lr_runtime.tables import Table, TableOptions, open_table
from lr_runtime.tables.batch import Batch, Coded, coded, indexes_among, renamed
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.table import positions, without_faults
from lr_runtime.wording import worded
from lr_trainer.arithmetic.arrays import host

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.tables.sample import Sample

_BATCH_ROWS = 1 << 16
_NAME = "the table"


class ArrowStream(Protocol):
    """A frame or a stream of any package that offers its columns in the Arrow format."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


Source: TypeAlias = (
    "str | Path | Sequence[str | Path] | Table | Mapping[str, ArrayLike] | ArrowStream | Iterator[ArrowStream]"
)
"""What is opened as a table: also frames of pandas, which has no types, and lazy frames of polars."""


def _is_stream(x: object) -> bool:
    """Whether an object has columns in the Arrow format, not all in memory: a stream, an iterator or lazy frame."""
    is_arrow = any(hasattr(x, name) for name in ("__arrow_c_stream__", "__next__", "collect_batches"))
    return is_arrow and not hasattr(x, "__array__")


def _is_series(x: object) -> bool:
    """Whether an object is one column of pandas, polars or pyarrow."""
    is_theirs = any(hasattr(x, name) for name in ("iloc", "__arrow_c_stream__", "__arrow_c_array__"))
    return is_theirs and not (_is_stream(x) or hasattr(x, "columns") or hasattr(x, "column_names"))


def opened(source: object, options: TableOptions | None, warn: Callable[[str], None]) -> Table:
    """Return the open table of a source.

    Raises:
        OptionError: the source is none of these.
    """

    def say(line: str) -> None:
        warn(worded(line))

    asked, notices = options or TableOptions(), Notices(say)
    if _is_stream(source):
        with needs_extra("tables"):
            from lr_runtime.tables.frames import open_frame
        return open_frame(source, _NAME, asked, notices)
    if (columns := by_name(source)) is not None:
        index: Any = getattr(source, "index", None) if hasattr(source, "iloc") else None  # of pandas
        named = [name for name in getattr(index, "names", ()) if name is not None and name not in columns]
        levels = {str(name): index.get_level_values(name).to_series() for name in named}
        return _in_memory({**columns, **levels}, list(levels), asked, notices)
    paths = [source] if isinstance(source, str | Path) else source
    if isinstance(paths, Sequence) and paths and all(isinstance(each, str | Path) for each in paths):
        return open_table(paths, options, warn=say)
    if not hasattr(source, "batches"):
        ways = f"a path, several, an open table, a frame, or arrays by name, not {escaped(str(source))}"
        raise OptionError(f"a table is {ways}. Arrays alone are X and y, as in fit(X, y)")
    return cast("Table", source)


def _in_memory(arrays: Mapping[str, Any], indexes: Sequence[str], options: TableOptions, notices: Notices) -> Table:
    columns = {str(name): _cells(str(name), each) for name, each in arrays.items()}
    if len(lengths := {len(each) for each in columns.values()}) > 1:
        raise TableError(f"{_NAME}: the arrays have different numbers of rows: {sorted(lengths)}")
    if all(map(_is_of_numbers, columns.values())):
        return ArrayTable(columns, options, notices, indexes)
    with needs_extra("tables"):
        from lr_runtime.tables.frames import open_columns
    return open_columns(apart(columns), _NAME, options, notices, indexes)


def apart(arrays: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return columns with their names, each one-dimensional: an array (rows, columns) of the name x is x1, x2, ..."""
    columns: list[tuple[str, Any]] = []
    for name, each in arrays.items():
        is_several = getattr(each, "ndim", 1) > 1
        columns += [(f"{name}{place}", one) for place, one in enumerate(each.T, 1)] if is_several else [(name, each)]
    return columns


def _cells(name: str, given: Any) -> Any:
    """Return columns as numpy's array, or as they are where another type than numpy's or a CUDA device has them."""
    if _is_on_device(given) or (_is_series(given) and not _is_of_numbers(given)):
        return given
    if hasattr(given, "toarray"):
        raise TableError(f"{_NAME}, {escaped(name)}: is a sparse matrix. Give its toarray()")
    array = unmasked(as_cells(given, f"{_NAME}, {escaped(name)}: the values", TableError))
    if array.ndim not in {1, 2} or 0 in array.shape[1:] or array.dtype.kind not in "biufUOMmc":
        raise TableError(f"{_NAME}, {escaped(name)}: holds {array.dtype} {array.shape}, not columns of numbers or text")
    return np.array(as_text(array), dtype=object) if array.dtype.kind == "U" else array


def _is_of_numbers(column: object) -> bool:
    kind = getattr(column, "dtype", None)
    return _is_on_device(column) or (isinstance(kind, np.dtype) and kind.kind in "biuf")


def _is_on_device(x: Any) -> bool:
    """Whether an object is a tensor of floats on a CUDA device, from which nothing is copied as a whole."""
    return getattr(x, "is_cuda", False) is True and str(x.dtype) in {"torch.float32", "torch.float64"}


def paired(x: object, y: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the columns of X and of y together, and the names of those of y.

    Frames and series name them. Other columns of X are x, or x1, x2, ... of several; those of y are y, or y1, y2, ...

    Raises:
        OptionError: X is not in memory, or a name is in both.
        TableError: the numbers of rows differ, or one has another shape.
    """
    if isinstance(x, str | Path) or hasattr(x, "batches") or _is_stream(x):
        raise OptionError(f"y goes with X in memory. For {escaped(str(x))}, name the column: --target NAME")
    columns, targets = _columns(x, "x", "X"), _columns(y, "y", "y")
    names, predicted = ([name for name, _ in apart(part)] for part in (columns, targets))
    if twice := [name for name in predicted if name in names]:
        way = f"Take it out of X, or leave y out: --target {twice[0]}"
        raise OptionError(f"the column {escaped(twice[0])} is in X and in y. {way}")
    rows, others = (max(map(len, part.values()), default=0) for part in (columns, targets))
    if rows != others:
        raise TableError(f"X has {rows} rows, y {others}. Give one of y for each of X")
    return {**columns, **targets}, tuple(predicted)


def _columns(given: Any, name: str, what: str) -> dict[str, Any]:
    if _is_series(given):
        return {str(getattr(given, "name", None) or name): given}
    if (columns := by_name(given)) is not None:
        return {str(key): column for key, column in columns.items()}
    array = _cells(what, given)
    return {name: array.reshape(-1) if array.shape[1:] == (1,) else array}


class ArrayTable:
    """Numbers by name, all with the same number of rows; see `lr_runtime.tables.Table`.

    Args:
        arrays: numbers, of which one (rows, columns) of the name x is the columns x1, x2, ...
        options: the names of columns, the marks of missing values, and whether rows with an infinity are left out.
        notices: receives the rows that are left out, and the integers that float64 rounds.
        indexes: the names of those that tell rows apart.

    Raises:
        MissingColumnError: a column to be renamed is not among the arrays.
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], options: TableOptions, notices: Notices, indexes: Sequence[str] = ()
    ) -> None:
        self.name = _NAME
        self.options, self.notices = options, notices
        names = [name for name, _ in apart(arrays)]
        columns = renamed(self.name, names, options.renames)
        new = dict(zip(names, columns, strict=True))
        self.names = tuple(filter(None, columns))
        self.indexes = indexes_among(self.names, [new[name] for name in indexes])
        left = iter(columns)
        tables = [array[:, None] if array.ndim == 1 else array for array in arrays.values()]
        self._groups = {tuple(islice(left, table.shape[1])): table for table in tables}
        self._columns = {
            name: column for group, table in self._groups.items() for name, column in zip(group, table.T, strict=True)
        }
        self._integers = {name for name, each in self._columns.items() if getattr(each.dtype, "kind", "f") in "iu"}
        self.size: int | None = len(tables[0]) if tables else 0

    def views(self, columns: Sequence[str], rows: int) -> Iterator[tuple[NDArray[np.float64], ...]] | None:
        """Return views of the columns, `rows` rows at a time; None where they are not float64."""
        positions(self, columns)
        parts, start = [], 0
        while start < len(columns):
            names = next((n for n in self._groups if tuple(columns[start : start + len(n)]) == n), (columns[start],))
            parts.append(self._groups[names] if names in self._groups else self._columns[columns[start]][:, None])
            start += len(names)
        is_other = any(isinstance(part, np.ndarray) and part.dtype != np.float64 for part in parts)
        if is_other or self.options.missing_numbers or len(set(map(type, parts))) > 1:
            return None
        size = self.size or 0
        return (tuple(part[at : at + rows] for part in parts) for at in range(0, size, rows))

    def fill(self, sample: Sample) -> None:
        """See `lr_runtime.tables.Table.fill`."""
        positions(self, list(sample.cells))
        for cells in sample.cells.values():
            cells.typed.add("number")
        sample.rows += min(sample.left, self.size or 0)

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        positions(self, [*columns, *categories, *kept])
        for start in range(0, self.size or 0, _BATCH_ROWS):
            stop = min(start + _BATCH_ROWS, self.size or 0)
            values = np.empty((stop - start, len(columns)))
            for index, name in enumerate(columns):
                values[:, index] = host(self._columns[name][start:stop])
            for number in self.options.missing_numbers:
                values[values == number] = np.nan
            texts = tuple(self._coded(host(self._columns[name][start:stop])) for name in categories)
            integer = partial(self._integer, columns, start)
            beside = tuple(host(self._columns[name][start:stop]) for name in kept)
            batch = Batch(values, partial(_row, start), stop - start, texts, kept=beside, integer=integer)
            among = [index for index, name in enumerate(columns) if name in self._integers]
            self.notices.large_integers(self, batch, columns, among)
            yield batch if self.options.marks else without_faults(self, batch, columns)

    def _integer(self, columns: Sequence[str], start: int, row: int, column: int) -> int | None:
        value = self._columns[columns[column]][start + row]
        return int(value) if isinstance(value, np.integer) else None

    def _coded(self, values: NDArray[np.generic]) -> Coded:
        return coded(None if text in self.options.missing else text for text in as_text(values))


def _row(start: int, row: int) -> str:
    return f"row {start + row + 1}"
