"""The Gram matrix of preconditioned columns, and a bound on its rounding that holds whatever is merged.

With E the rounding of the Gram matrix G of Z, |E_ij| <= a_i a_j, `error`; parts of the rows add the squares of these.
For weights z of terms, and v = (-w, 1) for a target and weights w that leave X d of the pilot's residuals,

    |z' E z| <= e |X z|^2,    e = |N^-1| sum (a_i / |z_i|)^2,    N the correlations of the terms of Z,
    |z' E v| <= |X z| (e |X d| + sqrt(e) a_y),    |v' E v| <= |X d| (e |X d| + 2 sqrt(e) a_y) + off

so the variance of any combination of terms is right to e, whatever their units, and however nearly dependent they are.
Of the solution it follows that every variance of a weight is right to e, each weight to sqrt(e) a_y times the root of
its variance at unit residual variance, and the residual sum to `off` (Higham 2002, "Accuracy and stability of numerical
algorithms", 7.2, in the norm of G).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.condition import squared_norm
from lr_trainer.arithmetic.double_double import Extended, sum_of, two_sum
from lr_trainer.arithmetic.gram import congruence, diagonal, inverse, powers_of_two, product, transposed
from lr_trainer.arithmetic.linear_algebra import cholesky, hypot, norm, times, triangular_inverse
from lr_trainer.arithmetic.rounding import FLOAT64
from lr_trainer.moments.preconditioner import improved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

GOOD = 4.0
"""Correlations whose inverse has a norm below this lose less than a digit."""

MOST_ROUNDS = 3
"""Transforms that a merge tries, as a fit tries pilots: the second may see columns of which the first saw rounding."""

EXACT = 2.0**-50
"""Residuals of less than this share of the target are the rounding of its values: no pass makes more of them."""

_NEAR = 0.5
"""Correlations this near to the identity, in the Frobenius norm, have an inverse of at most twice its norm."""

_JOINED = 2.0**-50
"""Up to seven roundings make a sum of products of several parts': of each, of those of their means, of the sum."""


