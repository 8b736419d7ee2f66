"""From the moments about a pilot to those of the terms and targets, and how right they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.elementary import log10
from lr_trainer.arithmetic.gram import inverse, transposed
from lr_trainer.arithmetic.linear_algebra import times
from lr_trainer.moments.preconditioned import EXACT, Preconditioned, magnification
from lr_trainer.moments.preconditioner import size_of_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.pilot import Pilot

_SURE = 8.0
"""A sum of roundings that do not depend on one another is, but for one in 10^15, less than 8 times the root of the sum
of their squares."""

_TYPICAL = 0.25
"""Roundings are uniform, at most half a unit: their root mean square is this share of what is allowed for them."""

_MOST_NOISE = 1e-9
"""A column of a larger share of rounding is nearly a combination of others, whose bounds it must not spoil."""

_MOST_DIGITS, _MOST_EXACTLY = 14.0, 15.0
"""Of a fit to orthogonal columns, by float64 sums of products (`FLOAT64`), and by sums in double-double of several
blocks. Of a single block, further passes cost little, and a better pilot has the sharper bound."""


def preconditioned(
    pilot: Pilot, found: Moments, terms: int, *, rounded: NDArray[np.bool_], functions: Array, intercept: bool
) -> tuple[Moments, float]:
    """Return the moments of D from those of Z about a pilot, and how many digits of a fit are to be expected of them.

    Args:
        pilot: the pilot of the pass.
        found: the moments of Z, with the ranges of D.
        terms: how many columns are terms.
        rounded: bool (columns,), whose values are rounded where they are not formed exactly, as those of powers are.
        functions: float64 (columns,), how far the rounding of functions moves each value in any case.
        intercept: whether one is fitted.
    """
    moments, away = mapped_back(pilot, found)
    squares = np.maximum(moments.own, 0.0) + found.weight * np.where(rounded, moments.mean, away) ** 2
    moved = size_of_parts(pilot.transform, functions * math.sqrt(found.weight))
    accuracy = _Accuracy.of(pilot, found, np.sqrt(squares), moved, terms, intercept=intercept)
    return replace(moments, fine=accuracy.bounded(pilot, found, terms)), accuracy.digits


def mapped_back(pilot: Pilot, found: Moments) -> tuple[Moments, Array]:
    """Return the moments of D from those of Z about a pilot, and the mean of D less the center, float64 (columns,)."""
    back = inverse(pilot.transform, _lengths_of(pilot, found))
    mean, changed = Extended.of(found.mean.copy()), pilot.changed
    mean[changed] = sum_of(transposed(back[:, changed]) * Extended.of(found.mean)[None, :])
    away = mean.rounded()
    comoment = _back(found.comoment, back.high, changed)
    mean = mean + Extended.of(pilot.center)
    return replace(found, mean=mean.high, mean_low=mean.low, comoment=comoment), away


def _back(comoment: Array, back: Array, changed: NDArray[np.intp]) -> Array:
    """Return the products of D, of which float64 has all digits that it holds, from those of Z = D T, back = T^-1."""
    found, across = comoment.copy(), times(comoment, back[:, changed])
    found[:, changed], found[changed] = across, across.T
    found[np.ix_(changed, changed)] = times(back[:, changed].T, across)
    return found


def _lengths_of(pilot: Pilot, found: Moments) -> Array:
    """Return about how long the columns of D are, from their ranges: they only choose powers of two, not too small."""
    return np.maximum(np.maximum(abs(found.maximum - pilot.center), abs(found.minimum - pilot.center)), 2.0**-900)


@dataclass(frozen=True)
class _Accuracy:
    """How right the moments of a pass are.

    Attributes:
        lengths: float64 (columns,), of Z about the center, where its products are taken; 0 of what does not vary.
        off: float64 (columns,), the rounding of its values over all rows, as a length.
        digits: how many digits of a fit are to be expected.
    """

    lengths: Array
    off: Array
    digits: float

    @staticmethod
    def of(pilot: Pilot, found: Moments, own: Array, moved: Array, terms: int, *, intercept: bool) -> _Accuracy:
        """Return that of the moments of Z.

        Of each column, `own` is the length of D about the center, and `moved` that of what functions round, in Z.
        """
        about_center = found.comoment + found.weight * np.outer(found.mean, found.mean)
        varies = found.varies(intercept=intercept)
        gram = np.where(np.outer(varies, varies), found.comoment if intercept else about_center, 0.0)
        lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
        sizes = np.where(lengths > 0, lengths, np.inf)
        moved = moved + pilot.unit * size_of_parts(pilot.transform, own)
        asked = np.diag(gram)[terms:] > (EXACT * own[terms:]) ** 2
        is_asked = np.concatenate([varies[:terms], asked])
        times = np.where(
            lengths > 0, np.diag(about_center) / sizes**2, np.where(np.diag(about_center) > 0, np.inf, 1.0)
        )
        growth = float(np.max(times, initial=1.0, where=is_asked))
        lost = float(np.max(_TYPICAL * moved / sizes, initial=2.0**-53, where=is_asked))
        at_center, off = np.sqrt(np.where(varies, np.diag(about_center), 0.0)), moved / math.sqrt(found.rows) * _SURE
        spread = growth * magnification(gram, terms, asked)
        most = _MOST_EXACTLY if pilot.sums_exactly and not pilot.is_whole else _MOST_DIGITS
        if not math.isfinite(spread):
            return _Accuracy(at_center, off, 0.0)
        # Products are squares: their rounding grows with the square of the columns' condition number, that of values
        # with the condition number (Higham 2002, "Accuracy and stability of numerical algorithms", 20.1).
        digits = min(most - log10(spread), -log10(lost) - log10(spread) / 2)
        return _Accuracy(at_center, off, digits)

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
        if pilot.sums_exactly and pilot.is_whole and terms:
            # Sums that are rounded once are rounded to a share of themselves, and of what the means take from them.
            means = found.weight * np.outer(found.mean[:terms], found.mean[terms:])
            parts = np.abs(found.comoment[:terms, terms:] + means) + 2 * np.abs(means)
            part = np.max(parts / np.outer(sizes[:terms], sizes[terms:]), axis=0)
        error[terms:] = (unit * part * left + moved + noise * left) / root
        off = np.concatenate([np.zeros(terms), unit * left**2 + 2 * left * moved + moved**2])
        extended = np.array(float(pilot.is_exact))
        return Preconditioned(pilot.transform, found.comoment, error, off, extended)
