"""The kind `power`: a power of a numeric column, the first one mostly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lr_runtime.contract.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column


class Power(Term):
    """A power of u = (x - origin) / scale.

    >>> Power(0, 2).value([7.0], [1.5])
    2.25
    """

    __slots__ = ("power",)
    kind = "power"

    def __init__(self, column: int, power: int = 1) -> None:
        super().__init__(column)
        self.power: Final = power

    @property
    def raw_column(self) -> int | None:
        return self.columns[0] if self.power == 1 else None

    @property
    def basis_columns(self) -> tuple[int, ...]:
        return self.columns if self.power > 1 else ()

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        """Return `x`, `x^2`, or on origin and scale `(x - 16) / 4`, `((x - 16) / 4)^2`."""
        written = (scaled or {}).get(self.columns[0])
        if written is not None:
            return written if self.power == 1 else f"({written})^{self.power}"
        return self._raised(columns[self.columns[0]].name)

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        """Return `x`, `x^2`."""
        return self._raised(names[self.columns[0]])

    def value(self, x: Sequence[float], u: Sequence[float]) -> float:
        return float(u[self.columns[0]] ** self.power)

    def to_json(self) -> dict[str, Any]:
        return {"column": self.columns[0], **({} if self.power == 1 else {"power": self.power})}

    def check(self, columns: Sequence[Column]) -> None:
        super().check(columns)
        if type(self.power) is not int or self.power < 1:
            raise ValueError("a term's power is no whole number of 1 or more")

    def _raised(self, name: str) -> str:
        return name if self.power == 1 else f"{name}^{self.power}"
