"""What exact sums keep of rows; equal rows, in any order and however they are cut, give equal arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.elementary import log
from lr_trainer.arithmetic.exact_sums import Dyadic, ExactSums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_trainer.arithmetic.arrays import Array


@dataclass(frozen=True)
class ExactRows:
    """The exact sums of rows of columns, and what else is known of them.

    Attributes:
        count: the number of rows.
        sums: of the weighted products of the columns and of 1.
        logs: of the weights' logarithms, one number.
        heaviest: the largest weight.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
    """

    count: int
    sums: ExactSums
    logs: Dyadic
    heaviest: float
    minimum: Array
    maximum: Array

    @staticmethod
    def of(parts: Sequence[Array], low: Array | None = None, weights: Array | None = None) -> ExactRows | None:
        """Return what is kept of some rows, at least one; None where a value is not finite.

        `parts`, `low` and `weights` are those of `ExactSums.of`.
        """
        minimum = np.concatenate([part.min(axis=0) for part in parts]) + 0.0  # 0.0 for -0.0, of which any may come
        maximum = np.concatenate([part.max(axis=0) for part in parts]) + 0.0
        if not (np.isfinite(minimum) & np.isfinite(maximum)).all():
            return None
        sums, logs, heaviest = ExactSums.of(*parts, low=low, weights=weights), Dyadic.zeros(1), 1.0
        if weights is not None:
            logs, heaviest = ExactSums.of(log(weights)[:, None]).totals(), float(weights.max())
        return ExactRows(len(parts[0]), sums, logs, heaviest, minimum, maximum)

    def merge(self, other: ExactRows) -> ExactRows:
        """Return the same of the rows of both."""
        return ExactRows(
            self.count + other.count,
            self.sums.merge(other.sums),
            self.logs + other.logs,
            max(self.heaviest, other.heaviest),
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
        )

    def mapped(self, matrix: Array, minimum: Array, maximum: Array) -> ExactRows:
        """Return the same of the columns [D, 1] matrix, of these ranges; the matrix is of whole numbers."""
        return ExactRows(self.count, self.sums.mapped(matrix), self.logs, self.heaviest, minimum, maximum)

    def arrays(self) -> dict[str, Array]:
        """Return what a checkpoint stores beside the moments."""
        logs = {f"logs.{name}": array for name, array in self.logs.arrays().items()}
        return self.sums.arrays() | logs | {"heaviest": np.array(self.heaviest)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array], count: int, minimum: Array, maximum: Array) -> ExactRows:
        """Return the rows of `arrays`, with what the moments hold of them."""
        logs = Dyadic.from_arrays({name: arrays[f"logs.{name}"] for name in ("exponent", "digits")})
        return ExactRows(count, ExactSums.from_arrays(arrays), logs, float(arrays["heaviest"]), minimum, maximum)
