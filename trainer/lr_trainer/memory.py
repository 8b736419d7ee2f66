"""Arrays in memory as a table, for fits from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import TableError, escaped
from lr_runtime.tables.batch import Batch, Coded, check_names, coded, positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.contract import Kind

_BATCH_ROWS = 1 << 16


class ArrayTable:
    """Columns by name, each one-dimensional and of the same length; see `lr_runtime.tables.Table`.

    Raises:
        TableError: lengths differ, or a column holds neither numbers nor text.
    """

    def __init__(self, columns: Mapping[str, ArrayLike], name: str = "the table") -> None:
        self.name = name
        self.names = check_names(name, list(columns))
        self._columns = {key: np.asarray(column) for key, column in columns.items()}
        shapes = {column.shape for column in self._columns.values()}
        if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
            raise TableError(f"{name}: columns are one-dimensional and of one length; these have the shapes {shapes}")
        self.size: int | None = next(iter(shapes))[0] if shapes else 0
        for key, column in self._columns.items():
            if column.dtype.kind not in "biufUO":
                raise TableError(f"{name}, column {escaped(key)}: holds {column.dtype}, not numbers or text")

    def kinds(self, columns: Sequence[str]) -> dict[str, Kind]:
        """See `lr_runtime.tables.Table.kinds`."""
        positions(self, columns)
        return {name: "category" if self._columns[name].dtype.kind in "UO" else "number" for name in columns}

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        positions(self, [*columns, *categories])
        for start in range(0, self.size or 0, _BATCH_ROWS):
            stop = min(start + _BATCH_ROWS, self.size or 0)
            values = np.empty((stop - start, len(columns)))
            for index, name in enumerate(columns):
                values[:, index] = self._columns[name][start:stop]
            self._check_finite(values, columns, start)
            texts = tuple(_coded(self._columns[name][start:stop]) for name in categories)
            yield Batch(values, lambda row, start=start: f"row {start + row + 1}", stop - start, texts)  # type: ignore[misc]

    def _check_finite(self, values: NDArray[np.float64], columns: Sequence[str], start: int) -> None:
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise TableError(
                f"{self.name} row {start + row + 1}, column {escaped(columns[column])}: the value is not finite"
            )


def _coded(values: NDArray[np.object_]) -> Coded:
    return coded(None if _is_missing(value) else str(value) for value in values.tolist())


def _is_missing(value: object) -> bool:
    return value is None or value != value or value == ""  # noqa: PLR0124 - NaN alone differs from itself
