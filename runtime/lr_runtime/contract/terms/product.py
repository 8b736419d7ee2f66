"""The kind `product`: a product of terms of different variables, an interaction."""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import TYPE_CHECKING

from lr_runtime.contract.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import N
    from lr_runtime.system.text import Json


class Product(Term):
    """The product of powers and indicators, each of a variable of its own.

    >>> from lr_runtime.contract.terms.power import Power
    >>> Product([Power(0), Power(1, 2)]).value([2.0, 3.0], [2.0, 3.0])
    18.0
    """

    kind = "product"

    def __init__(self, factors: Sequence[Term]) -> None:
        self.factors = tuple(sorted(factors, key=lambda factor: factor.columns))
        self.columns = tuple(column for factor in self.factors for column in factor.columns)
        self.is_indicator = all(factor.is_indicator for factor in self.factors)
        # Its powers have to be of variables near 0, or it would be nearly one of them.
        self.basis_columns = tuple(factor.columns[0] for factor in self.factors if not factor.is_indicator)

    def __hash__(self) -> int:
        return hash(self.factors)

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        """Return `mv:temp`, `mv^2:site=A`."""
        return ":".join(factor.name(columns, scaled) for factor in self.factors)

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        return " * ".join(factor.words(names, columns) for factor in self.factors)

    def value(self, x: Sequence[object], u: Sequence[N]) -> N | bool:
        # Numbers first: they know how to be multiplied by an indicator.
        values = [factor.value(x, u) for factor in sorted(self.factors, key=lambda factor: factor.is_indicator)]
        return reduce(mul, values)

    def to_json(self) -> Mapping[str, Json]:
        return {"kind": self.kind, "factors": [dict(factor.to_json()) for factor in self.factors]}

    def check(self, columns: Sequence[Column]) -> None:
        super().check(columns)
        if (
            len(self.factors) < 2
            or len(set(self.columns)) < len(self.factors)
            or any(isinstance(factor, Product) for factor in self.factors)
        ):
            raise ValueError("a product is not of two or more terms of different variables")
