"""The leverage of a least-squares fit that another program made, from its training rows.

With W the rows' weights, T the terms of the checkpoint at these rows and X = T B + 1 a' the source's design, which has
the same span as B does, h is as in `lr_runtime.contract.leverage`. Where both have as many columns, T takes the place
of X: on its origin and scale it keeps digits that powers of raw columns lose. X = Q R (Householder), so M = B R^-1, and
M = F P, with F upper triangular and orthogonal P (Golub and Van Loan 2013, Matrix Computations, 5.2), gives the factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_export.importing.folding import Basis, on_basis
from lr_runtime.contract.leverage import Leverage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_export.importing.combination import Feature
    from lr_runtime.contract.checkpoint import Checkpoint

    Floats = NDArray[np.float64]


def leverage_of(
    checkpoint: Checkpoint, features: Sequence[Feature], rows: Sequence[Floats], weights: Floats
) -> Leverage | None:
    """Return the leverage of a fit whose columns are not collinear; None where it has more of them than terms.

    Args:
        checkpoint: the model.
        features: the columns of the source's design matrix; an intercept is the constant 1.
        rows: each raw column in training, numbers or places among its levels.
        weights: those of the fit, (rows,) or one number.
    """
    from scipy import linalg

    basis = [Basis(*each) for each in zip(checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)]
    columns = [on_basis(each.value, basis) for each in features if each.value != {None: 1}]
    mixed = np.array([[float(column.get(each, 0)) for column in columns] for each in checkpoint.terms])
    shift = np.array([float(column.get(None, 0)) for column in columns])
    weights = np.broadcast_to(np.asarray(weights, dtype=np.float64), len(rows[0]))
    u = [(x - origin) / scale for x, (origin, scale) in zip(rows, basis, strict=True)]
    terms = np.column_stack([np.asarray(each.value(rows, u), dtype=np.float64) for each in checkpoint.terms])
    (width, count), mean, constant = mixed.shape, np.zeros(len(mixed)), 0.0
    if count > width:
        return None
    if len(columns) < len(features):
        mean, shift, constant = np.average(terms, axis=0, weights=weights), 0 * shift, 1 / weights.sum()
    if count == width and not shift.any():
        mixed = np.eye(width)
    r = np.linalg.qr(np.sqrt(weights)[:, None] * ((terms - mean) @ mixed + shift), mode="r")
    solved = linalg.solve_triangular(r, np.vstack([mixed, shift]).T, trans="T").T
    *m, moved = np.pad(solved, ((0, 0), (0, width - count)))
    factor, turned = linalg.rq(np.array(m))
    return Leverage(np.array(constant), mean, np.triu(factor), moved @ turned.T)
