"""The kind `category`: the indicator of one level of a category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lr_runtime.contract.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import N


class Level(Term):
    """1 where x is the index `category` in the contract's categories, and 0 elsewhere.

    >>> Level(0, 2).value([2.0], [2.0])
    True
    """

    kind = "category"
    is_indicator = True

    def __init__(self, column: int, category: int) -> None:
        self.columns = (column,)
        self.category: Final = category

    def level(self, columns: Sequence[Column]) -> str:
        return columns[self.columns[0]].categories[self.category]

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        return f"{columns[self.columns[0]].name}={self.level(columns)}"

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        from lr_runtime.contract.equation import plain_name

        return f"[{names[self.columns[0]]} is {plain_name(self.level(columns))}]"

    def value(self, x: Sequence[object], u: Sequence[N]) -> N | bool:
        return x[self.columns[0]] == self.category

    def to_json(self) -> dict[str, int]:
        return {"column": self.columns[0], "category": self.category}

    def check(self, columns: Sequence[Column]) -> None:
        super().check(columns)
        if type(self.category) is not int or not 0 <= self.category < len(columns[self.columns[0]].categories):
            raise ValueError("a term's category is not in the contract")
