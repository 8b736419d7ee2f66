"""Products on the raw variables, and their derivatives."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from lr_runtime.contract.terms.product import Product
from lr_trainer.model.terms.evaluation import Evaluation, evaluation_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.contract.terms.term import Term
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.terms.evaluation import RawTerms


def product_of(factors: Sequence[Term]) -> Term | None:
    """Return the product of these; None of none, which is 1."""
    return Product(factors) if len(factors) > 1 else next(iter(factors), None)


class ProductEvaluation(Evaluation):
    """See `lr_runtime.contract.terms.product`."""

    term: Product

    @property
    def is_rounded(self) -> bool:
        return len(self.term.basis_columns) > 1 or any(evaluation_of(each).is_rounded for each in self.term.factors)

    def on_raw(self, origin: Array, scale: Array) -> RawTerms:
        """Return the products of every part of one factor with every part of the others."""
        parts = [evaluation_of(factor).on_raw(origin, scale).items() for factor in self.term.factors]
        return {
            product_of([term for term, _ in chosen if term]): prod((share for _, share in chosen), start=Fraction(1))
            for chosen in product(*parts)
        }

    def slopes(self, ends: Array) -> Iterator[tuple[int, Array]]:
        """Yield the derivative of each factor, times the most that the others can be."""
        rows = tuple(ends.T)
        for factor in self.term.factors:
            others = [other for other in self.term.factors if other is not factor and not other.is_indicator]
            most = prod((float(abs(each.value(rows, rows)).max()) for each in others), start=1.0)
            for column, slopes in evaluation_of(factor).slopes(ends):
                yield column, slopes * most


KIND = ProductEvaluation
