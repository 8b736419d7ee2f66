"""The training ranges of a model that exists, from rows of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import OptionError, escaped
from lr_runtime.prediction.inputs import as_numbers, first_fault, given
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from lr_export.importing.folding import Range, SourceColumn


def ranges_of(
    columns: Sequence[SourceColumn], ranges: Mapping[str, Range] | None, x: object = None
) -> dict[str, Range]:
    """Return the ranges that a caller gives: by name, or those of the training rows; a name goes before the rows.

    Args:
        columns: those of the model; `x` has them in this order, or by name.
        ranges: the least and the greatest value of columns of numbers.
        x: rows (rows, columns), or columns by name (a dict, a frame), of which missing values are left out; None for
            no rows.

    Raises:
        OptionError: a column of the rows has no value, or `ranges` is no mapping.
        InputError: the rows are none, or hold no numbers in a column of numbers.
        MissingColumnError: the rows lack a column.

    Example:
        >>> from lr_export.importing.folding import SourceColumn
        >>> rows = {"a": [3.0, None, 1.0], "b": [1, 2, 3]}
        >>> ranges_of([SourceColumn("a"), SourceColumn("b")], {"b": (0.0, 9.0)}, rows)
        {'a': (1.0, 3.0), 'b': (0.0, 9.0)}
    """
    if not isinstance(ranges, Mapping | None):
        raise OptionError('expected ranges by name, such as {"temp": (-20, 60)}, not ' + type(ranges).__name__)
    named = {str(name): ends for name, ends in (ranges or {}).items()}
    if x is None:
        return named
    rows = given(x, [composed(column.name) for column in columns])
    taken = rows.columns if rows.matrix is None else rows.matrix.T
    found = {each.name: _range(cells, each.name) for each, cells in zip(columns, taken, strict=True) if not each.values}
    return found | named


def _range(cells: object, name: str) -> Range:
    faults: dict[int, str] = {}
    values = as_numbers(np.asarray(cells), name, faults)
    if faults:
        raise first_fault(faults)
    known = values[~np.isnan(values)]
    if not known.size:
        raise OptionError(f"the column {escaped(name)} has no value in the rows. Give its range with --range")
    return float(known.min()), float(known.max())
