"""From moments to a solution in the model's terms, by the shortest way that keeps the digits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.term import columns_on_basis, free_columns
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.rounding import rounding_of
from lr_trainer.errors import CollinearError, IllConditionedError, WeakPenaltyError
from lr_trainer.model.design import nearest_float32, raw_parts
from lr_trainer.solvers import elastic_net
from lr_trainer.solvers.condition import condition_number
from lr_trainer.solvers.digits import FEWEST_DIGITS, FLOAT64, magnified, weight_digits
from lr_trainer.solvers.elastic_net_extended import LOST, minimum_norm, shrunk
from lr_trainer.solvers.elastic_net_extended import penalised as penalised_extended
from lr_trainer.solvers.least_squares import Solution, solve, solve_fast
from lr_trainer.solvers.normal_equations import Normal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments

    Array = NDArray[np.float64]
    Products = Callable[[Design, Array], tuple[Extended[Array], float]]

_FAR = 1000
"""A column whose mean lies this many standard deviations from 0 gets an origin."""

_CANCELLED = 1e-9
"""A sum below this part of its terms is their rounding."""


@dataclass(frozen=True)
class Penalty:
    """What is added to the squared error, per target; see `lr_trainer.solvers.elastic_net`.

    Attributes:
        l1: on the absolute weights of the columns at unit standard deviation.
        l2: on half their squares.
        folds: into how many parts the rows were cut to choose the two; 0 where they were given.
    """

    l1: tuple[float, ...]
    l2: tuple[float, ...]
    folds: int = 0


@dataclass(frozen=True)
class Solved:
    """A solution and what it stands on.

    Attributes:
        design: the model's terms.
        normal: the normal equations; in double-double those of the design's terms, in float64 of the moments' columns.
        is_extended: which of the two.
        offsets: per output, what the predictions' mean is above the target's: 0 where the squared error is least.
    """

    design: Design
    normal: Normal
    solution: Solution
    is_extended: bool
    offsets: tuple[float, ...] = ()

    def weights(self) -> list[list[Fraction]]:
        """Return the weights (outputs, terms) before rounding."""
        outputs, terms = self.solution.weight.high.shape
        return [[self.solution.weight.fraction(output, term) for term in range(terms)] for output in range(outputs)]

    @property
    def basis(self) -> Design:
        """The terms that the normal equations are of: in float64 those of the moments, `without_origins`."""
        return self.design if self.is_extended else without_origins(self.design)

    @cached_property
    def means(self) -> list[Fraction]:
        """Return the means of the model's terms and of the targets; 0 without an intercept."""
        means = [self.normal.mean.fraction(index) for index in range(len(self.normal.largest))]
        if not self.is_extended:
            for index, column in enumerate(free_columns(self.design.terms)):
                if column is not None:
                    means[index] -= Fraction(self.design.origin[column])
        return means

    def leverage(self) -> Leverage | None:
        """Return the leverage of the least-squares solution; None of any other."""
        if not self.solution.is_unbiased:
            return None
        constant = Fraction(1) / Fraction(self.normal.weight) if self.normal.intercept else Fraction(0)
        means, factor = self.means[: len(self.design.terms)], self.solution.factor
        rounded = [float(mean) for mean in means]
        rounding = np.array([float(Fraction(near) - mean) for near, mean in zip(rounded, means, strict=True)])
        return Leverage(np.array(float(constant)), np.array(rounded), factor, rounding @ factor)

    def biases(self, weights: Sequence[Sequence[Fraction]]) -> list[Fraction]:
        """Return, per output, the mean of y minus the weights times the means of the terms, plus the offset.

        0 without an intercept.
        """
        means, terms = self.means, len(self.design.terms)
        explained = (sum(map(mul, row, means[:terms]), Fraction(0)) for row in weights)
        offsets = map(Fraction, self.offsets or [0.0] * len(weights))
        return [mean - part + offset for mean, part, offset in zip(means[terms:], explained, offsets, strict=True)]


