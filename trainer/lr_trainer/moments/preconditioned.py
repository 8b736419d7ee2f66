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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_trainer.arithmetic.condition import largest_eigenvalue
from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.gram import congruence, inverse, powers_of_two, product, transposed
from lr_trainer.arithmetic.rounding import FLOAT64
from lr_trainer.moments.pilot import preconditioner, share_left, size_of_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.pilot import Pilot

    Array = NDArray[np.float64]

_SURE = 8.0
"""A sum of roundings that do not depend on one another is, but for one in 10^15, less than 8 times the root of the sum
of their squares."""

_GOOD = 4.0
"""Correlations whose inverse has a norm below this lose less than a digit."""

_NEAR = 0.5
"""Correlations this near to the identity, in the Frobenius norm, have an inverse of at most twice its norm."""

_MOST_NOISE = 1e-9
"""A column of a larger share of rounding is nearly a combination of others, whose bounds it must not spoil."""

_MOST_DIGITS = 13.0

_EXACT = 2.0**-50
"""Residuals of less than this share of the target are the rounding of its values: no pass makes more of them."""


@dataclass(frozen=True)
class Preconditioned:
    """The centred Gram matrix of Z = D T, D the terms and then the targets, and a bound on its rounding.

    Attributes:
        transform: float64 (columns, columns), T.
        comoment: float64 (columns, columns), of Z.
        error: float64 (columns,), a above.
        off: float64 (columns,), how far the squares of a target's column are off; 0 of terms.
    """

    transform: Array
    comoment: Array
    error: Array
    off: Array

    @staticmethod
    def plain(comoment: Array, terms: int) -> Preconditioned:
        """Return that of the columns themselves, of which float64 products were taken."""
        squares = FLOAT64 * np.maximum(np.diag(comoment), 0.0)
        off = np.where(np.arange(len(squares)) < terms, 0.0, squares)
        return Preconditioned(np.eye(len(comoment)), comoment, np.sqrt(squares), off)

    def rounding(self, inside: NDArray[np.intp]) -> float:
        """Return e above of the terms `inside`, at most 1."""
        gram = self.comoment[np.ix_(inside, inside)]
        lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
        if not (lengths > 0).all():
            return 1.0
        # Of many columns, whose roundings do not depend on one another, the norm is less than of any signs.
        many = min(1.0, 4 / math.sqrt(max(len(inside), 1)))
        return min(1.0, many * float(((self.error[inside] / lengths) ** 2).sum()) * inverse_norm(gram))

    def on(self, transform: Array, lengths: Array) -> Preconditioned:
        """Return the same on another transform; `lengths` (columns,) are those of D."""
        if np.array_equal(transform, self.transform):
            return self
        scale = powers_of_two(lengths)[:, None]
        rows = transposed(inverse(self.transform, lengths)).scaled(1 / scale)
        matrix = product(rows, Extended.of(transform * scale))
        comoment, error = congruence(self.comoment, matrix).rounded(), np.abs(matrix.high).T @ self.error
        error = np.hypot(error, 2.0**-26 * np.sqrt(np.maximum(np.diag(comoment), 0.0)))
        return Preconditioned(transform, comoment, error, self.off)

    def mapped(self, matrix: Array, terms: int, lengths: Array) -> Preconditioned:
        """Return that of the columns D matrix, on a transform of their own; the bounds hold for any such columns.

        Args:
            matrix: float64 (columns, new columns), of a few ones; it takes the targets as they are.
            terms: how many of the new columns are terms.
            lengths: float64 (new columns,), theirs.
        """
        own = np.sqrt(np.maximum(np.diag(self.comoment), 0.0))
        scale, to = powers_of_two(own), powers_of_two(lengths)
        back = transposed(inverse(self.transform, own))
        columns = transposed(product(back, Extended.of(matrix)).scaled(scale[:, None]).scaled(1 / to))
        gram, transform = Extended.of(self.comoment / scale / scale[:, None]), np.eye(len(lengths))
        for last in (False, False, True):
            part = product(columns, Extended.of(transform))
            found = product(part, product(gram, part)).rounded()
            left = np.sqrt(np.maximum(np.diag(found)[:terms], 0.0))
            transform = transform if last else transform @ preconditioner(found, terms, little=1.0, left=left)
        comoment, error = found * to * to[:, None], (np.abs(part.high) * to).T @ (self.error / scale)
        off = np.concatenate([np.zeros(terms), self.off[len(self.off) - (len(lengths) - terms) :]])
        return Preconditioned(transform / to[:, None] * to, comoment, error, off)

    def merge(self, other: Preconditioned, joint: Joint) -> Preconditioned:
        """Return that of the rows of both, on a transform that suits both."""
        transform = self.transform
        for _ in range(2):
            first, second = (each.on(transform, joint.lengths) for each in (self, other))
            away, mean = transformed(transform, joint.delta), transformed(transform, joint.about)
            comoment = first.comoment + second.comoment + joint.share * np.outer(away, away)
            about = comoment + joint.weight * np.outer(mean, mean)
            if inverse_norm(about[: joint.terms, : joint.terms]) < _GOOD:
                break
            left = share_left(about, transform, joint.lengths)
            transform = transform @ preconditioner(about, joint.terms, little=1.0, left=left[: joint.terms])
        return Preconditioned(first.transform, comoment, np.hypot(first.error, second.error), first.off + second.off)

    def about_zero(self, mean: Extended[Array], weight: float) -> Preconditioned:
        """Return that of sums of products about 0 in place of the mean, double-double (columns,)."""
        away = transformed(self.transform, mean)
        return replace(self, comoment=self.comoment + weight * np.outer(away, away))


