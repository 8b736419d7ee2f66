"""Powers of numeric variables: a block for each power, the first one of all numeric variables.

A variable that no term is made of has the weight 0 there, so that a value that the model does not take gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from lr_export.model.terms.block import Block, Box, Extremes, Rows, Steps, zeros
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, factors_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_export.exact.dyadic import Dyadic
    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column


@dataclass(frozen=True, eq=False)
class Powers(Block):
    """The variables that are raised to the power `degree`; `below` is the block of the power below."""

    below: Block | None = None

    def append(self, steps: Steps) -> Value:
        """Append u, u * u, (u * u) * u, ...: a power has one rounding a multiplication."""
        u = steps.variables(self.columns)
        if self.below is None:
            return u
        taken = [self.below.columns.index(column) for column in self.columns]
        return steps.build.multiply(steps.build.select(steps.made[self.below], taken), u)

    def exact(self, rows: Rows) -> Dyadic:
        return self.monomial(rows.u)

    def values(self, box: Box) -> Extremes:
        """Return those at the ends of the range; of powers above the first, from -reach^p to reach^p."""
        high = self.monomial(box.high if self.degree == 1 else box.reach)
        return Extremes(self.monomial(box.low) if self.degree == 1 else -high, high, self.monomial(box.fill))

    def span(self, box: Box) -> Extremes:
        first, last = self.monomial(box.low), self.monomial(box.high)
        low, high = first.minimum(last), first.maximum(last)
        if self.degree % 2 == 0:
            ends = (box.low.columns(self.columns), box.high.columns(self.columns))
            low = low.replaced((ends[0] <= zeros()) & (zeros() <= ends[1]), zeros())
        return Extremes(low, high, self.monomial(box.fill))

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return, of the first power, the number that is reached at an end of the range or at the fill."""
        if center is None or self.degree > 1:
            return super().supremum(sizes, box, center)
        away = abs(Extremes(*(end - center for end in self.values(box))))
        return (sizes * self.largest(away, box)).sum()


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block of each power from 1 on, of the numeric variables that have a term of it or of a higher one."""
    highest = {place: 1 for place, column in enumerate(columns) if column.kind == "number"}
    for factor in chain.from_iterable(map(factors_of, terms)):
        if isinstance(factor, Power) and factor.columns[0] in highest:
            highest[factor.columns[0]] = max(factor.power, highest[factor.columns[0]])
    block = None
    for power in range(1, max(highest.values(), default=0) + 1):
        raised = (Power(place, power) for place, most in highest.items() if most >= power)
        block = Powers(tuple(raised), power, block)
        yield block
