"""Ordinary least squares from centred moments: the solution, its standard errors, and when there is none.

The columns are scaled by powers of two first, which rounds nothing; the correlation matrix that is left has a condition
number that says how many digits the moments still hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_trainer.errors import CollinearError, TooFewRowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.moments import Moments

_CONSTANT = 1e-12
"""A column whose range is below this share of its size carries rounding, not information."""


@dataclass(frozen=True)
class LeastSquares:
    """The solution for `terms` columns and `outputs` targets, with an intercept.

    Attributes:
        weight: float64 (outputs, terms), per unit of each column; 0 for a constant column.
        kept: bool (terms,), False for a constant column.
        residual_sum: float64 (outputs,), the sum of squared residuals.
        total_sum: float64 (outputs,), the sum of squares about the mean.
        inverse: float64 (terms, terms), the inverse of the centred Gram matrix; 0 for a constant column.
        degrees: the degrees of freedom of the residuals.
        condition: the 2-norm condition number of the columns, centred and scaled to unit length.
    """

    weight: NDArray[np.float64]
    kept: NDArray[np.bool_]
    residual_sum: NDArray[np.float64]
    total_sum: NDArray[np.float64]
    inverse: NDArray[np.float64]
    degrees: int
    condition: float

    @property
    def residual_sd(self) -> NDArray[np.float64] | None:
        """float64 (outputs,), the residual standard deviation; None where no degree of freedom is left."""
        return np.sqrt(self.residual_sum / self.degrees) if self.degrees > 0 else None

    @property
    def r2(self) -> NDArray[np.float64]:
        """float64 (outputs,), 1 - residual sum / total sum; NaN for a target without variance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return 1.0 - self.residual_sum / np.where(self.total_sum > 0, self.total_sum, np.nan)

    @property
    def weight_error(self) -> NDArray[np.float64] | None:
        """float64 (outputs, terms), the standard errors of `weight`."""
        sd = self.residual_sd
        return None if sd is None else np.outer(sd, np.sqrt(np.diag(self.inverse)))

    def intercept_error(self, offset: NDArray[np.float64], rows: int) -> NDArray[np.float64] | None:
        """Return float64 (outputs,), the standard errors of the prediction at means minus `offset` (terms,)."""
        sd = self.residual_sd
        return None if sd is None else sd * np.sqrt(1.0 / rows + offset @ self.inverse @ offset)


def solve(moments: Moments, names: Sequence[str], outputs: int) -> LeastSquares:
    """Fit the last `outputs` columns of `moments` to the others, called `names`, with an intercept.

    Raises:
        TooFewRowsError: there are fewer rows than coefficients.
        CollinearError: some columns are combinations of others, to the precision of the moments.
    """
    terms = len(names)
    # One row makes every column look constant, so it is refused before those are left out.
    kept = _varies(moments, terms) if moments.rows > 1 else np.ones(terms, dtype=np.bool_)
    if moments.rows < 1 + np.count_nonzero(kept):
        raise TooFewRowsError(moments.rows, int(np.count_nonzero(kept)) + 1)
    gram = moments.comoment[:terms, :terms][np.ix_(kept, kept)]
    cross = moments.comoment[:terms, terms:][kept]
    total = np.diag(moments.comoment)[terms:]
    scale = _power_of_two(np.sqrt(np.diag(gram)))
    scaled = gram / np.outer(scale, scale)
    condition = _condition(scaled, [name for name, keep in zip(names, kept, strict=True) if keep])
    weight, inverse = np.zeros((outputs, terms)), np.zeros((terms, terms))
    factor = linalg.cho_factor(scaled)
    solution = linalg.cho_solve(factor, cross / scale[:, None])
    weight[:, kept] = (solution / scale[:, None]).T
    inverse[np.ix_(kept, kept)] = linalg.cho_solve(factor, np.eye(len(scale))) / np.outer(scale, scale)
    explained = np.einsum("to,to->o", solution, cross / scale[:, None])
    return LeastSquares(
        weight=weight,
        kept=kept,
        residual_sum=np.maximum(total - explained, 0.0),
        total_sum=total,
        inverse=inverse,
        degrees=moments.rows - 1 - len(scale),
        condition=condition,
    )


def _varies(moments: Moments, terms: int) -> NDArray[np.bool_]:
    low, high = moments.minimum[:terms], moments.maximum[:terms]
    varies: NDArray[np.bool_] = (high - low) > _CONSTANT * np.maximum(np.abs(low), np.abs(high))
    return varies


def _power_of_two(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.ldexp(1.0, np.frexp(values)[1] - 1))


def _condition(scaled: NDArray[np.float64], names: Sequence[str]) -> float:
    """Return the columns' condition number, or raise CollinearError where it exceeds what the moments can tell.

    A Gram matrix of float64 rows has relative rounding errors near 2^-53 times the columns' number; an eigenvalue below
    that is indistinguishable from 0.
    """
    if not names:
        return 1.0
    unit = 1.0 / np.sqrt(np.diag(scaled))
    values, vectors = np.linalg.eigh(scaled * np.outer(unit, unit))
    if values[0] <= 64 * len(names) * 2.0**-53 * values[-1]:
        loads = np.abs(vectors[:, 0])
        raise CollinearError([name for name, load in zip(names, loads, strict=True) if load > 1e-3 * loads.max()])
    return float(np.sqrt(values[-1] / values[0]))
