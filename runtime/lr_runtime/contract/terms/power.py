"""The kind `power`: a power of a numeric column, the first one mostly."""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, Final

from lr_runtime.contract.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import N


class Power(Term):
    """A power of u = (x - origin) / scale.

    >>> Power(0, 2).value([7.0], [1.5])
    2.25
    """

    kind = "power"

    def __init__(self, column: int, power: int = 1) -> None:
        self.columns = (column,)
        self.power: Final = power
        self.raw_column = column if power == 1 else None
        self.basis_columns = () if power == 1 else (column,)

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        """Return `x`, `x^2`, or on origin and scale `(x - 16) / 4`, `((x - 16) / 4)^2`."""
        (column,) = self.columns
        if scaled and column in scaled:
            return self._raised(scaled[column] if self.power == 1 else f"({scaled[column]})")
        return self._raised(columns[column].name)

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        return self._raised(names[self.columns[0]])

    def value(self, x: Sequence[object], u: Sequence[N]) -> N | bool:
        # By products: NumPy's own power of an array takes ten times as long.
        return reduce(mul, [u[self.columns[0]]] * self.power)

    def to_json(self) -> dict[str, int]:
        return {"column": self.columns[0], **({} if self.power == 1 else {"power": self.power})}

    def check(self, columns: Sequence[Column]) -> None:
        super().check(columns)
        if type(self.power) is not int or self.power < 1:
            raise ValueError("a term's power is no whole number of 1 or more")

    def _raised(self, name: str) -> str:
        return name if self.power == 1 else f"{name}^{self.power}"
