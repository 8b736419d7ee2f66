"""The leverage of a least-squares fit that another program made, from its training rows.

With W the rows' weights, T the terms of the checkpoint at these rows and X = T B + 1 a' the source's design, which has
the same span as B does, h is as in `lr_runtime.contract.leverage`. Where both have as many columns, T takes the place
of X: on its origin and scale it keeps digits that powers of raw columns lose. X = Q R (Householder), so M = B R^-1, and
M = F P, with F upper triangular and orthogonal P (Golub and Van Loan 2013, Matrix Computations, 5.2), gives the factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.leverage import Leverage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RANK = 1e-12
"""A column of R whose diagonal is smaller, beside the largest, is a combination of others but for rounding."""


def leverage_of(terms: Floats, weights: Floats, mixed: Floats, shift: Floats, *, intercept: bool) -> Leverage | None:
    """Return the leverage of a fit; None where its design is collinear.

    Args:
        terms: (rows, terms), the checkpoint's, on origin and scale.
        weights: (rows,), those of the fit.
        mixed: B (terms, design columns), without the intercept's.
        shift: a (design columns,).
        intercept: whether the design has a column of ones beside these.
    """
    from scipy import linalg

    width = terms.shape[1]
    if mixed.shape[1] == width and (intercept or not shift.any()):
        mixed, shift = np.eye(width), np.zeros(width)
    mean, left = np.zeros((2, width))
    if intercept:
        mean = np.average(terms, axis=0, weights=weights)
        left, shift = np.average(terms - mean, axis=0, weights=weights), 0 * shift
    design = np.sqrt(weights)[:, None] * ((terms - mean - left) @ mixed + shift)
    sizes = np.linalg.norm(design, axis=0)
    if mixed.shape[1] > min(terms.shape) or not sizes.all():
        return None
    r = np.linalg.qr(design / sizes, mode="r")
    if abs(np.diag(r)).min() < _RANK:
        return None
    spread = linalg.solve_triangular(r, np.eye(len(r))) / sizes[:, None]
    padding = np.zeros((width, width - mixed.shape[1]))
    factor, turned = linalg.rq(np.hstack([mixed @ spread, padding]))
    moved = np.hstack([shift @ spread, padding[0]]) @ turned.T - left @ factor
    constant = np.array(1 / weights.sum() if intercept else 0.0)
    return Leverage(constant, mean, np.triu(factor), moved)
