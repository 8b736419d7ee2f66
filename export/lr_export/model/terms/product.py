"""Products of powers and indicators of several variables: a block for each number of factors and degree."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Box, Extremes, Rows, Steps, zeros
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.contract.terms.term import Term, factors_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column


class Products(Block):
    """Products of equally many factors, whose powers add up to the block's degree."""

    def append(self, steps: Steps) -> Value:
        """Append the products of the factors, from left to right; an indicator rounds nothing."""
        beside, place_of = steps.factors
        each = zip(*map(factors_of, self.terms), strict=True)
        selected = [steps.build.select(beside, [place_of[factor] for factor in factors]) for factors in each]
        return reduce(steps.build.multiply, selected)

    def exact(self, rows: Rows) -> Dyadic:
        columns = [*rows.x.T]
        flags = [
            np.all([factor.value(columns, []) for factor in factors_of(term) if factor.is_indicator], axis=0)
            for term in self.terms
        ]
        indicators = np.stack([np.broadcast_to(flag, len(rows.x)) for flag in flags], axis=1)
        return self.monomial(rows.u) * Dyadic(indicators.astype(object), 0)

    def values(self, box: Box) -> Extremes:
        """Return those from -reach to reach of all factors, missing values among them."""
        reach = self.monomial(box.filled_reach)
        return Extremes(-reach, reach, zeros(len(self.terms)))

    def span(self, box: Box) -> Extremes:
        least = box.low.replaced(box.may_miss, box.low.minimum(box.fill))
        most = box.high.replaced(box.may_miss, box.high.maximum(box.fill))
        low = high = Dyadic(np.full(len(self.terms), 1, dtype=object), 0)
        for variables in self.variables:
            ends = [end * each.columns(variables) for end in (low, high) for each in (least, most)]
            low, high = reduce(Dyadic.minimum, ends), reduce(Dyadic.maximum, ends)
        flagged = np.array([any(factor.is_indicator for factor in factors_of(term)) for term in self.terms])
        low, high = low.replaced(flagged, low.minimum(zeros())), high.replaced(flagged, high.maximum(zeros()))
        return Extremes(low, high, zeros(len(self.terms)))

    def lost(self, reach: Dyadic) -> Dyadic:
        """Return 2 degree prod max(1, |u|): what a factor or a product before it has lost, the others enlarge."""
        one = Dyadic(np.array(1, dtype=object), 0)
        return Dyadic(np.array(2 * self.degree, dtype=object), 0) * self.monomial(reach.maximum(one))


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block of each number of factors and degree, in order."""
    found: dict[tuple[int, int], list[Term]] = {}
    for term in terms:
        if isinstance(term, Product):
            degree = sum(factor.power for factor in term.factors if isinstance(factor, Power))
            found.setdefault((len(term.factors), degree), []).append(term)
    for (_, degree), products in sorted(found.items(), key=lambda each: each[0]):
        yield Products(tuple(products), degree)
