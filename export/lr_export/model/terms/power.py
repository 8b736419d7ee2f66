"""Powers of numeric columns: a block for each power, the first one of all numeric columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Range
from lr_runtime.contract.terms.power import Power

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lr_export.model.terms.block import Box, Rows, Steps
    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term


@dataclass(frozen=True, eq=False)
class Powers(Block):
    """The columns that are raised to one power; `below` is the block of the power below."""

    below: Powers | None

    @property
    def degree(self) -> int:
        return 1 if self.below is None else self.below.degree + 1

    def append(self, steps: Steps) -> Value:
        """Append u, u * u, (u * u) * u, ...: a power has one rounding a multiplication."""
        if self.below is None:
            return steps.columns(steps.u, self.columns)
        taken = [self.below.columns.index(column) for column in self.columns]
        power = steps.build.select(steps.made[self.below], taken)
        return steps.build.multiply(power, steps.columns(steps.u, self.columns))

    def exact(self, rows: Rows) -> Dyadic:
        return self._power(rows.u)

    def range(self, box: Box) -> Range:
        """Return the range of each place over a box; of powers above the first, from -reach^p to reach^p."""
        if self.degree == 1:
            low, high = box.low.columns(self.columns), box.high.columns(self.columns)
        else:
            high = self._power(box.reach)
            low = -high
        return Range(low, high, self._power(box.fill))

    def moved(self, reach: Dyadic, by: Dyadic) -> Dyadic:
        """Return (reach + by)^p - reach^p."""
        return self._power(reach + by) - self._power(reach)

    def polynomial(self, place: int, column: int, u: NDArray[np.float64]) -> list[float]:
        """Return u^p."""
        return [0.0] * self.degree + [1.0]

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return it; of the first power without a gap, at an end of the range or at the fill."""
        if center is None or self.degree > 1:
            return super().supremum(sizes, box, center)
        over = self.range(box)
        away = abs(Range(over.low - center, over.high - center, over.missing - center))
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
        block = Powers(tuple(Power(place, power) for place, most in highest.items() if most >= power), block)
        yield block
