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
from math import ceil, isfinite
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.condition import condition_number
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.elementary import geometric, log10
from lr_trainer.arithmetic.linear_algebra import cholesky, cholesky_solve, reciprocal_condition, times
from lr_trainer.arithmetic.rounding import FLOAT64
from lr_trainer.errors import NotConvergedError, OutOfRangeError, TooFewFoldsError, WeakPenaltyError
from lr_trainer.moments.moments import Moments
from lr_trainer.solvers.normal_equations import NormalEquations
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.fit_report import Penalty
    from lr_trainer.arithmetic.arrays import Array

PENALTIES = 100
"""The length of a path."""

_SPAN = 1e-4
"""The last penalty of a path with an l1 part, as a share of its first."""

_RIDGE_SPAN = 1e-10
"""The last penalty of a ridge path as a share of its first, which is _RIDGE_TOP for each column."""

_RIDGE_TOP = 100.0

_LEAST_RATIO = 0.01

_UNIT_ROUNDOFF = 2.0**-53

_DIGITS = 14.0
"""Those of float64 sums of products: 64 roundings of 2^-53, the FLOAT64 of `lr_trainer.arithmetic.rounding`."""

_ROUNDS = 1000
"""The most rounds of a descent."""

_CYCLES = 50
"""The most cycles over the active columns in a round."""

_STEPS = 20
"""The penalties that lead to a single one, each a start for the next."""


def descended(normal: NormalEquations, penalty: Penalty) -> tuple[Solution | None, float]:
    """Return the solution in float64, and how many digits of its weights that leaves; 0 where figures of them have few.

    Ridge is solved by Cholesky, lasso and elastic net by coordinate descent. None where a ridge penalty does not tell
    dependent columns apart.
    """
    try:
        weight = penalised_weights(normal, penalty)
    except WeakPenaltyError:
        return None, 0.0
    found = Solution.of_weights(normal, Extended.of(weight), FLOAT64, ridge=min(penalty.l2))
    support, condition = found.support, found.condition_number
    if any(penalty.l1):  # the weights outside a lasso's support are 0
        condition = condition_number(normal.columns[np.ix_(support, support)])
    # A ridge penalty adds to all eigenvalues of the correlation matrix, whose sum is the number of columns.
    growth = min(condition * condition, 1 + np.count_nonzero(support) / max(min(penalty.l2), _UNIT_ROUNDOFF))
    return found, _DIGITS - log10(growth) if found.is_certain else 0.0


@dataclass(frozen=True)
class Curve:
    """The cross-validated error along a path of penalties, the largest first, for each target.

    Attributes:
        l1: float64 (outputs, PENALTIES).
        l2: float64 (outputs, PENALTIES).
        error: float64 (outputs, PENALTIES), the mean squared error over the rows, each predicted while held out.
    """

    l1: Array
    l2: Array
    error: Array

    @property
    def best(self) -> NDArray[np.intp]:
        """Int (outputs,), where the error is smallest; the largest penalty of equals."""
        return np.asarray(np.argmin(self.error, axis=1))

    @property
    def chosen(self) -> tuple[Array, Array]:
        """The l1 and the l2, each float64 (outputs,), with the smallest error."""
        row = np.arange(len(self.error))
        return self.l1[row, self.best], self.l2[row, self.best]


@dataclass(frozen=True)
class _Unit:
    """The normal equations of columns at unit standard deviation, without those that do not vary.

    Attributes:
        varies: bool (terms,), the columns that do.
        sd: float64 (columns,), their standard deviations.
        correlation: float64 (columns, columns), R; its diagonal is 1.
        cross: float64 (columns, outputs), r, the covariances with the targets; 0 for targets that do not vary.
    """

    varies: NDArray[np.bool_]
    sd: Array
    correlation: Array
    cross: Array

    @staticmethod
    def of(normal: NormalEquations) -> _Unit:
        varies, terms = normal.informative, normal.terms
        sd = np.sqrt(np.diag(normal.columns)[varies] / normal.weight)
        correlation = normal.columns[np.ix_(varies, varies)] / normal.weight / np.outer(sd, sd)
        np.fill_diagonal(correlation, 1.0)
        cross = np.where(normal.varies[terms:], normal.gram[:terms, terms:], 0.0)
        return _Unit(varies, sd, correlation, cross[varies] / normal.weight / sd[:, None])

    def weight(self, unit_weight: Array) -> Array:
        """Return float64 (..., terms), the weights per unit of each column, from b (..., columns)."""
        weight = np.zeros((*unit_weight.shape[:-1], len(self.varies)))
        weight[..., self.varies] = unit_weight / self.sd
        return weight