@dataclass(frozen=True)
class Preconditioned:
    """The centred Gram matrix of Z = D T, D the terms and then the targets, and a bound on its rounding.

    Those of several parts of the rows are one, whose arrays have an axis more in front: float64 (parts, ...).

    Attributes:
        transform: float64 (columns, columns), T.
        comoment: float64 (columns, columns), of Z.
        error: float64 (columns,), a above.
        off: float64 (columns,), how far the squares of a target's column are off; 0 of terms.
        extended: float64 (), 1 where the values of Z were formed in double-double, 0 where in float64.
    """

    transform: Array
    comoment: Array
    error: Array
    off: Array
    extended: Array

    @staticmethod
    def plain(comoment: Array, terms: int) -> Preconditioned:
        """Return that of the columns themselves, of which float64 products were taken."""
        squares = FLOAT64 * np.maximum(np.diag(comoment), 0.0)
        off = np.where(np.arange(len(squares)) < terms, 0.0, squares)
        return Preconditioned(np.eye(len(comoment)), comoment, np.sqrt(squares), off, np.array(0.0))

    def rounding(self, inside: NDArray[np.intp], lengths: Array, inverse_norm: float) -> float:
        """Return e above, at most 1, of the terms `inside`, of the lengths |z_i| (inside,) and of |N^-1|."""
        if not (lengths > 0).all():
            return 1.0
        # Of many columns, whose roundings do not depend on one another, the norm is less than of any signs.
        many = min(1.0, 4 / math.sqrt(max(len(inside), 1)))
        return min(1.0, many * float(((self.error[inside] / lengths) ** 2).sum()) * inverse_norm)

    def on(self, transform: Array, terms: int, lengths: Array, columns: Array | None = None) -> Preconditioned:
        """Return those of several parts on another transform of the columns D, the first `terms` of which are terms.

        D has the lengths `lengths` (columns,); `columns` are those of `Joint`.
        """
        moved = np.flatnonzero((self.transform != transform).any(axis=(1, 2)) | (columns is not None))
        if not len(moved):
            return self
        part = Preconditioned(*(getattr(self, each.name)[moved] for each in fields(self)))
        scale, own = powers_of_two(lengths), Extended.of(transform)
        if columns is not None:
            kept = diagonal(columns)[..., None] * np.eye(len(transform))
            own = Extended(*two_sum(kept @ transform, (columns - kept) @ transform))
        rows = transposed(inverse(part.transform, lengths)).scaled(1 / scale[:, None])
        matrix = product(rows, own.scaled(scale[:, None]))
        comoment, error, off = self.comoment.copy(), self.error.copy(), self.off.copy()
        comoment[moved] = congruence(part.comoment, matrix).rounded()
        error[moved], off[moved] = part._bounds(matrix.high, terms)
        return Preconditioned(np.broadcast_to(transform, self.transform.shape), comoment, error, off, self.extended)

    def _bounds(self, matrix: Array, terms: int) -> tuple[Array, Array]:
        """Return `error` and `off` of the columns Z matrix, the first `terms` of which are terms.

        The square of a target's column z_y + sum c_i z_i is off by its own `off` and (a_y + sum |c_i| a_i)^2 - a_y^2.
        """
        error = times(np.abs(matrix).swapaxes(-1, -2), self.error[..., None])[..., 0]
        off, targets = np.zeros_like(error), slice(matrix.shape[-2] - error.shape[-1] + terms, None)
        grown = np.maximum(error[..., terms:] ** 2 - self.error[..., targets] ** 2, 0.0)
        off[..., terms:] = self.off[..., targets] + grown
        return error, off

    def _summed(self, terms: int) -> Preconditioned:
        """Return the same with the bounds of products that have been rounded once more, as those of a sum are."""
        squares = np.maximum(np.diag(self.comoment), 0.0)
        off = self.off + np.where(np.arange(len(squares)) < terms, 0.0, _JOINED * squares)
        return replace(self, error=hypot(self.error, np.sqrt(_JOINED * squares)), off=off)

    def gram(self, lengths: Array) -> Extended[Array]:
        """Return the Gram matrix of D in double-double; `lengths` (columns,) are those of D."""
        return congruence(self.comoment, inverse(self.transform, lengths))

    def among(self, inside: NDArray[np.bool_], terms: int, lengths: Array) -> Preconditioned:
        """Return that of some of the columns D, whose lengths are `lengths` (columns,), and 0 of the others."""
        kept, gone = np.flatnonzero(inside), np.flatnonzero(~inside)
        here, part, own = np.ix_(kept, kept), self, kept
        if self.transform[np.ix_(gone, kept)].any():
            matrix = np.eye(len(inside))[:, kept]
            part = self.mapped(matrix, int(np.count_nonzero(inside[:terms])), lengths, lengths[kept])
            own = np.arange(len(kept))
        transform, comoment = np.eye(len(inside)), np.zeros_like(self.comoment)
        error, off = np.zeros((2, len(inside)))
        transform[here], comoment[here] = part.transform[np.ix_(own, own)], part.comoment[np.ix_(own, own)]
        error[kept], off[kept] = part.error[own], part.off[own]
        return Preconditioned(transform, comoment, error, off, self.extended)

    def mapped(self, matrix: Array, terms: int, own: Array, lengths: Array) -> Preconditioned:
        """Return that of the columns D matrix, on a transform of their own; the bounds hold for any such columns.

        The matrix is of a few ones, and takes the targets as they are; D has the lengths `own`, the new columns
        `lengths`, and the first `terms` of these are terms.
        """
        scale, to = powers_of_two(np.sqrt(np.maximum(np.diag(self.comoment), 0.0))), powers_of_two(lengths)
        back = transposed(inverse(self.transform, own))
        columns = transposed(product(back, Extended.of(matrix)).scaled(scale[:, None]).scaled(1 / to))
        gram, transform = Extended.of(self.comoment / scale / scale[:, None]), np.eye(len(lengths))
        for last in (False, False, True):
            part = product(columns, Extended.of(transform))
            found = product(part, product(gram, part)).rounded()
            transform = transform if last else improved(transform, found, terms, np.ones_like(to))
        bounds = self._bounds(part.high * to / scale[:, None], terms)
        found, transform = found * to * to[:, None], transform / to[:, None] * to
        return Preconditioned(transform, found, *bounds, self.extended)._summed(terms)

    def joined(self, joint: Joint) -> Preconditioned:
        """Return that of the rows of several parts together, on a transform that suits them all."""
        transform, terms, weights = joint.transform, joint.terms, joint.weights
        for _ in range(MOST_ROUNDS):
            parts = self.on(transform, terms, joint.lengths, joint.columns)
            away, mean = transformed(transform, joint.away), transformed(transform, joint.about)
            between = weights[:, None, None] * away[:, :, None] * away[:, None, :]
            comoment = total(Extended.of(parts.comoment) + Extended.of(between)).rounded()
            about = comoment + weights.sum() * np.outer(mean, mean)
            error = np.sqrt((parts.error**2).sum(axis=0))
            asked = np.diag(about)[terms:] > (EXACT * joint.lengths[terms:]) ** 2
            if magnification(about, terms, asked) < GOOD:
                break
            transform = improved(transform, about, terms, joint.lengths, noise=2 * error)
        off = parts.off.sum(axis=0)
        return Preconditioned(parts.transform[0], comoment, error, off, self.extended.min())._summed(terms)

    def about_zero(self, mean: Extended[Array], weight: float) -> Preconditioned:
        """Return that of sums of products about 0 in place of the mean, double-double (columns,)."""
        away = transformed(self.transform, mean)
        return replace(self, comoment=self.comoment + weight * np.outer(away, away))


