"""The trainer's operations on a term of any kind, besides its value."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_runtime.contract.terms.term import Term
    from lr_trainer.arithmetic.arrays import Array

    RawTerms = dict[Term | None, Fraction]
    Parts = dict[int | None, Fraction]


@dataclass(frozen=True)
class Evaluation:
    """A term as the trainer evaluates it; the defaults are those of an indicator, other kinds are subclasses."""

    term: Term

    @property
    def is_rounded(self) -> bool:
        """Whether float64 rounds the value even where x - origin is exact."""
        return False

    def on_raw(self, origin: Array, scale: Array) -> RawTerms:
        """Return the term as a sum of terms on the raw variables: the weight of each, None the intercept."""
        return {self.term: Fraction(1)}

    def slopes(self, ends: Array) -> Iterator[tuple[int, Array]]:
        """Yield, for each column whose rounding moves the term, its number and the derivatives by u, float64 (2,).

        `ends`, float64 (2, columns), are the ends of the range of u, where derivatives are largest; at 0 they give 0.
        """
        yield from ()


def evaluation_of(term: Term) -> Evaluation:
    """Return the evaluation of a term, of the class for its kind."""
    return _kind(term.kind)(term)


@cache
def _kind(name: str) -> type[Evaluation]:
    """Return `KIND` of the module in this folder that has the kind's name; an indicator needs no module."""
    module = f"lr_trainer.model.terms.{name}"
    return Evaluation if find_spec(module) is None else cast("type[Evaluation]", import_module(module).KIND)