def penalised_weights(normal: NormalEquations, penalty: Penalty) -> Array:
    """Return float64 (outputs, terms), the weights that minimise the objective above.

    Ridge (l1 = 0) is R + l2 I by Cholesky. Otherwise coordinate descent, until no optimality condition above is missed
    by more than (64 + terms) 2^-53 (max |r| + sum |b| + l2 max |b|), the rounding of evaluating it.

    Raises:
        OutOfRangeError: a penalty is not a finite number of at least 0.
        WeakPenaltyError: for ridge, the columns are dependent and l2 is too small for float64 to tell.
        NotConvergedError: the descent did not reach the above.
    """
    for name, each in (("l1", penalty.l1), ("l2", penalty.l2)):
        for value in each:
            if not (isfinite(value) and value >= 0):
                raise OutOfRangeError(f"the penalty {name}", value, "a finite number of at least 0")
    unit = _Unit.of(normal)
    fits = [
        (_lasso if l1 else _ridge)(unit.correlation, cross, l1, l2)
        for cross, l1, l2 in zip(unit.cross.T, penalty.l1, penalty.l2, strict=True)
    ]
    return unit.weight(np.array(fits))


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
        NotConvergedError: as for `penalised_weights`.
    """
    if l1_ratio != 0 and not _LEAST_RATIO <= l1_ratio <= 1:
        raise OutOfRangeError("the l1 ratio", l1_ratio, f"0 (ridge), or a number from {_LEAST_RATIO} to 1 (lasso)")
    if len(folds) < 2:
        raise TooFewFoldsError(len(folds))
    terms = len(folds[0].mean) - outputs
    whole = NormalEquations.of_moments(reduce(Moments.merge, folds), terms, intercept=intercept)
    l1, l2 = _penalties(whole, l1_ratio)
    squares, fit_path = np.zeros_like(l1), _path if l1_ratio else _ridge_path
    for index, fold in enumerate(folds):
        train = reduce(Moments.merge, [*folds[:index], *folds[index + 1 :]])
        held_out = fold.about(train if intercept else None)
        unit = _Unit.of(NormalEquations.of_moments(train, terms, intercept=intercept))
        for output, cross in enumerate(unit.cross.T):
            fits = fit_path(unit.correlation, cross, l1[output], l2[output])
            squares[output] += _squares(held_out, unit.weight(fits), output)
    return Curve(l1, l2, squares / sum(float(fold.weight) for fold in folds))


def _penalties(normal: NormalEquations, l1_ratio: float) -> tuple[Array, Array]:
    """Return the l1 and the l2 of a path, each float64 (outputs, PENALTIES)."""
    unit, outputs = _Unit.of(normal), len(normal.tss)
    if l1_ratio == 0:
        l2 = _RIDGE_TOP * max(len(unit.sd), 1) * np.geomspace(1.0, _RIDGE_SPAN, PENALTIES)
        return np.zeros((outputs, PENALTIES)), np.tile(l2, (outputs, 1))
    sd = np.sqrt(np.where(normal.varies[normal.terms :], normal.tss, 0.0) / normal.weight)
    sd[sd == 0] = 1.0
    top = np.abs(unit.cross).max(axis=0, initial=0.0)
    l1 = np.outer(np.where(top > 0, top, sd), np.geomspace(1.0, _SPAN, PENALTIES))
    return l1, l1 / sd[:, None] * ((1.0 - l1_ratio) / l1_ratio)


def _ridge_path(R: Array, r: Array, _: Array, l2: Array) -> Array:
    """Return (R + l2 I)^-1 r, float64 (penalties, columns), for each of the penalties (penalties,)."""
    values, vectors = np.linalg.eigh(R)
    return np.asarray(((vectors.T @ r) / (np.maximum(values, 0.0) + l2[:, None])) @ vectors.T)


def _path(R: Array, r: Array, l1: Array, l2: Array) -> Array:
    """Return b, float64 (penalties, columns), for each of the penalties (penalties,), each from the one before."""
    fits = [np.zeros_like(r)]
    for a, b in zip(l1, l2, strict=True):
        fits.append(_descend(R, r, float(a), float(b), fits[-1]))
    return np.array(fits[1:])


def _squares(products: Array, weight: Array, output: int) -> Array:
    """Return float64 (penalties,), the sums of squared errors of weights (penalties, terms) on held-out rows.

    Their products, float64 (terms + outputs, terms + outputs), are about what the intercepts make 0.
    """
    terms = weight.shape[1]
    slope = 2.0 * products[:terms, terms + output] - weight @ products[:terms, :terms]
    total = products[terms + output, terms + output]
    return np.asarray(np.maximum(total - np.einsum("pt,pt->p", weight, slope), 0.0))


def _ridge(R: Array, r: Array, _: float, l2: float) -> Array:
    """Return (R + l2 I)^-1 r, float64 (columns,)."""
    terms = len(r)
    if not terms:
        return np.zeros(0)
    matrix = R + l2 * np.eye(terms)
    norm, lost = float(np.abs(matrix).sum(axis=0).max()), 64 * terms * _UNIT_ROUNDOFF
    root = cholesky(matrix)
    if root is None or reciprocal_condition(root, norm) <= lost:
        raise WeakPenaltyError(l2, 10.0 ** ceil(log10(10 * terms * lost * norm)))
    return cholesky_solve(root, r)


def _lasso(R: Array, r: Array, l1: float, l2: float) -> Array:
    """Return b, float64 (columns,), at the end of a path from the l1 where it is 0: far faster on p > n."""
    top = float(np.abs(r).max(initial=0.0))
    if l1 >= top:
        return np.zeros_like(r)
    steps = top * geometric(max(l1 / top, _UNIT_ROUNDOFF), _STEPS)
    steps[-1] = l1
    return np.asarray(_path(R, r, steps, np.full(_STEPS, l2))[-1])


def _descend(R: Array, r: Array, l1: float, l2: float, start: Array) -> Array:
    """Return b, float64 (columns,), by coordinate descent from `start`, as `penalised_weights` says.

    A round is cycles over the active columns (Friedman et al. 2010, eq. 5 and 8, with the covariance updates of their
    section 2.2) until one leaves all signs as they are, and a step to the minimum for these signs: the cycles find the
    active set, the step the last digits.
    """
    b, reach, residual, tolerance = start.copy(), np.abs(r).max(initial=0.0), 0.0, 0.0
    for _ in range(_ROUNDS):
        slope = r - times(R, b)
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


def _cycle(R: Array, slope: Array, l1: float, l2: float, b: Array) -> None:
    """Take each of b (active,) to its minimum in turn, in place; `slope` stays r - R b."""
    for j, row in enumerate(R):
        old = float(b[j])
        full = float(slope[j]) + old
        new = (full - l1 if full > l1 else full + l1 if full < -l1 else 0.0) / (1.0 + l2)
        if new != old:
            b[j] = new
            slope -= (new - old) * row


def _settle(R: Array, slope: Array, l1: float, l2: float, b: Array) -> None:
    """Take b (active,) to the minimum for its signs, in place, or to where coefficients on the way there reached 0.

    With the signs fixed the objective is quadratic. The diagonal gets a little more than rounding can take from it, so
    dependent columns have a direction too: one along which the objective falls until one of them reaches 0.
    """
    more = l2 + 128 * len(R) * _UNIT_ROUNDOFF
    while (support := np.flatnonzero(b)).size:
        here, sign = b[support], np.sign(b[support])
        matrix = R[np.ix_(support, support)]
        matrix.flat[:: len(support) + 1] += more
        root = cholesky(matrix)
        if root is None:
            break
        step = cholesky_solve(root, slope[support] - l2 * here - l1 * sign)
        shares = _shares(here, step)
        first = int(np.argmin(shares))
        if shares[first] >= 1:
            b[support] = here + step
            break
        b[support] = here + shares[first] * step
        b[support[first]] = 0.0
        slope -= times(R[:, support], b[support] - here)


def _shares(here: Array, step: Array) -> Array:
    """Return the share of each step that leads to 0, float64 (support,); infinity for one that leads away."""
    with np.errstate(over="ignore"):
        return np.divide(-here, step, out=np.full_like(here, np.inf), where=np.sign(step) == -np.sign(here))