@dataclass(frozen=True)
class Joint:
    """What is to be known of the rows of several parts together.

    Attributes:
        terms: how many of the columns D are terms.
        lengths: float64 (columns,), of D about 0: they choose powers of two.
        weights: float64 (parts,), the sum of the weights of each part's rows.
        away: double-double (parts, columns), how far the mean of each part is from that of all.
        about: double-double (columns,), the mean of all rows without an intercept, 0 with one.
        columns: float64 (parts, columns, columns), what makes D of each part's own columns, which may be others: 1 or 0
            on the diagonal, and in each row one -1 at most beside it; None where they are the same.
        transform: float64 (columns, columns), the first to be tried.
    """

    terms: int
    lengths: Array
    weights: Array
    away: Extended[Array]
    about: Extended[Array]
    columns: Array | None
    transform: Array


def total(parts: Extended[Array]) -> Extended[Array]:
    """Return the sum over the first axis, in double-double."""
    return sum_of(Extended(np.moveaxis(parts.high, 0, -1), np.moveaxis(parts.low, 0, -1)))


def transformed(transform: Array, vector: Extended[Array]) -> Array:
    """Return T' v, float64 (..., columns), of v (..., columns)."""
    return sum_of(Extended.of(np.ascontiguousarray(transform.T)) * vector[..., None, :]).rounded()


def inverse_norm(gram: Array) -> float:
    """Return the norm of the inverse of the correlations of columns that are not 0; infinite where there is none."""
    lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
    inside = np.flatnonzero(lengths > 0)
    if not len(inside):
        return 1.0
    correlation = gram[np.ix_(inside, inside)] / np.outer(lengths[inside], lengths[inside])
    away = norm(correlation - np.eye(len(inside)))
    if away < _NEAR:
        return 1 / (1 - away)
    root = cholesky(correlation)
    return math.inf if root is None else squared_norm(triangular_inverse(root))


def magnification(gram: Array, terms: int, asked: NDArray[np.bool_]) -> float:
    """Return how many times the rounding of products grows in a fit of the targets `asked`, bool (targets,).

    By the inverse of the terms' correlations with each of them: large, too, where the terms explain much of it still.
    """
    targets = [[int(each)] for each in terms + np.flatnonzero(asked)] or [[]]
    inside = [[*range(terms), *own] for own in targets]  # with a target the inverse is never smaller
    return max(inverse_norm(gram[np.ix_(each, each)]) for each in inside)
