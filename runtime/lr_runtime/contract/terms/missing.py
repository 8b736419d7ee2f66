"""The kind `missing`: the indicator of a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.contract.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import N


class MissingIndicator(Term):
    """1 where x is missing, and 0 elsewhere.

    >>> MissingIndicator(0).value([float("nan")], [0.0])
    True
    """

    kind = "missing"
    is_indicator = is_of_missing = True

    def __init__(self, column: int) -> None:
        self.columns = (column,)

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        return f"{columns[self.columns[0]].name} missing"

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        return f"[{names[self.columns[0]]} is missing]"

    def value(self, x: Sequence[object], u: Sequence[N]) -> N | bool:
        given = x[self.columns[0]]
        return given != given  # noqa: PLR0124 - of NaN alone

    def to_json(self) -> dict[str, int]:
        return {"column": self.columns[0], "missing": True}
