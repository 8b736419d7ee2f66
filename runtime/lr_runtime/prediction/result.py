"""The results of a model for input rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_runtime.errors import InputError, escaped

if TYPE_CHECKING:
    import numpy as np
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
        columns = self.columns()
        return [
            dict(zip(columns, row, strict=True))
            for row in zip(*(values.tolist() for values in columns.values()), strict=True)
        ]

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
        )
