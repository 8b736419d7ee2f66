"""What every kind of term answers, and how a term is read from JSON. Standard library only.

How the trainer evaluates a kind is in `lr_trainer.model.terms`, how an artefact computes it and how far that may be off
in `lr_export.model.terms`. Nothing else knows a kind of term.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from lr_runtime.contract.columns import Column
    from lr_runtime.system.text import Json

    class Number(Protocol):
        """A number, or an array of them: a float, a tensor, a pair of tensors in double-double."""

        def __mul__(self, other: Self, /) -> Self: ...

    N = TypeVar("N", bound=Number)

_KINDS = {"power": "Power", "category": "Level", "missing": "MissingIndicator", "product": "Product"}
"""The class of each kind, in the module of the kind's name: a device imports those kinds alone that a model has."""

_DEFAULTS = {"power": 1, "category": None, "missing": False}
"""The fields of a term's JSON form that the first three kinds may leave out at these values."""


class Term:
    """A column of the design matrix, made of the variables number `columns`, each kind a subclass.

    Variables are the input columns, and behind them those that are derived from one (`lr_runtime.contract.derived`).

    Terms are immutable, and equal where their JSON form is. They are evaluated at `x`, the input columns, NaN for a
    missing value, and `u`, the same on origin and scale: u_j = (x_j - origin_j) / scale_j, with fill_j in place of a
    missing x_j. A column is a number for one row, or an array for several.
    """

    kind: ClassVar[str]
    columns: tuple[int, ...]
    is_indicator: bool = False
    """Whether the value is 1 where a condition holds, and 0 elsewhere."""
    is_of_missing: ClassVar[bool] = False
    """Whether that condition is that the column's value is missing."""
    factors: tuple[Term, ...] = ()
    """Of a product its factors; empty of other kinds."""
    raw_column: int | None = None
    """The input column that the term is, but for origin and scale; None where it is not a column itself."""
    basis_columns: tuple[int, ...] = ()
    """The columns that are evaluated on origin and scale, because their raw values would lose digits of the term."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(tuple(self.to_json().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.to_json().values()))})"

    def level(self, columns: Sequence[Column]) -> str | None:
        """Return the category that the term indicates; None of other kinds."""
        return None

    def name(self, columns: Sequence[Column], scaled: Mapping[int, str] | None = None) -> str:
        """Return the name in reports, `x^2`, `site=A`, `x missing`; `scaled` has columns as written on their origin."""
        raise NotImplementedError

    def words(self, names: Sequence[str], columns: Sequence[Column]) -> str:
        """Return how the equation writes the term, with `names` for the columns: `u(x)^2`, `[site is A]`."""
        raise NotImplementedError

    def value(self, x: Sequence[object], u: Sequence[N]) -> N | bool:
        """Return the term; of an indicator, whether it is 1."""
        raise NotImplementedError

    def to_json(self) -> Mapping[str, Json]:
        """Return the JSON form; what is at its default is left out."""
        raise NotImplementedError

    def fields(self) -> Mapping[str, Json]:
        """Return every field as JSON values; terms of one column have those of its first three kinds."""
        written = self.to_json()
        return {"column": written["column"], **_DEFAULTS, **written} if "column" in written else written

    def check(self, columns: Sequence[Column]) -> None:
        """Raise ValueError where the term is none of these columns."""
        if set(map(type, self.columns)) != {int} or not 0 <= min(self.columns) <= max(self.columns) < len(columns):
            raise ValueError("a term is none of its columns")


def read_term(written: Mapping[str, Any], columns: Sequence[Column]) -> Term:
    """Return the term of a JSON form; raises ValueError, TypeError or KeyError where it is none of these columns."""
    parts = {name: value for name, value in written.items() if name not in _DEFAULTS or value is not _DEFAULTS[name]}
    if parts.get("missing") is True:
        kind = "missing"
        del parts["missing"]
    else:
        kind = parts.pop("kind", "category" if "category" in parts else "power")
    if kind == "product":
        parts["factors"] = [read_term(factor, columns) for factor in parts["factors"]]
    term = _class_of(kind)(**parts)
    term.check(columns)
    return term


@cache
def _class_of(kind: str) -> type[Term]:
    """Return the class of a kind; raises KeyError where there is no such kind."""
    in_module = _KINDS[kind]
    return cast("type[Term]", getattr(import_module(f"lr_runtime.contract.terms.{kind}"), in_module))


def factors_of(term: Term) -> tuple[Term, ...]:
    """Return the factors of a product; of another term, itself."""
    return term.factors or (term,)


def columns_on_basis(terms: Sequence[Term]) -> set[int]:
    """Return the columns that some term needs on origin and scale."""
    return {column for term in terms for column in term.basis_columns}


def free_columns(terms: Sequence[Term]) -> list[int | None]:
    """Return, for each term, the column that it is, if no term needs that column on its origin and scale; else None."""
    fixed = columns_on_basis(terms)
    return [None if term.raw_column in fixed else term.raw_column for term in terms]
