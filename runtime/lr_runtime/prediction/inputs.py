"""The forms of input rows, from Python and from tables: each becomes columns in the model's order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard, TypeVar, cast

import numpy as np

from lr_runtime.errors import InputError, LinedgeError, MissingColumnError, RowError, escaped, listed, shown
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.text import composed, is_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.instants import Clock
    from lr_runtime.tables.batch import Coded
    from lr_runtime.tables.cells.options import TableOptions

T = TypeVar("T")
Cells: TypeAlias = "NDArray[np.generic] | Coded"
Integer: TypeAlias = Callable[[int, int], int | None]


class Given(NamedTuple):
    """Input rows, as the caller gave them.

    Attributes:
        matrix: numbers (rows, columns) in the model's order, categories by their index; None where `columns` are given.
        columns: one column of numbers, text or objects for each of the model's.
        ignored: the names of input columns that the model does not have.
        integer: returns the integer given at (row, column), None for any other value; None if no cell was an integer.
        faults: the reasons, by row, why rows could not be read.
        by_position: whether a number in a category's column is its index; by name it is the category's value.
        labels: the index of a frame of pandas; None of any other rows.
    """

    matrix: NDArray[Any] | None = None
    columns: tuple[Cells, ...] = ()
    ignored: tuple[str, ...] = ()
    integer: Integer | None = None
    faults: Mapping[int, str] = MappingProxyType({})
    by_position: bool = False
    labels: Any = None


def given(x: Any, names: Sequence[str], categories: Collection[str] = ()) -> Given:
    """Return rows of any form, with the columns `names` in this order.

    Args:
        x: numbers (rows, columns); a sequence of rows; columns by name (a dict, a structured array, or a frame of
            pandas, polars or pyarrow, a stream of Arrow); a sequence of dicts, one a row; a dict of one row.
        names: the model's columns.
        categories: those of them whose cells are names, which numpy would change: a missing integer makes 1 a 1.0.

    Raises:
        InputError: another shape, or no numbers.
        MissingColumnError: a column is not among the names.
    """
    x = x.collect() if hasattr(x, "collect_batches") else x  # a lazy frame of polars
    if hasattr(x, "__arrow_c_stream__") and not hasattr(x, "__array__"):  # a relation of DuckDB, a reader
        with needs_extra("tables"):
            from pyarrow import table
        x = table(x)
    if (columns := by_name(x)) is not None:
        labels = getattr(x, "index", None) if hasattr(x, "iloc") else None
        return _named(columns, names, categories)._replace(labels=labels)
    if _is_rows_of_dicts(x):
        return _named(_columns_of(x, names), names, categories)
    return _positional(x, names)


def as_array(x: object, what: str, error: type[LinedgeError] = InputError) -> NDArray[np.generic]:
    """Return an array, a tensor, or a sequence of numbers, arrays or tensors as an array; messages call it `what`.
    Raises `error`, with the reason, where rows have different lengths or numpy has no such values.
    """
    try:
        array = _array(x)
    except Exception as reason:  # objects with an array interface may raise anything
        ragged = isinstance(reason, ValueError) and isinstance(x, Sequence)
        why = "have different lengths" if ragged else f"cannot be read as an array ({shown(str(reason), 120)})"
        raise error(f"{what} {why}") from reason
    if array.dtype.kind == "O" and any(hasattr(cell, "detach") for cell in array.flat):
        return np.array(_plain(array.tolist()), dtype=object)
    if array.dtype.kind == "T":  # text of variable width
        return array.astype(object)
    if array.dtype.kind == "V" and array.dtype.names is None:  # of a package that adds to numpy's types, as bfloat16
        with suppress(ValueError, TypeError):
            return array.astype(np.float64)
    return array


def _array(x: object) -> NDArray[np.generic]:
    try:
        return np.asanyarray(x)
    except (TypeError, RuntimeError):  # PyTorch, for tensors on a device or with gradients
        return np.asanyarray(_plain(x))


def _plain(x: Any) -> Any:
    """Return a tensor, or those in a sequence, as an array: detached, in host memory, of a dtype that numpy has.

    A tensor is recognised by its methods, because the runtime does not import PyTorch.
    """
    if isinstance(x, list | tuple):
        return [_plain(each) for each in x]
    if not hasattr(x, "detach"):
        return x
    x = x.detach().cpu().resolve_conj().resolve_neg()
    try:
        return np.asarray(x)
    except TypeError:  # bfloat16, and floats of 8 bits
        if not x.is_floating_point():
            raise
        return np.asarray(x.double())


def unmasked(array: T) -> T | NDArray[np.generic]:
    """Return an array with masked values as missing ones: NaN among numbers, None among others."""
    # Whoever made one has imported numpy.ma, for which numpy otherwise takes 10 ms here.
    if "numpy.ma" not in sys.modules or not isinstance(array, np.ma.MaskedArray):
        return array
    is_number = array.dtype.kind in "biuf"
    values = np.ma.getdata(array).astype(np.float64 if is_number else object)
    values[np.ma.getmaskarray(array)] = np.nan if is_number else None
    return values


def by_name(x: Any) -> Mapping[Any, Any] | None:
    """Return the columns of a dict, a structured array or a frame by name, each once; None of what has no names."""
    names = x.dtype.names if isinstance(x, np.ndarray) else list(x) if isinstance(x, Mapping) else None
    for held_in in ("column_names", "columns"):  # of pyarrow; of pandas and polars
        names = getattr(x, held_in, None) if names is None else names
    if names is None:
        return None
    _check_once(names)
    return {name: x[name] for name in names}


def _check_once(names: Collection[object]) -> None:
    if len({composed(str(name)) for name in names}) < len(names):  # 1 and "1" are one name, as are two spellings of é
        raise InputError(f"a name stands twice among the columns {listed(list(map(str, names)))}")


def _is_rows_of_dicts(x: object) -> TypeGuard[Sequence[Mapping[object, object]]]:
    return isinstance(x, Sequence) and bool(x) and all(isinstance(row, Mapping) for row in x)


def _columns_of(rows: Sequence[Mapping[object, object]], wanted: Collection[str]) -> dict[object, list[object]]:
    """Return the columns of rows by name, those not wanted empty; a name that a row lacks is a missing value."""
    names = dict.fromkeys(chain.from_iterable(rows))
    _check_once(names)
    return {name: [row.get(name) for row in rows] if composed(str(name)) in wanted else [] for name in names}


def _named(columns: Mapping[object, object], names: Sequence[str], categories: Collection[str] = ()) -> Given:
    found = {composed(str(name)): column for name, column in columns.items()}
    if missing := [name for name in names if name not in found]:
        raise MissingColumnError("the input", missing, list(found))
    taken = [_column(found[name], name, is_category=name in categories) for name in names]
    _check_lengths(taken, names)
    wanted = set(names)
    return Given(
        columns=tuple(taken),
        ignored=tuple(name for name in found if name not in wanted),
        integer=lambda row, column: _integer(found[names[column]], row),
    )


def _column(cells: Any, name: str, *, is_category: bool) -> NDArray[np.generic]:
    if hasattr(cells, "combine_chunks"):  # pyarrow (26) gives another value for a missing one in chunks of categories
        cells = cells.combine_chunks()
    array = np.atleast_1d(unmasked(as_cells(cells, f"column {escaped(name)}: its cells")))
    as_list = getattr(cells, "to_pylist", getattr(cells, "to_list", None))  # of pyarrow; of pandas and polars
    if is_category and array.dtype.kind in "fU" and as_list is not None:
        return np.array(as_list(), dtype=object)
    kinds = {*map(type, cells)} if is_category and isinstance(cells, Sequence) else set()
    if len(kinds) > 1 or (int in kinds and array.dtype.kind == "f"):  # numpy makes 1.0 of 1 beside 2.5, 1 of true
        return np.array(_plain(cells), dtype=object)  # beside 2: a category is what it is alone
    return array


def _check_lengths(columns: Sequence[NDArray[np.generic]], names: Sequence[str]) -> None:
    shapes = {name: column.shape for name, column in zip(names, columns, strict=True)}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise InputError(f"the columns have different lengths or more than one dimension: {shapes}")


def _integer(cells: Any, *place: int) -> int | None:
    """Return the integer that a cell is, or is written as; None for any other cell."""
    for index in place:
        cells = getattr(cells, "iloc", cells)  # a series of pandas, whose labels may be other numbers
        try:
            cells = cells if isinstance(cells, str) else cells[index]  # text for a row by name is one cell
        except (TypeError, IndexError):  # a single cell, for a row by name
            cells = np.atleast_1d(np.asarray(cells))[index]
    cells = cells.as_py() if hasattr(cells, "as_py") else cells  # a scalar of pyarrow
    if isinstance(cells, str):
        return _usual().integer(cells)
    is_integer = isinstance(cells, int | np.integer) and not isinstance(cells, bool)
    return int(cells) if is_integer else None


def _positional(x: object, names: Sequence[str]) -> Given:
    if isinstance(x, Sequence) and not x:
        return Given(matrix=np.empty((0, len(names))))
    array = unmasked(as_array(x, "x: the rows"))
    if array.ndim != 2 or array.shape[1] != len(names):
        raise InputError(
            f"x has shape {array.shape}; the model takes (rows, {len(names)}), the columns {listed(names)}"
        )
    if array.dtype.kind in "biuf":
        is_array = isinstance(x, np.ndarray) and array.dtype.kind == "f"
        return Given(matrix=array, integer=None if is_array else lambda row, column: _integer(x, row, column))
    rows = x if isinstance(x, Sequence) else array  # an array of text has the numbers of a mixed row as text, too
    columns = tuple(as_cells([row[index] for row in rows], "x: the cells") for index in range(len(names)))
    if any(column.ndim != 1 for column in columns):
        raise InputError("x: a cell holds values of its own, and not one number")
    return Given(columns=columns, integer=lambda row, column: _integer(x, row, column), by_position=True)


def as_cells(values: object, what: str, error: type[LinedgeError] = InputError) -> NDArray[np.generic]:
    """Return cells as an array with the type of each: numpy would make text of numbers, None and NaN among text.

    The arguments are those of `as_array`.
    """
    array = as_array(values, what, error)
    is_mixed = array.dtype.kind == "U" and isinstance(values, Sequence) and not isinstance(values, str)
    return np.array(_plain(values), dtype=object) if is_mixed else array


def as_numbers(cells: NDArray[np.generic], name: str, faults: dict[int, str]) -> NDArray[np.float64]:
    """Return numbers, text or objects as float64 (rows,), NaN for a missing value and for a cell that is no number,
    whose fault `faults` receives by row. Raises InputError where the whole column is dates or the like.
    """
    if cells.dtype.kind in "biuf":
        return cells.astype(np.float64)
    if cells.dtype.kind not in "OU":
        raise InputError(f"column {escaped(name)} holds {_KINDS.get(cells.dtype.kind, 'objects')}, not numbers")
    values = np.empty(len(cells))
    for row, cell in enumerate(cells.tolist()):
        try:
            values[row] = number_in(cell)
        except ValueError as error:
            values[row] = np.nan
            faults.setdefault(row, f"column {escaped(name)}: {escaped(str(cell))} {error}")
    return values


def as_instants(cells: NDArray[np.generic], name: str, clock: Clock, faults: dict[int, str]) -> NDArray[np.float64]:
    """Return a column of instants as numbers; see `as_numbers`. A number among them counts units already."""
    from lr_runtime.instants import numbers_of
    from lr_runtime.tables.cells.missing import MISSING_TOKENS

    if cells.dtype.kind not in "OUM":
        return as_numbers(cells, name, faults)
    values, why = numbers_of(cells, clock, MISSING_TOKENS)
    for row, what in why.items():
        if isinstance(cell := cells[row], int | float):
            values[row] = cell
        else:
            faults.setdefault(row, f"column {escaped(name)}: {escaped(str(cell))} {what}")
    return values


_KINDS = {"S": "bytes", "M": "dates", "m": "time spans", "c": "complex numbers"}


def number_in(cell: Any) -> float:
    """Return an object as float64, NaN for a missing value; text is read as in a table.
    Raises NotANumberError where the object is no number; an infinity is a number.
    """
    from lr_runtime.tables.cells.options import DATE, NotANumberError

    if is_missing(cell):
        return np.nan
    if isinstance(cell, str):
        return _usual().number(cell)
    try:
        if isinstance(cell, bytes):
            raise TypeError("float would take its text")
        return float(cell)
    except OverflowError:  # an integer of over 308 digits
        return np.inf if cell > 0 else -np.inf
    except Exception as error:  # objects that are no numbers may raise anything
        is_date = hasattr(cell, "isoformat")
        raise NotANumberError(*(DATE if is_date else ("is not a number",))) from error


@cache
def _usual() -> TableOptions:
    from lr_runtime.tables.cells.options import TableOptions

    return TableOptions()


def as_text(cells: NDArray[np.generic]) -> list[str | None]:
    """Return a column of categories by their values, None where one is missing."""
    if cells.dtype.kind == "M":  # as Arrow writes a date, from which a fit names it
        text = np.datetime_as_string(cast("NDArray[np.datetime64]", cells))
        cells = np.where(np.isnat(cells), text, np.char.replace(text, "T", " "))
    absent = _MISSING_IN_TEXT if cells.dtype.kind == "U" else ()
    return [None if is_missing(cell) or cell in absent else str(cell) for cell in cells.tolist()]


_MISSING_IN_TEXT = frozenset({"nan", "None", "NaT", "<NA>"})
"""The text that numpy makes of missing values in an array of text."""


def as_text_or_index(cells: NDArray[np.generic], categories: Sequence[str]) -> list[str | None]:
    """Return `as_text` with numbers as indices of `categories`; any other number becomes a text that is no category."""
    known: dict[float, str] = dict(enumerate(categories))
    return [
        known.get(cell, f"index {cell!r}")
        if text is not None and isinstance(cell, int | float) and not isinstance(cell, bool)
        else text
        for cell, text in zip(cells.tolist(), as_text(cells), strict=True)
    ]


def first_fault(faults: Mapping[int, str]) -> RowError:
    """Return the error for the first bad row."""
    row = min(faults)
    return RowError(row, faults[row])