def solve_with_passes(
    moments: Moments, design: Design, names: Sequence[str], products: Products, *, intercept: bool, drop_collinear: bool
) -> Solved:
    """Solve from the moments, or where they have lost digits, from the products that one more pass gives."""
    final = with_origins(design, moments, intercept=intercept)
    normal = _measured(Normal.of_moments(moments, intercept=intercept), design)
    if not any(_are_rounded(design)) and not drop_collinear:
        fast = solve_fast(normal, names)
        if fast is not None and not fast.lost_digits:
            return Solved(final, normal, fast, is_extended=False)
    normal = _extended(moments, final, products, intercept=intercept)
    try:
        solution = solve(normal, names, _rounding(moments, design), drop_collinear=drop_collinear)
    except CollinearError as error:
        raise CollinearError(error.name, _raw_shares(final, names, error)) from None
    return Solved(final, normal, solution, is_extended=True)


def _raw_shares(design: Design, names: Sequence[str], error: CollinearError) -> dict[str, float]:
    """Return what a dependent term is made of on the raw columns, from what it is made of in the model's terms.

    Their difference, expanded in powers of the raw columns, holds the term's own power in the term alone.
    """
    parts, term = raw_parts(design), names.index(error.name)
    total, size = [Fraction(0)] * len(names), [Fraction(0)] * len(names)
    for index, value in [(term, -1.0), *((names.index(other), share) for other, share in error.shares.items())]:
        for place, part in parts[index].items():
            if place is not None:
                total[place] += Fraction(value) * part
                size[place] += abs(Fraction(value) * part)
    own = -total[term]
    return {
        name: _nearest(total[place] / own)
        for place, name in enumerate(names)
        if place != term and abs(total[place]) > _CANCELLED * size[place]
    }


