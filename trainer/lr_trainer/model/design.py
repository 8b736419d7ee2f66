"""The design matrix: the terms, which the weights multiply, at rows of the input columns.

The fit and the eager model share this expansion; fits that need more digits compute it in double-double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_runtime.contract.terms.term import Term, columns_on_basis
from lr_trainer.arithmetic.arrays import A, Array, beside, empty, names_of
from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.rounding import rounding_of
from lr_trainer.model.terms.evaluation import Evaluation, evaluation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.derived import Derived
    from lr_trainer.model.terms.evaluation import Parts

_MOST_ON_BASIS = 2.0
"""The scale of a variable on a basis is the power of two up to its reach, which is less than twice as far."""

_FUNCTION = 0.25
"""The share of `rounding_of`, four units in the last place, that the functions of NumPy and torch are off at most."""


@dataclass(frozen=True)
class Design:
    """The expansion of rows into a design matrix.

    Attributes:
        terms: the columns of the design matrix.
        origin: float64 (variables,), subtracted from numeric columns.
        scale: float64 (variables,), powers of two by which numeric columns are divided afterwards.
        fill: float64 (variables,), the value in place of a missing one; NaN for a column without a fill.
        levels: int64 (variables,), the number of categories of a column, 0 of a numeric one.
        derived: the functions of columns that are the last variables.
    """

    terms: tuple[Term, ...]
    origin: Array
    scale: Array
    fill: Array
    levels: NDArray[np.int64]
    derived: tuple[Derived, ...] = ()

    @staticmethod
    def of(checkpoint: Checkpoint) -> Design:
        """Return the design of a fitted model."""
        columns = checkpoint.contract.variables
        has_policy = np.array([column.missing != "error" for column in columns])
        return Design(
            terms=checkpoint.terms,
            origin=checkpoint.origin,
            scale=checkpoint.scale,
            fill=np.where(has_policy, checkpoint.fill, np.nan),
            levels=np.array([len(column.categories) for column in columns]),
            derived=checkpoint.contract.derived,
        )

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The evaluation of each term."""
        return tuple(map(evaluation_of, self.terms))

    @cached_property
    def are_rounded(self) -> NDArray[np.bool_]:
        """Bool (terms,), whose values float64 rounds, and double-double does not."""
        return np.array([each.is_rounded for each in self.evaluations], dtype=np.bool_)

    @cached_property
    def is_plain(self) -> bool:
        """Whether the design matrix is the variables as they are."""
        return (
            [term.raw_column for term in self.terms] == list(range(len(self.origin)))
            and not self.origin.any()
            and bool((self.scale == 1).all() and np.isnan(self.fill).all())
        )

    def expand(self, x: A) -> A:
        """Return float64 (rows, terms) for float64 x (rows, variables); NaN is a missing value."""
        if self.is_plain:
            return x
        names = names_of(x)
        u = (self._filled(x) - beside(x, self.origin)) / beside(x, self.scale)
        columns, values = (tuple(x.T), tuple(u.T)), empty(x, (len(self.terms), len(x)))
        for place, term in enumerate(self.terms):
            values[place] = cast("A", term.value(*columns))
        values = values.T
        if not self.levels.any():
            return values
        known = self._known(x)
        of_term = known[:, [term.columns[0] for term in self.terms]]
        for place, term in enumerate(self.terms):
            for column in term.columns[1:]:
                of_term[:, place] = names.logical_and(of_term[:, place], known[:, column])
        return names.where(of_term, values, np.nan)

    def expand_extended(self, x: A) -> Extended[A]:
        """Return `expand` in double-double: powers and differences without rounding to float64."""
        names, zero = names_of(x), names_of(x).zeros_like(x[:, 0])
        difference = Extended(*two_sum(self._filled(x), -beside(x, self.origin)))
        scale = beside(x, self.scale)
        u = Extended(difference.high / scale, difference.low / scale)
        scaled = [u[:, column] for column in range(x.shape[1])]
        found = [term.value(tuple(x.T), scaled) for term in self.terms]
        pairs = [each if isinstance(each, Extended) else Extended.of(each + zero) for each in found]
        return Extended(names.stack([c.high for c in pairs], axis=1), names.stack([c.low for c in pairs], axis=1))

    def rounding(self, largest: Array) -> Array:
        """Return float64 (sources, terms), how far the rounding of each variable's values moves each of its terms.

        A term is computed from the value in double-double, so the terms of a variable move together, each by its
        derivative. That is largest at the ends of the range, so one with powers is two sources. Indicators are exact.
        `largest`, float64 (terms or more,), is the largest absolute value of each term.
        """
        reach, fixed = np.zeros(len(self.origin)), columns_on_basis(self.terms)
        reach[list(fixed)] = _MOST_ON_BASIS
        for term, most in zip(self.terms, largest, strict=False):
            if term.raw_column is not None:
                reach[term.raw_column] = most
        ends = np.array([reach, [-each if column in fixed else 0.0 for column, each in enumerate(reach)]])
        moved = np.zeros((2, len(reach), len(self.terms)))
        for index, each in enumerate(self.evaluations):
            for column, slopes in each.slopes(ends):
                moved[:, column, index] = slopes
        size = reach + np.abs(self.origin) / self.scale
        return np.asarray((rounding_of(size)[:, None] * moved).reshape(-1, len(self.terms)))

    def rounding_of_functions(self, largest: Array) -> Array:
        """Return float64 (terms,), how far the rounding of derived variables moves each term; see `rounding`."""
        if not self.derived:
            return np.zeros(len(self.terms))
        moved = abs(self.rounding(largest)).reshape(2, len(self.origin), -1)[:, -len(self.derived) :]
        return np.asarray(_FUNCTION * moved.max(axis=0).sum(axis=0))

    def _filled(self, x: A) -> A:
        if np.isnan(self.fill).all():
            return x
        names = names_of(x)
        return names.where(names.isnan(x), beside(x, self.fill), x)

    def _known(self, x: A) -> A:
        """Return bool (rows, variables), False for an index that is no category, whose terms have to be NaN."""
        names, levels, has_policy = names_of(x), beside(x, self.levels), beside(x, ~np.isnan(self.fill))
        is_level = (x >= 0) & (x < levels) & (x == x.round())
        known: A = is_level | (levels == 0) | names.logical_and(names.isnan(x), has_policy)
        return known


def raw_parts(design: Design) -> list[Parts]:
    """Return each term as a sum of terms on the raw variables: the weight of each by its place, None the intercept."""
    places = {term: place for place, term in enumerate(design.terms)}
    return [
        {
            None if term is None else places[term]: share
            for term, share in each.on_raw(design.origin, design.scale).items()
        }
        for each in design.evaluations
    ]


def nearest_float32(value: float) -> float:
    """Return the nearest float32: every precision of export has it, and x - origin is exact near it."""
    with np.errstate(over="ignore", under="ignore"):
        near = float(np.float32(value))
    return near if math.isfinite(near) and (near != 0 or value == 0) else float(value)
