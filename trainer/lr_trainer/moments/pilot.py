"""A pilot: a first guess of the fit, about which a pass takes its moments, so that one pass keeps the digits.

A pass takes the moments of Z = (D - center) transform, D the terms and targets: of terms less their regression on
others, where little is left of them, and of targets less their fit. The columns of Z are nearly orthogonal, and as
small as what is asked about: their Gram matrix loses no digits where that of D loses its condition number squared, and
the residuals' share of the target. This is preconditioned Cholesky QR (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya
2015, "Roundoff error analysis of the CholeskyQR2 algorithm"; Fukaya et al. 2020, "Shifted Cholesky QR"), with the first
block of the table as the sketch. The transform is exact by definition, so a poor pilot costs digits, and is seen in the
Gram matrix; a second pass then takes the moments of the first for its pilot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.rounding import FLOAT64
from lr_trainer.moments.preconditioner import LITTLE, improved, preconditioner, size_of_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments

_SMALL = 1 << 17
"""Numbers of a table whose products are summed in double-double, in about 10 ms."""

_FINE = 1e-11
"""Of smaller shares float64 sums of products of even orthogonal columns are off: they are summed in double-double."""

_ENOUGH = 4
"""Rows a term that a sketch needs: the fit of fewer says little of other rows."""

_LEAST_EXPONENT = -900
"""Of smaller numbers the slices would underflow; their squares do, and are refused."""

_MARGIN = 0.01
"""Where some columns have to be formed exactly, others cost little more, so that those near the limit are, too."""

_GRID_BITS = 26
GRID = 1.5 * 2.0 ** (52 - _GRID_BITS)
"""A number so large that, added and taken off again, it rounds numbers of at most 1 to a grid of 2^-26."""


@dataclass(frozen=True)
class Pilot:
    """What a pass takes out of the terms and targets before it takes their moments.

    Attributes:
        center: float64 (columns,), near their means; 0 without an intercept.
        transform: float64 (columns, columns), T; a target's column holds minus its weights.
        is_exact: whether columns of Z are formed to 2^-80 of the largest deviations; else all in float64.
        sums_exactly: whether products are summed in double-double; else in float64.
        is_whole: whether the rows are a single block, whose sums are rounded once.
        only: bool (columns,), which columns are formed so; None for all that are changed.
        of_values: how much of its parts' size a value that is formed exactly is off.
    """

    center: Array
    transform: Array
    is_exact: bool = False
    sums_exactly: bool = False
    is_whole: bool = False
    only: NDArray[np.bool_] | None = None
    of_values: float = 2.0**-80

    @staticmethod
    def plain(center: Array) -> Pilot:
        """Return the pilot that takes out the center alone."""
        return Pilot(center, np.eye(len(center)))

    @staticmethod
    def sketched(block: Moments, terms: int, share: float, *, intercept: bool, is_whole: bool) -> Pilot:
        """Return the pilot that the moments of a block give; of the whole table, its own fit is the best there is.

        `share` is that of a figure of the fit that its rounding may be.
        """
        center = block.mean if intercept else np.zeros_like(block.mean)
        gram = varying(block, block.gram(intercept=intercept), intercept=intercept)
        if not np.isfinite(gram).all():
            return Pilot.plain(np.zeros_like(center))  # whoever takes the moments looks
        if is_whole:
            sums_exactly = block.rows * len(center) <= _SMALL or share < _FINE
            transform = preconditioner(gram, terms, little=1.0)
            return Pilot(center, transform, is_exact=True, sums_exactly=sums_exactly, is_whole=True)
        if block.rows < _ENOUGH * terms:
            return Pilot.plain(center)
        transform = preconditioner(gram, terms)
        own, left = np.sqrt(np.diag(gram)), np.sqrt(np.maximum(np.diag(transform.T @ gram @ transform), 0.0))
        if share < _FINE:
            return Pilot(center, transform, is_exact=True, sums_exactly=True)
        rounding = size_of_parts(transform, own) * 2.0**-53
        is_exact = bool((rounding > share * left).any())
        return Pilot(center, transform, is_exact=is_exact, only=rounding > _MARGIN * share * left)

    def refined(self, found: Moments, mean: Array, terms: int, share: float, *, intercept: bool) -> Pilot:
        """Return the pilot that the moments of Z about this one give, which forms Z to 2^-80; `mean` is that of D."""
        center = mean if intercept else np.zeros_like(mean)
        gram = varying(found, found.gram(intercept=intercept), intercept=intercept)
        farthest = np.maximum(np.abs(found.maximum - self.center), np.abs(found.minimum - self.center))
        lengths, little = math.sqrt(found.weight) * farthest, 1.0 if self.is_whole else LITTLE
        transform = improved(self.transform, gram, terms, lengths, little=little)
        sums_exactly = self.sums_exactly or share < _FINE
        return Pilot(center, transform, is_exact=True, sums_exactly=sums_exactly, is_whole=self.is_whole)

    @cached_property
    def changed(self) -> NDArray[np.intp]:
        """The columns of Z that are not those of D."""
        return np.flatnonzero((self.transform != np.eye(len(self.center))).any(axis=0))

    @cached_property
    def exactly(self) -> NDArray[np.intp]:
        """The changed columns that are formed exactly."""
        return (
            self.changed[:0]
            if not self.is_exact
            else self.changed
            if self.only is None
            else self.changed[self.only[self.changed]]
        )

    @cached_property
    def plainly(self) -> NDArray[np.intp]:
        """The other changed columns, formed in float64."""
        return np.setdiff1d(self.changed, self.exactly)

    @cached_property
    def factors(self) -> Array:
        """Float64 (columns, plainly), their columns of the transform."""
        return np.ascontiguousarray(self.transform[:, self.plainly])

    @property
    def sum_unit(self) -> float:
        """How much of the columns' lengths a product is off, by rounding."""
        if not self.sums_exactly:
            return FLOAT64
        return 2.0**-52 if self.is_whole else 2.0**-50  # sums of several blocks are merged, each time rounded

    @property
    def unit(self) -> Array:
        """Float64 (columns,), how much of its parts' size a value of Z is off, by rounding."""
        return np.where(
            np.isin(np.arange(len(self.center)), self.plainly), 2.0**-53, self.of_values if self.is_exact else 2.0**-53
        )

    def slices(self, reach: Array) -> tuple[Array, Array, Array]:
        """Return the transform of what is formed exactly as a sum: of few bits, of few more, of the rest.

        A deviation on a grid of 2^-26 times its reach has 27 bits, so that its products with numbers of so few bits add
        up over the columns without rounding (Ozaki, Ogita, Oishi and Rump 2012).

        Args:
            reach: float64 (columns,), powers of two that no deviation exceeds.

        Returns:
            float64 (columns, exactly) each.
        """
        rest = self.transform[:, self.exactly] * reach[:, None]
        bits = 53 - 1 - _GRID_BITS - max(1, math.ceil(math.log2(len(rest))))
        exponents = np.maximum(np.frexp(np.abs(rest).max(axis=0, initial=0.0))[1], _LEAST_EXPONENT)
        parts = []
        for place in (1, 2):
            grid = np.ldexp(1.0, exponents - place * bits)
            parts.append(np.round(rest / grid) * grid)
            rest = rest - parts[-1]
        first, second, last = (each / reach[:, None] for each in (*parts, rest))
        return first, second, last


def run_of(places: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Return the places as a slice where they are one after the other, which is faster."""
    is_run = len(places) > 0 and places[-1] - places[0] + 1 == len(places)
    return slice(int(places[0]), int(places[-1]) + 1) if is_run else places


def varying(found: Moments, gram: Array, *, intercept: bool) -> Array:
    """Return the products without those of columns that do not vary, which take no part."""
    varies = found.varies(intercept=intercept)
    return np.where(np.outer(varies, varies), gram, 0.0)