def _nearest(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _extended(moments: Moments, design: Design, products: Products, *, intercept: bool) -> Normal:
    """Return the normal equations in double-double, from one more pass.

    About the means that the moments give, near the own ones: what lies far from 0, or from all rows but a heavy one,
    would cancel in its products.
    """
    shift = np.zeros_like(moments.mean)
    if intercept:
        shift += moments.mean
        for index, column in enumerate(free_columns(design.terms)):
            if column is not None:
                shift[index] -= design.origin[column]
    gram, heaviest = products(design, shift)
    return _measured(Normal.of_gram(gram, moments, shift, heaviest, intercept=intercept), design)


def _measured(normal: Normal, design: Design) -> Normal:
    """Return the normal equations with the lengths that rounding is a share of, where values of terms are rounded."""
    rounded = _are_rounded(design)
    return normal.with_rounded(np.array(rounded + [False] * (len(normal.lengths) - len(rounded))))


def _are_rounded(design: Design) -> list[bool]:
    """Return whether float64 rounds the values of each term."""
    return [each.is_rounded for each in design.evaluations]


def _rounding(moments: Moments, design: Design) -> Array:
    """Return float64 (sources, terms), how far the rounding of each input column's values moves each of its terms.

    A term is computed from the value in double-double, so the terms of a column move together, each by its derivative.
    That is largest at the ends of the range, so a column with powers is two sources. Indicators are exact.
    """
    reach, fixed = np.zeros(len(design.origin)), columns_on_basis(design.terms)
    for term, largest in zip(design.terms, moments.largest, strict=False):
        if term.raw_column is not None:
            reach[term.raw_column] = largest
    ends = np.array([reach, [-each if column in fixed else 0.0 for column, each in enumerate(reach)]])
    moved = np.zeros((2, len(reach), len(design.terms)))
    for index, each in enumerate(design.evaluations):
        for column, slopes in each.slopes(ends):
            moved[:, column, index] = slopes
    size = reach + np.abs(design.origin) / design.scale
    return np.asarray((rounding_of(size)[:, None] * moved).reshape(-1, len(design.terms)))


def solve_shrunk(
    moments: Moments,
    design: Design,
    names: Sequence[str],
    penalty: Penalty | None,
    products: Products,
    *,
    intercept: bool,
) -> Solved:
    """Solve with a penalty, or for the minimum norm, as `solve_with_passes` does.

    Raises:
        WeakPenaltyError: a ridge penalty is too small to tell dependent columns apart.
        NotConvergedError: a lasso's descent did not reach its optimum.
    """
    final = with_origins(design, moments, intercept=intercept)
    normal = _measured(Normal.of_moments(moments, intercept=intercept), design)
    fast = _shrunk_fast(moments, normal, names, penalty)
    if fast is not None and _keeps_digits(normal, fast, penalty):
        return Solved(final, normal, fast, is_extended=False)
    extended = _extended(moments, final, products, intercept=intercept)
    if penalty is None:
        solution = minimum_norm(extended, len(names), _rounding(moments, design))
    else:
        start = np.zeros((len(penalty.l2), len(names))) if fast is None else fast.weight.rounded()
        solution = penalised_extended(extended, penalty.l1, penalty.l2, start)
    return Solved(final, extended, solution, is_extended=True)


def _shrunk_fast(moments: Moments, normal: Normal, names: Sequence[str], penalty: Penalty | None) -> Solution | None:
    """Solve from float64 moments; None where they do not tell dependent columns apart."""
    if penalty is not None:
        equations = elastic_net.normal(moments, len(penalty.l1), intercept=normal.intercept)
        try:
            weight = Extended.of(elastic_net.solve(equations, penalty.l1, penalty.l2).weight)
            return shrunk(normal, weight, FLOAT64, ridge=min(penalty.l2))
        except WeakPenaltyError:
            return None
    best = solve_fast(normal, names) if moments.rows > len(names) + int(normal.intercept) else None
    return None if best is None else shrunk(normal, best.weight, FLOAT64)


def _keeps_digits(normal: Normal, solution: Solution, penalty: Penalty | None) -> bool:
    """Return whether float64 moments leave nine digits of the weights, and all figures of the residuals.

    Those of the columns outside a lasso's support are 0. A ridge penalty adds to all eigenvalues of the correlation
    matrix, whose sum is the number of columns.
    """
    kept, condition = solution.kept, solution.condition
    if penalty is not None and any(penalty.l1):
        condition = condition_number(normal.gram.high[: len(kept), : len(kept)][np.ix_(kept, kept)])
    lost = condition**2
    if penalty is not None:
        lost = min(lost, 1 + np.count_nonzero(kept) / max(min(penalty.l2), 2.0**-53))
    return lost <= LOST and solution.residual_magnification <= LOST and solution.is_certain


def solve_from_moments(
    moments: Moments, design: Design, names: Sequence[str], lengths: Array, *, intercept: bool
) -> Solved:
    """Solve where there are no rows to take another pass over; `lengths` are those of
    `lr_trainer.solvers.digits.magnified`.

    Raises:
        IllConditionedError: fewer than 6 digits of the weights would be left.
    """
    normal = _measured(Normal.of_moments(moments, intercept=intercept), design).with_lengths(lengths)
    solution = solve_fast(normal, names)
    held = weight_digits(solution.condition, magnified(normal, lengths)) if solution is not None else 0.0
    if solution is None or held < FEWEST_DIGITS:
        raise IllConditionedError(held)
    return Solved(with_origins(design, moments, intercept=intercept), normal, solution, is_extended=False)


def with_origins(design: Design, moments: Moments, *, intercept: bool) -> Design:
    """Return the design with an origin for every plain column whose mean is far from 0 in its standard deviations.

    Without an intercept there is none: what an origin takes out of the terms would have nowhere to go.

    A float32 origin is exact in every precision of export, and x - origin rounds nothing for x within a factor of 2 of
    it (Sterbenz 1974). The moments stay those of the raw columns: a shift changes no deviation.
    """
    origin, varies = design.origin.copy(), moments.varies(intercept=intercept)
    for index, column in enumerate(free_columns(design.terms) if intercept else ()):
        if column is None:
            continue
        sd = math.sqrt(moments.comoment[index, index] / float(moments.weight))
        far = varies[index] and sd > 0 and abs(moments.mean[index]) > _FAR * sd
        origin[column] = nearest_float32(float(moments.mean[index])) if far else 0.0
    return replace(design, origin=origin)


def without_origins(design: Design) -> Design:
    """Return the design of the moments: `with_origins` undone."""
    origin = design.origin.copy()
    for column in free_columns(design.terms):
        if column is not None:
            origin[column] = 0.0
    return replace(design, origin=origin)
