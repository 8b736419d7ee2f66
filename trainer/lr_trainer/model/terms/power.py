"""Powers on the raw columns, and their derivative."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

from lr_runtime.contract.terms.power import Power
from lr_trainer.arithmetic.elementary import whole_power
from lr_trainer.model.terms.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.terms.evaluation import RawTerms


class PowerEvaluation(Evaluation):
    """See `lr_runtime.contract.terms.power`."""

    term: Power

    @property
    def is_rounded(self) -> bool:
        return self.term.power > 1

    def on_raw(self, origin: Array, scale: Array) -> RawTerms:
        """Return the parts of ((x - o) / s)^k = sum_j C(k, j) x^j (-o)^(k - j) / s^k."""
        (column,), power = self.term.columns, self.term.power
        if power == 1 and not origin[column] and scale[column] == 1:  # most terms, in a tenth of the time
            return {self.term: Fraction(1)}
        zero, unit = Fraction(origin[column]), Fraction(scale[column])
        parts: RawTerms = {}
        for low in range(power + 1):
            value = comb(power, low) * (-zero) ** (power - low) / unit**power
            if value:
                parts[Power(column, low) if low else None] = value
        return parts

    def slopes(self, ends: Array) -> Iterator[tuple[int, Array]]:
        """Yield k u^(k - 1)."""
        (column,), power = self.term.columns, self.term.power
        yield column, power * whole_power(ends[:, column], power - 1) * (ends[:, column] != 0)


KIND = PowerEvaluation
