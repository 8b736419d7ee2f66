"""From moments to a solution in the model's terms, the way that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.term import free_columns
from lr_trainer.arithmetic.linear_algebra import times
from lr_trainer.errors import CollinearError
from lr_trainer.model.design import Design, nearest_float32, raw_parts
from lr_trainer.solvers.aim import Aim, Bounded, LeastSquares, MinimumNorm
from lr_trainer.solvers.bounded import bounded, ends_of
from lr_trainer.solvers.elastic_net_extended import penalised
from lr_trainer.solvers.least_squares import least_squares
from lr_trainer.solvers.minimum_norm import minimum_norm
from lr_trainer.solvers.normal_equations import NormalEquations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_trainer.moments.moments import Moments
    from lr_trainer.solvers.solution import Solution

_FAR = 1000
"""A column whose mean lies this many standard deviations from 0 gets an origin."""

_CANCELLED = 1e-9
"""A sum below this part of its terms is their rounding."""


@dataclass(frozen=True)
class Solved:
    """A solution, with the equations that it solves and the terms that it is for.

    Attributes:
        design: the model's terms.
        normal: the normal equations, of the moments' columns: the design's without origins.
        offsets: per output, what the predictions' mean is above the target's: 0 where the squared error is least.
    """

    design: Design
    normal: NormalEquations
    solution: Solution
    offsets: tuple[float, ...] = ()

    @cached_property
    def weights(self) -> list[list[Fraction]]:
        """The weights (outputs, terms) before rounding."""
        outputs, terms = self.solution.weight.high.shape
        return [[self.solution.weight.fraction(output, term) for term in range(terms)] for output in range(outputs)]

    @cached_property
    def means(self) -> list[Fraction]:
        """Return the means of the model's terms and of the targets; 0 without an intercept."""
        means = [self.normal.mean.fraction(index) for index in range(len(self.normal.largest))]
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
        return Leverage(np.array(float(constant)), np.array(rounded), factor, times(rounding, factor))

    @cached_property
    def biases(self) -> list[Fraction]:
        """Per output, the mean of y minus the weights times the means of the terms, plus the offset.

        0 without an intercept.
        """
        means, terms = self.means, len(self.design.terms)
        explained = (sum(map(mul, row, means[:terms]), Fraction(0)) for row in self.weights)
        offsets = map(Fraction, self.offsets or [0.0] * len(self.weights))
        return [mean - part + offset for mean, part, offset in zip(means[terms:], explained, offsets, strict=True)]


def solve(moments: Moments, design: Design, names: Sequence[str], aim: Aim, *, intercept: bool) -> Solved:
    """Return the solution that is asked for, from the moments of the terms and targets.

    Raises:
        TooFewRowsError: there are fewer rows than coefficients.
        CollinearError: a column is a combination of those before it, and the aim does not say what then.
        WeakPenaltyError: a ridge penalty is too small to tell dependent columns apart.
        NotConvergedError: a lasso's descent did not reach its optimum.
    """
    final = with_origins(design, moments, intercept=intercept)
    normal = NormalEquations.of_moments(moments, len(names), intercept=intercept).with_rounded(design.are_rounded)
    if design.are_rounded.any():
        normal = replace(normal, rounding=design.rounding(moments.largest))
    try:
        return Solved(final, normal, _solution(normal, design, names, aim))
    except CollinearError as error:
        raise CollinearError(error.name, _raw_shares(design, names, error)) from None


def _solution(normal: NormalEquations, design: Design, names: Sequence[str], aim: Aim) -> Solution:
    if isinstance(aim, Bounded):
        return bounded(normal, names, *ends_of(aim.bounds, raw_parts(design), names))
    if isinstance(aim, LeastSquares):
        return least_squares(normal, names, drop_collinear=aim.drop_collinear)
    return minimum_norm(normal) if isinstance(aim, MinimumNorm) else penalised(normal, aim)


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


def with_origins(design: Design, moments: Moments, *, intercept: bool) -> Design:
    """Return the design with an origin for every plain column whose mean is far from 0 in its standard deviations.

    Without an intercept there is none: what an origin takes out of the terms would have nowhere to go.

    A float32 origin is exact in every precision of export, and x - origin rounds nothing for x within a factor of 2 of
    it (Sterbenz 1974). The moments stay those of the raw columns: a shift changes no deviation.
    """
    origin, varies, squares = design.origin.copy(), moments.varies(intercept=intercept), moments.own
    for index, column in enumerate(free_columns(design.terms) if intercept else ()):
        if column is None:
            continue
        sd = math.sqrt(squares[index] / float(moments.weight))
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
