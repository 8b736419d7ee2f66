"""Terms: the columns of the design matrix, each made of one input column. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lr_runtime.contract.columns import Column


class Term(NamedTuple):
    """A column of the design matrix, made of input column number `column`.

    A power of ((x - origin) / scale); or, with `category`, 1 where x is that index in the contract's categories and 0
    elsewhere; or, with `missing`, 1 where x is missing.
    """

    column: int
    power: int = 1
    category: int | None = None
    missing: bool = False

    @property
    def is_power(self) -> bool:
        """Whether it is a power of its column, the first one mostly."""
        return self.category is None and not self.missing

    def name(self, columns: tuple[Column, ...]) -> str:
        """Return how reports call it: `x`, `x^2`, `site=A`, `x missing`."""
        column = columns[self.column]
        if self.category is not None:
            return f"{column.name}={column.categories[self.category]}"
        if self.missing:
            return f"{column.name} missing"
        return column.name if self.power == 1 else f"{column.name}^{self.power}"

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what is at its default is left out."""
        defaults = self._field_defaults
        return {
            name: value for name, value in self._asdict().items() if name not in defaults or value != defaults[name]
        }

    @staticmethod
    def from_json(fields: dict[str, Any], columns: tuple[Column, ...]) -> Term:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not a term of these columns.
        """
        term = Term(**fields)
        numbers = term.column, term.power, 0 if term.category is None else term.category
        if set(map(type, numbers)) != {int} or min(numbers) < 0:
            raise ValueError("a term is damaged")
        if term.column >= len(columns) or term.power < 1 or not isinstance(term.missing, bool):
            raise ValueError("a term is none of its columns")
        categories = columns[term.column].categories
        if term.category is not None and term.category >= len(categories):
            raise ValueError("a term's category is not in the contract")
        return term
