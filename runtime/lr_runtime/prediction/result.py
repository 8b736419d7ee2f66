"""The results of a model for input rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lr_runtime.errors import InputError, escaped
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.text import html_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(slots=True)  # not frozen: that doubles the time of making one, a tenth of a prediction's
class Prediction:
    """The results of a model for input rows; None for a result that the model does not have.

    Attributes:
        names: the names of the outputs.
        values: (rows, outputs) in the model's dtype.
        lower: (rows, outputs), the lower end of the prediction interval, at the contract's `interval_level`.
        upper: (rows, outputs), its upper end.
        in_range: bool (rows,), whether every column of a row lies within its training range.
        leverage: (rows,), how far a row is from the training rows (Hoaglin and Welsch, 1978).
        ignored: the names of input columns that the model does not have.
        index: the index of the frame of pandas that the rows came in; None of any other rows.

    Example:
        >>> import numpy as np
        >>> prediction = Prediction(("ozone",), np.array([[41.5], [38.0]], np.float32))
        >>> prediction.rows()
        [{'ozone': 41.5}, {'ozone': 38.0}]
    """

    names: tuple[str, ...]
    values: NDArray[np.floating]
    lower: NDArray[np.floating] | None = None
    upper: NDArray[np.floating] | None = None
    in_range: NDArray[np.bool_] | None = None
    leverage: NDArray[np.floating] | None = None
    ignored: tuple[str, ...] = ()
    index: pd.Index | None = None

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the results by name, each (rows,): each output, its `_lower`, `_upper`; `in_range`, `leverage`.

        Raises:
            InputError: two of these results have the same name.
        """
        ends = {"": self.values, "_lower": self.lower, "_upper": self.upper}
        named: list[tuple[str, NDArray[np.generic]]] = [
            (name + suffix, values[:, index])
            for index, name in enumerate(self.names)
            for suffix, values in ends.items()
            if values is not None
        ]
        flags = {"in_range": self.in_range, "leverage": self.leverage}
        named += [(name, values) for name, values in flags.items() if values is not None]
        if len(columns := dict(named)) < len(named):
            names = [name for name, _ in named]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two results of the model are called {escaped(twice)}. Take the outputs alone: --only-y")
        return columns

    def rows(self) -> list[dict[str, float]]:
        """Return one dict per row, from result name to value."""
        names, values = zip(*self.columns().items(), strict=True)
        if len(names) == 1:  # a server answers thousands of such rows at once: an eighth of the time of the general way
            return [{names[0]: value} for value in values[0].tolist()]
        rows = zip(*(each.tolist() for each in values), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def to_arrow(self) -> pa.Table:
        """Return the results as a table of pyarrow; MissingExtraError, as of the next two, where that is not there."""
        with needs_extra("tables"):
            import pyarrow as pa

            from lr_runtime.tables.arrow.memory import as_arrow
        return pa.table({name: as_arrow(values) for name, values in self.columns().items()})

    def to_pandas(self) -> pd.DataFrame:
        """Return the results as a frame of pandas, with the index of the frame that was predicted."""
        with needs_extra("pandas"):
            import pandas as pd
        return pd.DataFrame(self.columns(), index=self.index)

    def to_polars(self) -> pl.DataFrame:
        """Return the results as a frame of polars."""
        with needs_extra("polars"):
            import polars as pl
        return pl.DataFrame(self.columns())

    def _repr_html_(self) -> str:
        columns, count = self.columns(), len(self.values)
        labels = range(1, count + 1) if self.index is None else self.index
        rows = islice(zip(labels, *columns.values(), strict=True), 10)  # of more, nobody sees the end
        said = f"{count} predictions" + (", the first 10" if count > 10 else "")
        return html_table(said, ["", *columns], rows)

    def part(self, rows: NDArray[np.intp]) -> Prediction:
        """Return the results of the given rows."""
        return Prediction(
            names=self.names,
            values=self.values[rows],
            lower=None if self.lower is None else self.lower[rows],
            upper=None if self.upper is None else self.upper[rows],
            in_range=None if self.in_range is None else self.in_range[rows],
            leverage=None if self.leverage is None else self.leverage[rows],
            ignored=self.ignored,
            index=None if self.index is None else self.index[rows],
        )
