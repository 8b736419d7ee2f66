"""When a column counts as a combination of others: what rounding leaves of it minus its regression on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.linear_algebra import times
from lr_trainer.arithmetic.rounding import rounding_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations

_LEAST_SHARE = 0.25
"""A column is no combination of others where they leave more than this share of its sum of squares: one that varies in
its last digits only is not told from rounding otherwise. What rounding leaves of a true combination of such columns
is a unit in the last place where the column itself varies by more than four (`varies`): a twelfth at most."""

_ROUNDING = 2.0**-96
"""Double-double products and sweeps are right to this share of the columns' lengths, times their number."""


@dataclass(frozen=True)
class Floor:
    """Pivot tolerances: what rounding leaves of columns that are combinations of others.

    What is left is x_k - sum b_i x_i = sum c_i x_i, as a sum of (weighted) squares, of columns x each at some scale.

    Attributes:
        values: float64 (sources, terms), `NormalEquations.rounding` at that scale, over all rows.
        lengths: float64 (terms,), the columns' lengths.
    """

    values: Array
    lengths: Array

    @staticmethod
    def of(normal: NormalEquations) -> Floor:
        """Return the floor of the terms divided by `normal.scale`."""
        terms, scale = normal.terms, normal.scale[: normal.terms]
        values = np.diag(rounding_of(normal.largest[:terms])) if normal.rounding is None else normal.rounding
        lengths = np.sqrt(np.maximum(np.diag(normal.columns), 0.0))
        return Floor(math.sqrt(normal.loose_weight) * values / scale, lengths / scale)

    def under(self, relation: Array, others: slice | Sequence[int], column: int) -> float:
        """Return the pivot tolerance: what rounding leaves of a column minus its regression on the others.

        Args:
            relation: float64 (others,), the coefficients of that regression.
            others: their places.
            column: the place of the column.

        Rounding E of the products, by Cholesky factorisation no more than a share of the lengths' (Higham 2002,
        "Accuracy and stability of numerical algorithms", theorem 10.3), moves the sum of squares by c' E c.
        """
        values = self.values[:, column] - times(self.values[:, others], relation)
        arithmetic = float(self.lengths[column] + times(np.abs(relation), self.lengths[others]))
        noise = min(float(times(values, values)), _LEAST_SHARE * float(self.lengths[column]) ** 2)
        return max(noise, len(self.lengths) * _ROUNDING * arithmetic * arithmetic)

    @property
    def least_penalty(self) -> float:
        """A ridge penalty that is above this for certain, where no column is more than the sum of all others."""
        count = len(self.lengths)
        return 10.0 ** math.ceil(math.log10(10 * count * (1 + count) ** 2 * _ROUNDING))
