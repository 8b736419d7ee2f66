"""Powers: evaluated, on the raw columns, and their derivative."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

from lr_runtime.contract.terms.power import Power
from lr_trainer.model.terms.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from lr_runtime.contract.terms.term import Term
    from lr_trainer.arithmetic.double_double import Extended
    from lr_trainer.model.terms.evaluation import Array, Basis, Parts


class PowerEvaluation(Evaluation):
    """See `lr_runtime.contract.terms.power`."""

    term: Power

    @property
    def is_rounded(self) -> bool:
        return self.term.power > 1

    def value(self, x: torch.Tensor, u: torch.Tensor, basis: Basis) -> torch.Tensor:
        base = u[:, self.term.columns[0]]
        return base**self.term.power if self.term.power > 1 else base

    def extended(self, x: torch.Tensor, u: Extended[torch.Tensor], basis: Basis) -> Extended[torch.Tensor]:
        value = base = u[:, self.term.columns[0]]
        for _ in range(self.term.power - 1):
            value = value * base
        return value

    def raw_parts(self, places: Mapping[Term, int], basis: Basis) -> Parts:
        """Return the parts of ((x - o) / s)^k = sum_j C(k, j) x^j (-o)^(k - j) / s^k."""
        (column,), power = self.term.columns, self.term.power
        origin, scale = Fraction(basis.origin[column]), Fraction(basis.scale[column])
        parts: Parts = {}
        for low in range(power + 1):
            value = comb(power, low) * (-origin) ** (power - low) / scale**power
            if value:
                parts[places[Power(column, low)] if low else None] = value
        return parts

    def slopes(self, ends: Array) -> Iterator[tuple[int, Array]]:
        """Yield k u^(k - 1)."""
        (column,), power = self.term.columns, self.term.power
        yield column, power * ends[:, column] ** (power - 1) * (ends[:, column] != 0)