@dataclass(frozen=True)
class Joint:
    """What is to be known of the rows of two parts together.

    Attributes:
        terms: how many of the columns D are terms.
        lengths: float64 (columns,), of D about 0: they choose powers of two.
        delta: double-double (columns,), how far the mean of the second part is from that of the first.
        share: the weight of its square (Chan, Golub and LeVeque 1983, eq. 2.1).
        about: double-double (columns,), the mean of all rows without an intercept, 0 with one.
        weight: the sum of all rows' weights.
    """

    terms: int
    lengths: Array
    delta: Extended[Array]
    share: float
    about: Extended[Array]
    weight: float


def transformed(transform: Array, vector: Extended[Array]) -> Array:
    """Return T' v, float64 (columns,)."""
    return sum_of(Extended.of(np.ascontiguousarray(transform.T)) * vector[None, :]).rounded()


def preconditioned(
    pilot: Pilot, found: Moments, terms: int, *, rounded: NDArray[np.bool_], intercept: bool
) -> tuple[Moments, float]:
    """Return the moments of D from those of Z about a pilot, and how many digits of a fit are to be expected of them.

    Args:
        pilot: the pilot of the pass.
        found: the moments of Z, with the ranges of D.
        terms: how many columns are terms.
        rounded: bool (columns,), whose values are rounded, as those of powers are.
        intercept: whether one is fitted.
    """
    back = inverse(pilot.transform, _lengths_of(pilot, found))
    mean = sum_of(transposed(back) * Extended.of(found.mean)[None, :])
    away = mean.rounded()
    comoment = congruence(found.comoment, back).rounded()
    mean = mean + Extended.of(pilot.center)
    moments = replace(found, mean=mean.high, mean_low=mean.low, comoment=comoment)
    squares = np.maximum(np.diag(comoment), 0.0) + found.weight * np.where(rounded, mean.high, away) ** 2
    accuracy = _Accuracy.of(pilot, found, np.sqrt(squares), terms, intercept=intercept)
    return replace(moments, fine=accuracy.bounded(pilot, found, terms)), accuracy.digits


def _lengths_of(pilot: Pilot, found: Moments) -> Array:
    """Return about how long the columns of D are, from their ranges: they only choose powers of two."""
    return np.maximum(abs(found.maximum - pilot.center), abs(found.minimum - pilot.center))


