"""How many decimal digits float64 moments leave of what is solved from them, where no rows are there for another pass.

An entry of the centred Gram matrix of columns x_i is a sum of products, off by up to u |x_i| |x_j|, |x_i| the length of
a column about its mean. With u = 64 * 2^-53 no sum of the tests came within a seventh of that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.least_squares import Normal, Solution

FEWEST_DIGITS = 6
"""What has fewer is not reported."""

_MOST_DIGITS = 12.0
_ROUNDING = 64 * 2.0**-53


def digits(noise: float, value: float) -> float:
    """Return how many digits of a value hold that is off by up to `noise`: at most 12, at least 0."""
    if not noise:
        return _MOST_DIGITS
    return min(_MOST_DIGITS, -math.log10(noise / value)) if noise < value else 0.0


def weight_digits(condition: float, magnified: float = 1.0) -> float:
    """Return how many digits of the weights hold, together: those of u kappa^2 (Higham 2002, Accuracy, 20.4).

    `magnified` is how many times u the products of the columns may be off.
    """
    return digits(magnified * _ROUNDING * condition**2, 1.0)


def magnified(normal: Normal, lengths: NDArray[np.float64]) -> float:
    """Return how many times u the products may be off where `lengths` (terms,) are those that they were told from."""
    own = _lengths(normal)[: len(lengths)]
    return float(np.max(lengths / np.where(own > 0, own, np.inf), initial=1.0))


def _lengths(normal: Normal) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(np.diag(normal.gram.high), 0.0))


def residual_noise(normal: Normal, solution: Solution, lengths: NDArray[np.float64]) -> list[float]:
    """Return, per output, how far the residual sum of squares may be off.

    y'y - 2 w'X'y + w'X'X w is stationary in w, so to first order only the products count, each off by its share:
    u (|y| + sum |w_i| |x_i|)^2 in all, |x_i| no less than `lengths`, float64 (terms,), of `magnified`.
    """
    terms = len(solution.kept)
    own = _lengths(normal)
    reach: NDArray[np.float64] = own[terms:] + np.abs(solution.weight.high) @ np.maximum(own[:terms], lengths)
    return [_ROUNDING * each**2 for each in reach.tolist()]
