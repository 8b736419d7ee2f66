"""Powers of numeric columns: a block for each power, the first one of all numeric columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Extremes
from lr_runtime.contract.terms.power import Power

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_export.model.terms.block import Box, Rows, Steps
    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term


@dataclass(frozen=True, eq=False)
class Powers(Block):
    """The columns that are raised to the power `degree`; `below` is the block of the power below."""

    below: Block | None = None

    def append(self, steps: Steps) -> Value:
        """Append u, u * u, (u * u) * u, ...: a power has one rounding a multiplication."""
        u = steps.columns(steps.u, self.columns)
        if self.below is None:
            return u
        taken = [self.below.columns.index(column) for column in self.columns]
        return steps.build.multiply(steps.build.select(steps.made[self.below], taken), u)

    def exact(self, rows: Rows) -> Dyadic:
        return self._power(rows.u)

    def values(self, box: Box) -> Extremes:
        """Return those at the ends of the range; of powers above the first, from -reach^p to reach^p."""
        high = self._power(box.high if self.degree == 1 else box.reach)
        return Extremes(self._power(box.low) if self.degree == 1 else -high, high, self._power(box.fill))

    def moved(self, reach: Dyadic, by: Dyadic) -> Dyadic:
        return self._power(reach + by) - self._power(reach)

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return, of the first power, the number that is reached at an end of the range or at the fill."""
        if center is None or self.degree > 1:
            return super().supremum(sizes, box, center)
        away = abs(Extremes(*(end - center for end in self.values(box))))
        return (sizes * self.largest(away, box)).sum()

    def _power(self, u: Dyadic) -> Dyadic:
        base = u.columns(self.columns)
        return base if self.degree == 1 else Dyadic(base.integers**self.degree, base.exponent * self.degree)


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block of each power from 1 on, of the numeric columns that have a term of it or of a higher one."""
    highest = {place: 1 for place, column in enumerate(columns) if column.kind == "number"}
    for term in terms:
        if isinstance(term, Power) and term.columns[0] in highest:
            highest[term.columns[0]] = max(term.power, highest[term.columns[0]])
    block = None
    for power in range(1, max(highest.values(), default=0) + 1):
        raised = (Power(place, power) for place, most in highest.items() if most >= power)
        block = Powers(tuple(raised), power, block)
        yield block