@dataclass(frozen=True)
class _Accuracy:
    """How right the moments of a pass are.

    Attributes:
        lengths: float64 (columns,), of Z about its mean, or about 0 without an intercept.
        off: float64 (columns,), the rounding of its values over all rows, as a length.
        growth: how many times their squares about the center are larger.
        digits: how many digits of a fit are to be expected.
    """

    lengths: Array
    off: Array
    growth: float
    digits: float

    @staticmethod
    def of(pilot: Pilot, found: Moments, own: Array, terms: int, *, intercept: bool) -> _Accuracy:
        """Return that of the moments of Z; `own` (columns,) are the lengths of D about the center."""
        about_center = found.comoment + found.weight * np.outer(found.mean, found.mean)
        varies = found.varies(intercept=intercept)
        gram = np.where(np.outer(varies, varies), found.comoment if intercept else about_center, 0.0)
        lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
        sizes = np.where(lengths > 0, lengths, np.inf)
        growth = max(1.0, float(np.max(np.diag(about_center) / sizes**2)))
        moved = pilot.unit * size_of_parts(pilot.transform, own)
        left, targets = _residual_squares(gram, terms), np.diag(gram)[terms:]
        asked = targets > (_EXACT * own[terms:]) ** 2
        is_asked = np.concatenate([np.ones(terms, dtype=np.bool_), asked])
        lost = float(np.max(moved / sizes, initial=2.0**-53, where=is_asked))
        with np.errstate(divide="ignore"):
            ratio = float(np.max(targets[asked] / left[asked], initial=1.0))
        spread = growth * max(inverse_norm(gram[:terms, :terms]), ratio)
        digits = min(_MOST_DIGITS - math.log10(spread), -math.log10(lost)) if math.isfinite(spread) else 0.0
        return _Accuracy(lengths, moved / math.sqrt(found.rows) * _SURE, growth, digits)

    def bounded(self, pilot: Pilot, found: Moments, terms: int) -> Preconditioned:
        """Return the Gram matrix of the pass with the bound on its rounding.

        With u the rounding of products and b_i that of values, |E_ij| <= u |z_i| |z_j| + b_i |z_j| + |z_i| b_j, which
        is at most a_i a_j for a_i = s |z_i| + b_i / s with s^2 = u or the largest b_i / |z_i|.
        """
        sizes, part, unit = np.where(self.lengths > 0, self.lengths, np.inf), 1.0, pilot.sum_unit
        left, moved = self.lengths[terms:], self.off[terms:]
        shares = self.off[:terms] / sizes[:terms]
        noise = float(np.max(shares, initial=0.0, where=shares < _MOST_NOISE))
        root = math.sqrt(max(unit, noise))
        error = root * self.lengths + self.off / root
        if pilot.sums_exactly and terms:  # products that are summed exactly are rounded to a share of themselves
            part = np.abs(found.comoment[:terms, terms:] / np.outer(sizes[:terms], sizes[terms:])).max(axis=0)
        error[terms:] = (unit * part * left + moved + noise * left) / root
        off = np.concatenate([np.zeros(terms), unit * left**2 + 2 * left * moved + moved**2])
        return Preconditioned(pilot.transform, found.comoment, math.sqrt(self.growth) * error, self.growth * off)


def inverse_norm(gram: Array) -> float:
    """Return the norm of the inverse of the correlations of columns that are not 0; infinite where there is none."""
    lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
    inside = np.flatnonzero(lengths > 0)
    if not len(inside):
        return 1.0
    correlation = gram[np.ix_(inside, inside)] / np.outer(lengths[inside], lengths[inside])
    away = float(np.linalg.norm(correlation - np.eye(len(inside))))
    if away < _NEAR:
        return 1 / (1 - away)
    root, failed = linalg.lapack.dpotrf(correlation)
    if failed:
        return math.inf
    upper, _ = linalg.lapack.dpotri(root)
    return largest_eigenvalue(np.triu(upper) + np.triu(upper, 1).T)


def _residual_squares(gram: Array, terms: int) -> Array:
    """Return float64 (targets,), what the terms leave of the targets' squares; 0 where they are dependent."""
    inside = np.flatnonzero(np.diag(gram)[:terms] > 0)
    scale = np.sqrt(np.diag(gram)[inside])
    root, failed = linalg.lapack.dpotrf(gram[np.ix_(inside, inside)] / np.outer(scale, scale))
    if failed:
        return np.zeros(len(gram) - terms)
    part = linalg.solve_triangular(root, gram[inside, terms:] / scale[:, None], trans="T")
    return np.asarray(np.diag(gram)[terms:] - (part**2).sum(axis=0))
