"""Ridge, lasso and elastic net from moments, and the penalty chosen on folds of them.

The objective, for each target, with an intercept that is never penalised (Friedman, Hastie and Tibshirani 2010,
"Regularization paths for generalized linear models via coordinate descent", eq. 1, with lambda alpha = l1 and
lambda (1 - alpha) = l2):

    RSS / (2 n) + l1 sum_j |b_j| + l2 / 2 sum_j b_j^2,    b_j = w_j sd_j

where w_j is the weight per unit of column j and sd_j^2 = gram_jj / n its variance (its mean square without an
intercept). b_j is the weight on the column at unit standard deviation, so units do not matter; and because division and
square root round correctly, scaling a column by 2^k changes nothing but its weight, not by one bit.

With R the columns' correlation matrix and r their covariances with the target, b is optimal exactly where

    r_j - (R b)_j - l2 b_j = l1 sign(b_j)  where b_j != 0,    |r_j - (R b)_j| <= l1  where b_j = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil, log10
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_trainer.errors import (
    NotConvergedError,
    OutOfRangeError,
    TooFewFoldsError,
    WeakPenaltyError,
)
from lr_trainer.moments.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

PENALTIES = 100
"""The length of a path."""

_SPAN = 1e-4
"""The last penalty of a path with an l1 part, as a share of its first."""

_RIDGE_SPAN = 1e-10
"""Likewise for ridge, whose first penalty is _RIDGE_TOP for each column."""

_RIDGE_TOP = 100.0

_LEAST_RATIO = 0.01

_UNIT_ROUNDOFF = 2.0**-53

_ROUNDS = 1000
"""The most rounds of a descent."""

_CYCLES = 50
"""The most cycles over the active columns in a round."""

_STEPS = 20
"""The penalties that lead to a single one, each a start for the next."""


@dataclass(frozen=True)
class Normal:
    """What the normal equations of `outputs` targets on `terms` columns are made of.

    Attributes:
        gram: float64 (terms, terms), sums of products of the columns' deviations; 0 for a constant column.
        cross: float64 (terms, outputs), sums of their products with the targets' deviations.
        total: float64 (outputs,), the targets' sums of squared deviations.
        count: the number of rows, or the sum of their weights.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    total: NDArray[np.float64]
    count: float

    def residual_sum(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 (outputs,), the sums of squared residuals of `weight` (outputs, terms)."""
        slope = 2.0 * self.cross - self.gram @ weight.T
        return np.asarray(np.maximum(self.total - np.einsum("ot,to->o", weight, slope), 0.0))


@dataclass(frozen=True)
class Penalised:
    """The solution for `outputs` targets on `terms` columns.

    Attributes:
        weight: float64 (outputs, terms), per unit of each column; 0 for a constant column.
        residual_sum: float64 (outputs,), the sum of squared residuals.
        l1: float64 (outputs,), the penalty on sum |b_j|, in the target's unit.
        l2: float64 (outputs,), the penalty on sum b_j^2 / 2, without unit.
    """

    weight: NDArray[np.float64]
    residual_sum: NDArray[np.float64]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The cross-validated error along a path of penalties, the largest first, for each target.

    Attributes:
        l1: float64 (outputs, PENALTIES).
        l2: float64 (outputs, PENALTIES).
        error: float64 (outputs, PENALTIES), the mean squared error over the rows, each predicted while held out.
    """

    l1: NDArray[np.float64]
    l2: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.intp]:
        """Int (outputs,), where the error is smallest; the largest penalty of equals."""
        return np.asarray(np.argmin(self.error, axis=1))

    @property
    def chosen(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The l1 and the l2, each float64 (outputs,), with the smallest error: what `solve` takes."""
        row = np.arange(len(self.error))
        return self.l1[row, self.best], self.l2[row, self.best]


@dataclass(frozen=True)
class _Unit:
    """`Normal` on columns at unit standard deviation, those without variance left out.

    Attributes:
        kept: bool (terms,), the columns with variance.
        sd: float64 (kept,), their standard deviations.
        correlation: float64 (kept, kept), R; its diagonal is 1.
        cross: float64 (kept, outputs), r, the covariances with the targets.
    """

    kept: NDArray[np.bool_]
    sd: NDArray[np.float64]
    correlation: NDArray[np.float64]
    cross: NDArray[np.float64]

    @staticmethod
    def of(normal: Normal) -> _Unit:
        kept = np.diag(normal.gram) > 0
        sd = np.sqrt(np.diag(normal.gram)[kept] / normal.count)
        correlation = normal.gram[np.ix_(kept, kept)] / normal.count / np.outer(sd, sd)
        np.fill_diagonal(correlation, 1.0)
        return _Unit(kept, sd, correlation, normal.cross[kept] / normal.count / sd[:, None])

    def weight(self, unit_weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 (..., terms), the weights per unit of each column, from b (..., kept)."""
        weight = np.zeros((*unit_weight.shape[:-1], len(self.kept)))
        weight[..., self.kept] = unit_weight / self.sd
        return weight


def normal(moments: Moments, outputs: int, *, intercept: bool = True) -> Normal:
    """Return the normal equations of the last `outputs` columns on the others, about the mean, or about zero.

    A column, or a target, that is constant but for its rounding counts as one without deviations about the mean.
    """
    if not intercept:
        return _about(moments, outputs, None)
    varies = moments.varies(intercept=True)
    return _parts(np.where(np.outer(varies, varies), moments.comoment, 0.0), float(moments.weight), outputs)


def solve(equations: Normal, l1: ArrayLike, l2: ArrayLike) -> Penalised:
    """Minimise the objective above for each target; the penalties are numbers or one for each target (outputs,).

    Ridge (l1 = 0) is R + l2 I by Cholesky. Otherwise coordinate descent, until no optimality condition above is missed
    by more than (64 + terms) 2^-53 (max |r| + sum |b| + l2 max |b|), the rounding of evaluating it.

    Raises:
        OutOfRangeError: a penalty is not a finite number of at least 0.
        WeakPenaltyError: for ridge, the columns are dependent and l2 is too small for float64 to tell.
        NotConvergedError: the descent did not reach the above.
    """
    outputs = len(equations.total)
    l1s, l2s = (np.broadcast_to(np.asarray(each, dtype=np.float64), (outputs,)) for each in (l1, l2))
    for name, each in (("l1", l1s), ("l2", l2s)):
        for value in each[~(np.isfinite(each) & (each >= 0))]:
            raise OutOfRangeError(f"the penalty {name}", float(value), "a finite number of at least 0")
    unit = _Unit.of(equations)
    fits = [
        (_lasso if a else _ridge)(unit.correlation, cross, float(a), float(b))
        for cross, a, b in zip(unit.cross.T, l1s, l2s, strict=True)
    ]
    weight = unit.weight(np.array(fits))
    return Penalised(weight, equations.residual_sum(weight), l1s, l2s)


def choose(folds: Sequence[Moments], outputs: int, *, l1_ratio: float = 1.0, intercept: bool = True) -> Curve:
    """Cross-validate a path of penalties from the moments of each fold of the rows; no row is read.

    Each fold is predicted by the fit to the others, merged in order. The path is geometric and the same in every fold.
    With s the target's standard deviation over all rows, l1 : l2 = l1_ratio s : 1 - l1_ratio, so neither the columns'
    units nor the target's matter. It runs from the smallest l1 that leaves every weight at 0, max |r|, to 1e-4 of it.
    Ridge (l1_ratio 0) has no such end: l2 runs from 100 times the number of columns, where every |b| is below a
    hundredth of s (no eigenvalue of R exceeds that number), down to 1e-10 of it, least squares to a few digits.

    Raises:
        OutOfRangeError: `l1_ratio` is neither 0 nor from 0.01 to 1; below, the path ends at an l2 that is still large.
        TooFewFoldsError: there are fewer than 2 folds.
        NotConvergedError: as for `solve`.
    """
    if l1_ratio != 0 and not _LEAST_RATIO <= l1_ratio <= 1:
        raise OutOfRangeError("the l1 ratio", l1_ratio, f"0 (ridge), or a number from {_LEAST_RATIO} to 1 (lasso)")
    if len(folds) < 2:
        raise TooFewFoldsError(len(folds))
    l1, l2 = _penalties(normal(reduce(Moments.merge, folds), outputs, intercept=intercept), l1_ratio)
    squares, fit_path = np.zeros_like(l1), _path if l1_ratio else _ridge_path
    for index, fold in enumerate(folds):
        train = reduce(Moments.merge, [*folds[:index], *folds[index + 1 :]])
        held = _about(fold, outputs, train if intercept else None)
        unit = _Unit.of(normal(train, outputs, intercept=intercept))
        for output, cross in enumerate(unit.cross.T):
            fits = fit_path(unit.correlation, cross, l1[output], l2[output])
            squares[output] += _squares(held, unit.weight(fits), output)
    return Curve(l1, l2, squares / sum(float(fold.weight) for fold in folds))


def _about(moments: Moments, outputs: int, other: Moments | None) -> Normal:
    """Return the normal equations of deviations from the mean of `other`, or from zero, in place of the own mean."""
    if other is None:
        away = moments.mean + moments.mean_low
    else:
        away = (moments.mean - other.mean) + (moments.mean_low - other.mean_low)
    return _parts(moments.comoment + moments.weight * np.outer(away, away), float(moments.weight), outputs)


def _parts(products: NDArray[np.float64], count: float, outputs: int) -> Normal:
    terms = len(products) - outputs
    return Normal(products[:terms, :terms], products[:terms, terms:], np.diag(products)[terms:], count)


def _penalties(equations: Normal, l1_ratio: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the l1 and the l2 of a path, each float64 (outputs, PENALTIES)."""
    unit, outputs = _Unit.of(equations), len(equations.total)
    if l1_ratio == 0:
        l2 = _RIDGE_TOP * max(len(unit.sd), 1) * np.geomspace(1.0, _RIDGE_SPAN, PENALTIES)
        return np.zeros((outputs, PENALTIES)), np.tile(l2, (outputs, 1))
    sd = np.sqrt(equations.total / equations.count)
    sd[sd == 0] = 1.0
    top = np.abs(unit.cross).max(axis=0, initial=0.0)
    l1 = np.outer(np.where(top > 0, top, sd), np.geomspace(1.0, _SPAN, PENALTIES))
    return l1, l1 / sd[:, None] * ((1.0 - l1_ratio) / l1_ratio)


def _ridge_path(
    R: NDArray[np.float64], r: NDArray[np.float64], _: NDArray[np.float64], l2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (R + l2 I)^-1 r, float64 (penalties, kept), for each of the penalties (penalties,)."""
    values, vectors = np.linalg.eigh(R)
    return np.asarray(((vectors.T @ r) / (np.maximum(values, 0.0) + l2[:, None])) @ vectors.T)


def _path(
    R: NDArray[np.float64], r: NDArray[np.float64], l1: NDArray[np.float64], l2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return b, float64 (penalties, kept), for each of the penalties (penalties,), each from the one before."""
    fits = [np.zeros_like(r)]
    for a, b in zip(l1, l2, strict=True):
        fits.append(_descend(R, r, float(a), float(b), fits[-1]))
    return np.array(fits[1:])


def _squares(held: Normal, weight: NDArray[np.float64], output: int) -> NDArray[np.float64]:
    """Return float64 (penalties,), the sums of squared errors of each `weight` (penalties, terms) on held-out rows."""
    slope = 2.0 * held.cross[:, output] - weight @ held.gram
    return np.asarray(np.maximum(held.total[output] - np.einsum("pt,pt->p", weight, slope), 0.0))


def _ridge(R: NDArray[np.float64], r: NDArray[np.float64], _: float, l2: float) -> NDArray[np.float64]:
    """Return (R + l2 I)^-1 r, float64 (kept,)."""
    terms = len(r)
    if not terms:
        return np.zeros(0)
    matrix = R + l2 * np.eye(terms)
    norm, lost = float(np.abs(matrix).sum(axis=0).max()), 64 * terms * _UNIT_ROUNDOFF
    factor, failed = linalg.lapack.dpotrf(matrix)
    if failed or linalg.lapack.dpocon(factor, norm)[0] <= lost:
        raise WeakPenaltyError(l2, 10.0 ** ceil(log10(10 * terms * lost * norm)))
    return np.asarray(linalg.lapack.dpotrs(factor, r)[0])


def _lasso(R: NDArray[np.float64], r: NDArray[np.float64], l1: float, l2: float) -> NDArray[np.float64]:
    """Return b, float64 (kept,), at the end of a path from the l1 where it is 0: far faster on p > n."""
    top = float(np.abs(r).max(initial=0.0))
    if l1 >= top:
        return np.zeros_like(r)
    steps = top * np.geomspace(1.0, max(l1 / top, _UNIT_ROUNDOFF), _STEPS)
    steps[-1] = l1
    return np.asarray(_path(R, r, steps, np.full(_STEPS, l2))[-1])


def _descend(
    R: NDArray[np.float64], r: NDArray[np.float64], l1: float, l2: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return b, float64 (kept,), by coordinate descent from `start`, as `solve` says.

    A round is cycles over the active columns (Friedman et al. 2010, eq. 5 and 8, with the covariance updates of their
    section 2.2) until one leaves all signs as they are, and a step to the minimum for these signs: the cycles find the
    active set, the step the last digits.
    """
    b, reach, residual, tolerance = start.copy(), np.abs(r).max(initial=0.0), 0.0, 0.0
    for _ in range(_ROUNDS):
        slope = r - R @ b
        sizes = np.abs(b)
        tolerance = (64 + len(r)) * _UNIT_ROUNDOFF * (reach + sizes.sum() + l2 * sizes.max(initial=0.0))
        missed = np.where(b != 0, np.abs(slope - l2 * b - l1 * np.sign(b)), np.abs(slope) - l1)
        residual = float(missed.max(initial=0.0))
        if residual <= tolerance:
            return b
        active = np.flatnonzero((b != 0) | (missed > tolerance))
        inside = R[np.ix_(active, active)]
        part, slope = b[active], slope[active]
        for _ in range(_CYCLES):
            before = np.sign(part)
            _cycle(inside, slope, l1, l2, part)
            if np.array_equal(before, np.sign(part)):
                break
        _settle(inside, slope, l1, l2, part)
        b[active] = part
    raise NotConvergedError(l1, l2, residual, tolerance)


def _cycle(R: NDArray[np.float64], slope: NDArray[np.float64], l1: float, l2: float, b: NDArray[np.float64]) -> None:
    """Take each of b (active,) to its minimum in turn, in place; `slope` stays r - R b."""
    for j, row in enumerate(R):
        old = float(b[j])
        full = float(slope[j]) + old
        new = (full - l1 if full > l1 else full + l1 if full < -l1 else 0.0) / (1.0 + l2)
        if new != old:
            b[j] = new
            slope -= (new - old) * row


def _settle(R: NDArray[np.float64], slope: NDArray[np.float64], l1: float, l2: float, b: NDArray[np.float64]) -> None:
    """Take b (active,) to the minimum for its signs, in place, or to where coefficients on the way there reached 0.

    With the signs fixed the objective is quadratic. The diagonal gets a little more than rounding can take from it, so
    dependent columns have a direction too: one along which the objective falls until one of them reaches 0.
    """
    more = l2 + 128 * len(R) * _UNIT_ROUNDOFF
    while (support := np.flatnonzero(b)).size:
        here, sign = b[support], np.sign(b[support])
        matrix = R[np.ix_(support, support)]
        matrix.flat[:: len(support) + 1] += more
        _, step, failed = linalg.lapack.dposv(matrix, slope[support] - l2 * here - l1 * sign)
        if failed:
            break
        shares = _shares(here, step)
        first = int(np.argmin(shares))
        if shares[first] >= 1:
            b[support] = here + step
            break
        b[support] = here + shares[first] * step
        b[support[first]] = 0.0
        slope -= R[:, support] @ (b[support] - here)


def _shares(here: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each step that leads to 0, float64 (support,); infinity for one that leads away."""
    with np.errstate(over="ignore"):
        return np.divide(-here, step, out=np.full_like(here, np.inf), where=np.sign(step) == -np.sign(here))
