"""How many digits of a figure are certain: bounds on what the rounding of our arithmetic may have moved.

With E the rounding of the Gram matrix G of columns x_i, |E_ij| <= u |x_i| |x_j|, where |x_i| is a column's length about
its mean, or about 0 without an intercept. To first order in E, with w the weights, z = G^-1 m and

    r = |y| + sum |w_i| |x_i|, the reach,    a = sum |z_i| |x_i|, the spread,    L = r - |y|:

    the residual sum v' G v, v = (1, -w), is off by |v' E v| <= u r^2, as it is stationary in w
    the explained sum w' X' y is off by u L (2 |y| + L)
    a sum of weights m' w is off by |z' E v| <= u r a
    its variance m' G^-1 m is off by |z' E z| <= u a^2

and to all orders by 1 / (1 - q) as much, q = n u max a_i |x_i| a bound on |G^-1 E| (Higham 2002, Accuracy and Stability
of Numerical Algorithms, 7.2). Solving rounds no more than a Gram matrix a rounding away (ibid., 10.1). A sum of sizes
is the worst that signs can do; of more than 16 columns, whose roundings are independent, four times the root of the sum
of their squares replaces it where it is less. The table's numbers are exact: what they were rounded to before they
came is not at issue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.elementary import log10
from lr_trainer.arithmetic.linear_algebra import times
from lr_trainer.arithmetic.rounding import FLOAT64, rounding_of

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations

FEWEST_DIGITS = 6
"""A figure with fewer certain digits is not reported: a float32 holds seven."""

DOUBLE_DOUBLE = 16 * 2.0**-106
"""u of double-double products, swept, which no figure of the tests came within a seventh of either."""

_MOST_DIGITS = 15.9
"""The nearest float64 is off by up to 2^-53 of a number, in whichever arithmetic it was found."""

_MANY = 16


def digits(noise: float, value: float) -> float:
    """Return how many digits of a value hold that is off by up to `noise`: at most 15.9, at least 0."""
    if not noise:
        return _MOST_DIGITS
    return min(_MOST_DIGITS, log10(value) - log10(noise)) if noise < value else 0.0


@dataclass(frozen=True)
class Rounding:
    """How far rounding may have moved a solution.

    Attributes:
        unit: u above, with what higher orders add.
        lengths: float64 (terms,), |x_i|.
        reach: float64 (outputs,), r.
        residual: float64 (outputs,), how far the residual sum may be off.
        explained: float64 (outputs,), how far the explained sum may be off.
        spread: float64 (terms,), a of each weight.
    """

    unit: float
    lengths: Array
    reach: Array
    residual: Array
    explained: Array
    spread: Array

    @staticmethod
    def of_preconditioned(
        normal: NormalEquations, weight: Array, inverse: tuple[Array, float], ssr: Array, ess: Array
    ) -> Rounding:
        """Return the rounding of least-squares weights (outputs, terms), by `lr_trainer.moments.preconditioned`.

        `inverse` has the roots of the diagonal of that of the Gram matrix, float64 (terms,), and the norm of that of
        the correlations of the preconditioned columns.
        """
        terms, fine, (spread, norm) = normal.terms, normal.preconditioned, inverse
        inside = np.flatnonzero(spread)
        lengths = np.sqrt(np.maximum(np.diag(fine.comoment)[inside], 0.0))
        unit = max(fine.rounding(inside, lengths, norm), DOUBLE_DOUBLE)
        about_zero = np.sqrt(normal.lengths**2 + normal.weight * normal.mean.high**2)
        parts = DOUBLE_DOUBLE * (about_zero[terms:] + times(np.abs(weight), about_zero[:terms]))
        reach, off = fine.error[terms:] / math.sqrt(unit) + parts / unit, fine.off[terms:] + parts**2
        # Residuals as small as the rounding of the target's values describe that rounding alone.
        values = normal.weight * rounding_of(normal.largest[terms:]) ** 2
        off = np.where(ssr <= values, np.maximum(off, ssr), off)
        moved = np.sqrt(np.maximum(np.diag(normal.preconditioned.comoment)[terms:] - ssr, 0.0))
        explained = np.sqrt(np.maximum(ess, 0.0))
        return Rounding(
            unit=unit,
            lengths=normal.lengths[:terms],
            reach=moved + reach,
            residual=off + unit * moved * (moved + 2 * reach),
            explained=unit * explained * (explained + 2 * (moved + reach)),
            spread=spread,
        )

    @staticmethod
    def of_rows(normal: NormalEquations, weight: Array, residual_sum: Array) -> Rounding:
        """Return the rounding of weights whose residuals were computed row by row in float64, and squared."""
        terms = weight.shape[1]
        lengths, target = normal.lengths[:terms], normal.lengths[terms:]
        part = together(weight, lengths)
        reach = target + part
        moved = (terms + 4) * 2.0**-53 * reach
        residual, explained = moved * (2 * np.sqrt(residual_sum) + moved), FLOAT64 * part * (2 * target + part)
        return Rounding(FLOAT64, lengths, reach, residual, explained, np.zeros(terms))


def together(shares: Array, lengths: Array) -> Array:
    """Return float64 (rows,), how large in all are shares (rows, terms) of columns of these lengths (terms,)."""
    sizes = times(np.abs(shares), lengths)
    if len(lengths) <= _MANY:
        return np.asarray(sizes)
    with np.errstate(over="ignore"):
        return np.asarray(np.minimum(sizes, math.sqrt(_MANY) * np.linalg.norm(shares * lengths, axis=1)))
