"""Least squares whose coefficients lie in bounds, by an active-set method on the normal equations.

For each target |y - X w|^2 is least among all low <= w <= high. Free weights go towards the least squares of what held
ones leave, until one is at a bound and is held; at the end of that way the held one is freed that the slope X'(y - X w)
pulls off its bound most (Lawson and Hanson 1974, "Solving least squares problems", 23.3; Stark and Parker 1995,
Computational Statistics 10, 129-141). A combination of free columns has no slope, so it is never freed. The optimum,
with slopes of 0 between bounds, <= 0 at lower and >= 0 at upper ones, is the only one if columns of no slope are
independent. Its residuals have as many degrees of freedom as rows less coefficients between their bounds for a target:
the face that a solution lies on has the fit's degrees on average (Meyer and Woodroofe 2000, Ann. Stat. 28, 1083-1104).
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import FitError, OptionError, escaped, listed
from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.linear_algebra import solve, times
from lr_trainer.errors import IllConditionedError
from lr_trainer.moments.preconditioned import EXACT
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE
from lr_trainer.solvers.least_squares import independent
from lr_trainer.solvers.pivoted import solution_of
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.fit_report import Bound
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.terms.evaluation import Parts
    from lr_trainer.solvers.normal_equations import NormalEquations

    Flags = NDArray[np.bool_]

_MISSED = 1e-13
"""A slope below this share of the lengths of column and residuals is none: it is rounding of float64 sums."""

_EXCHANGES = 10
"""As a rule, fewer exchanges lead to the optimum, whatever the number of columns."""


def ends_of(bounds: Sequence[Bound], parts: Sequence[Parts], names: Sequence[str]) -> tuple[Array, Array]:
    """Return the bounds of weights, float64 (terms,) each, from those of the coefficients of terms by their names.

    A coefficient on the raw columns is its own weight over a power of two, where no other of `raw_parts` has a share.
    """
    ends = np.repeat([[-math.inf], [math.inf]], len(parts), axis=1)
    for name, *own in bounds:
        if name not in names:
            levels = [each for each in names if each.startswith(f"{name}=")]
            near = levels or difflib.get_close_matches(name, names) or names
            raise OptionError(f"no coefficient is called {escaped(name)}. Bound {listed(near)}")
        if names.count(name) > 1:
            raise OptionError(f"{escaped(name)} is the name of {names.count(name)} coefficients. Rename a column")
        place = names.index(name)
        if sum(place in shares for shares in parts) > 1:
            raise FitError(f"the coefficient of {escaped(name)} is made of several weights, which no bound can hold")
        ends[:, place] = np.array(own) / float(parts[place][place])
    return ends[0], ends[1]


def bounded(normal: NormalEquations, names: Sequence[str], low: Array, high: Array) -> Solution:
    """Return the solution whose weights lie in bounds, float64 (terms,) each, infinite where there is none.

    Raises:
        CollinearError: the bounds leave more than one solution.
        FitError: a column does not vary, and 0 is not in its bounds.
    """
    terms, scale, gram, inside = normal.terms, normal.scale, normal.scaled, np.flatnonzero(normal.informative)
    if (beyond := ~normal.informative & ((low > 0) | (high < 0))).any():
        name = escaped(names[int(np.argmax(beyond))])
        raise FitError(f"{name} does not vary: its coefficient is 0, out of its bounds. Leave it out")
    weight: Extended[Array] = Extended.of(np.zeros((len(normal.tss), terms)))
    for output, own in enumerate(range(terms, len(scale))):
        to = scale[inside] / scale[own]
        box = _Box(gram[np.ix_(inside, inside)], gram[inside, own], gram[own, own], low[inside] * to, high[inside] * to)
        found, loose = box.optimum(np.linalg.norm(Floor.of(normal).values, axis=0)[inside])
        weight[output, inside] = found.scaled(1 / to)
        independent(normal, names, np.isin(np.arange(terms), inside[loose]))
    held = (weight.high <= low) | (weight.high >= high)
    support = normal.informative & ~held.all(axis=0)
    degrees = normal.rows - int(normal.intercept) - int(np.count_nonzero(support))
    solution = Solution.of_weights(normal, weight, DOUBLE_DOUBLE, pivots=support, held=held)
    return replace(solution, support=support, df_resid=degrees)


@dataclass(frozen=True)
class _Box:
    """The normal equations of a target on columns over powers of two, with the bounds there."""

    matrix: Extended[Array]
    cross: Extended[Array]
    square: Extended[Array]
    low: Array
    high: Array

    def optimum(self, noise: Array) -> tuple[Extended[Array], Flags]:
        """Return the weights and the columns without a slope; `noise` is the length of the rounding of each column."""
        (b, free), lengths = self._start(), np.sqrt(np.diag(self.matrix.high))
        for _ in range(_EXCHANGES * (1 + len(b))):
            end = self._end(b, free)
            near = np.clip(end.high, self.low, self.high)
            if (out := end.high != near).any():
                share = np.divide(near - b, end.high - b, out=np.full_like(b, np.inf), where=out)
                first = np.argmin(share)
                b = np.clip(b + share[first] * (end.high - b), self.low, self.high)
                b[first], free[first] = near[first], False
                continue
            b, slope = near, self._slope(end)
            left = float((self.square - sum_of(end * (self.cross + slope))).rounded())
            reach = float(times(lengths, np.abs(b)) + np.sqrt(self.square.high))
            none = _MISSED * (math.sqrt(max(left, 0.0)) + EXACT * reach)
            size = np.abs(slope.high) / lengths
            missed = np.where(~free & self._pulled(b, slope.high), size, 0.0)
            if missed.max(initial=0.0) <= none:
                return end, (size <= none * (10 + 4 * noise / lengths / _MISSED)) & (self.low < self.high)
            free[np.argmax(missed)] = True
        raise IllConditionedError(0.0)

    def _start(self) -> tuple[Array, Flags]:
        """Return weights near the optimum and the free ones: block pivoting (Portugal et al. 1994, Math. Comp. 63)."""
        # A little is added to the squares, so that dependent columns have a solution.
        matrix, free = self.matrix.high + np.diag(_MISSED * np.diag(self.matrix.high)), self.low < self.high
        b = np.clip(np.zeros_like(self.low), self.low, self.high)
        for _ in range(_EXCHANGES):
            right = self.cross.high - times(matrix[:, ~free], b[~free])
            b[free] = solve(matrix[np.ix_(free, free)], right[free])
            back = ~free & self._pulled(b, self.cross.high - times(matrix, b))
            free, b = back | (free & self._between(b)), np.clip(b, self.low, self.high)
        return b, free & self._between(b)

    def _end(self, b: Array, free: Flags) -> Extended[Array]:
        """Return double-double (columns,), the least squares of the free weights with the others as they are."""
        end, matrix = Extended.of(b.copy()), self.matrix[np.ix_(free, free)]
        floor = Floor(np.zeros((1, len(matrix.high))), np.sqrt(np.diag(matrix.high)))
        step, _ = solution_of(matrix, self._slope(end)[free][:, None], range(len(matrix.high)), floor)
        end[free] = end[free] + step[:, 0]
        return end

    def _slope(self, b: Extended[Array]) -> Extended[Array]:
        return self.cross - sum_of(self.matrix * b[None, :])

    def _between(self, b: Array) -> Flags:
        return np.asarray((self.low < b) & (b < self.high))

    def _pulled(self, b: Array, slope: Array) -> Flags:
        """Return bool (columns,), the weights that the slope pulls to where their bounds let them go."""
        return np.asarray(((slope > 0) & (b < self.high)) | ((slope < 0) & (b > self.low)))
