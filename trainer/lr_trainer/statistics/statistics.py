"""The figures of a statistics package, and their certain digits. Definitions are those of statsmodels."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy import linalg

from lr_runtime.contract.fit_report import Quality
from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.elementary import ln
from lr_trainer.arithmetic.linear_algebra import times
from lr_trainer.model.design import Design, raw_parts
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.strategy import Solved, without_origins
from lr_trainer.statistics import student

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments

N = TypeVar("N", float, Fraction)

_LEVEL = 0.95
_ROUNDING = 2.0**-50
"""Covers the roundings, 2^-53 each, of the few float64 operations that make a figure of its sums."""
_SUMMED = 2.0**-44
"""Covers the roundings of sums over 2^16 rows, which do not depend on one another, and over all blocks."""
Pair = tuple[float | None, float] | None
"""A figure and its relative rounding error; None for a figure that is not determined."""

_LOST: Pair = (None, 1.0)
_OF_ERRORS = ("stderror", "t", "p", "lower", "upper")
_LARGEST = Fraction(sys.float_info.max)


def raw_estimates(design: Design, weight: Sequence[Fraction], bias: Fraction) -> list[Fraction]:
    """Return the intercept, then the weights on the raw columns, from an output's bias and weights before rounding."""
    intercept, raw = bias, [Fraction(0)] * len(weight)
    for value, parts in zip(weight, raw_parts(design), strict=True):
        for place, share in parts.items():
            if place is None:
                intercept += value * share
            else:
                raw[place] += value * share
    return [intercept, *raw]


@dataclass(frozen=True)
class Unit:
    """The standard error of a raw coefficient at unit residual standard deviation, and its rounding error.

    Attributes:
        error: the root of the coefficient's variance at unit residual standard deviation; None for a biased fit.
        spread: the number a of `lr_trainer.solvers.digits`.
        doubt: the relative rounding error of the variance.
    """

    error: Fraction | None
    spread: Fraction
    doubt: float = 0.0


def raw_units(solved: Solved) -> list[Unit]:
    """Return the units of the intercept and of the weights on the raw columns.

    With C = L L' the inverse of the Gram matrix and m the parts of a raw weight in the model's terms, a unit is the
    root of m' C m; for the intercept, it is that of 1 / sum of weights + v' C v with v = m - mean.
    """
    offset, *others = _raw_vectors(solved)
    solution, constant = solved.solution, Fraction(1) / Fraction(solved.normal.weight)
    if solution.basis is None:
        spread = _apart(solution.rounding.spread)
        return [Unit(None, root(constant) + spread(offset)), *(Unit(None, spread(each)) for each in others)]
    length = _by_basis(*solution.basis, solution.rounding.spread)
    roots = [root(constant + length(offset) ** 2), *map(length, others)]
    return [Unit(each, each, solution.rounding.unit) for each in roots]


def robust_units(solved: Solved, meat: Array, noise: float) -> list[Unit]:
    """Return the units under the robust covariance T F M F' T' of `lr_trainer.statistics.by_row`, M its `meat`.

    The basis T F gets the constant as one more term. Rounding moves a unit by `noise` times that of equal variances.
    """
    assert solved.solution.basis is not None
    transform, factor = (linalg.block_diag(each, 1.0) for each in solved.solution.basis)
    sizes, directions = linalg.eigh(meat)
    factor[-1, -1] = solved.normal.weight**-0.5
    factor = times(factor, directions * np.sqrt(np.maximum(sizes, 0.0)))
    length = _by_basis(transform, factor, np.linalg.norm(times(transform, factor), axis=1))
    offset, *others = _raw_vectors(solved)
    usual, found = raw_units(solved), [length(offset | {len(meat) - 1: Fraction(1)}), *map(length, others)]
    shares = [float(min(u.spread / (size or u.spread or 1), _LARGEST)) for u, size in zip(usual, found, strict=True)]
    doubts = [2 * noise * share + _SUMMED * float(sizes[-1]) * share * share for share in shares]
    return [Unit(size, each.spread, min(doubt, 1.0)) for size, each, doubt in zip(found, usual, doubts, strict=True)]


def _raw_vectors(solved: Solved) -> list[dict[int, Fraction]]:
    """Return v of the intercept, then m of each weight on the raw columns."""
    parts = raw_parts(without_origins(solved.design))
    by_place: dict[int | None, dict[int, Fraction]] = {place: {} for place in (None, *range(len(parts)))}
    for term, shares in enumerate(parts):
        for place, share in shares.items():
            by_place[place][term] = share
    origin = by_place.pop(None)
    offset = {term: origin.get(term, Fraction(0)) - solved.normal.mean.fraction(term) for term in range(len(parts))}
    return [offset, *by_place.values()]


def _apart(spread: Array) -> Callable[[Mapping[int, Fraction]], Fraction]:
    """Return m -> sum |m_i| a_i, of weights that have no covariances."""
    alone = spread.tolist()
    return lambda vector: sum((abs(share) * Fraction(alone[term]) for term, share in vector.items()), Fraction(0))


def _by_basis(transform: Array, factor: Array, spread: Array) -> Callable[[Mapping[int, Fraction]], Fraction]:
    """Return m -> the root of m' C m, |m' T F|: the parts of m' T may cancel, which double-double allows for.

    With T and F, float64 (terms, terms), F F' the inverse of the preconditioned Gram matrix, and the roots of C_ii.
    """
    changed = np.flatnonzero((transform != np.eye(len(transform))).any(axis=0))

    def length(vector: Mapping[int, Fraction]) -> Fraction:
        if len(vector) == 1:
            ((term, share),) = vector.items()
            return abs(share) * Fraction(float(spread[term]))
        largest = max(map(abs, vector.values()), default=Fraction(0)) or Fraction(1)
        parts, here = np.zeros((2, len(transform))), list(vector)
        parts[0, here] = [float(share / largest) for share in vector.values()]
        parts[1, here] = [float(share / largest - Fraction(parts[0, term])) for term, share in vector.items()]
        mixed = parts[0].copy()
        mixed[changed] = sum_of(Extended.of(transform[:, changed].T.copy()) * Extended(*parts)[None, :]).rounded()
        found = times(mixed, factor)
        return root(Fraction(float(times(found, found)))) * largest

    return length


def root(value: Fraction) -> Fraction:
    """Return the square root of a number, 0 for a negative one, to 60 bits or more at any scale."""
    shift = (128 - value.numerator.bit_length() + value.denominator.bit_length()) // 2 * 2
    return Fraction(math.isqrt(max(math.floor(value * Fraction(2) ** shift), 0))) / Fraction(2) ** (shift // 2)


@dataclass(frozen=True)
class Figures:
    """The figures of a report, without those that have too few certain digits.

    Attributes:
        values: the figures by the names of `lr_runtime.contract.fit_report`; None for a figure that is not determined,
            beyond the range of float64, or uncertain.
        uncertain: the names of the figures with fewer than 6 certain digits.
        digits: the certain digits of an estimate as float64, relative to its standard error where that is larger.
        at_bound: whether a bound holds an estimate; None without bounds.
    """

    values: dict[str, float | None]
    uncertain: list[str]
    digits: float = math.inf
    at_bound: bool | None = None

    @staticmethod
    def of(values: Mapping[str, Pair], digits: float = math.inf) -> Figures:
        """Return the certain ones among figures with their relative rounding errors."""
        known = {name: pair for name, pair in values.items() if pair is not None}
        lost = [name for name, (_, rounding) in known.items() if not _is_known(rounding)]
        kept = {name: known[name][0] if name in known and name not in lost else None for name in values}
        return Figures(kept, lost, digits)


def coefficient(estimate: Fraction, noise: Fraction, unit: Unit, sd: Pair, degrees: int) -> Figures:
    """Return estimate, standard error, t, two-sided p, 95 % interval of a coefficient, each rounded once.

    `noise` is the most that rounding moves the coefficient, `sd` the residual standard deviation.
    """
    found: dict[str, Pair] = {"estimate": (held(estimate), 0.0), **dict.fromkeys(_OF_ERRORS)}
    if sd is None or unit.error is None:
        return Figures.of(found, digits=_certain(estimate, noise))
    error, off = Fraction(sd[0] or 0) * unit.error, sd[1] + unit.doubt / 2
    if not _is_known(off):
        lost = dict.fromkeys(_OF_ERRORS, _LOST)
        return Figures.of(found | lost, digits=_certain(estimate, noise))
    found["stderror"] = held(error), off
    ratio = held(estimate / error) if error else None
    if ratio is not None:
        found |= _ratio(ratio, float(min(noise / error, _LARGEST)), off, degrees)
    half = Fraction(student.quantile(0.5 + _LEVEL / 2, degrees)) * error
    moved = float(min(noise + half * Fraction(off), _LARGEST))
    for name, end in (("lower", held(estimate - half)), ("upper", held(estimate + half))):
        found[name] = end, 0.0 if end is None else relative(moved, end)
    return Figures.of(found, digits=_certain(estimate, noise, error * (1 - Fraction(off))))


def _certain(estimate: Fraction, noise: Fraction, error: Fraction = Fraction(0)) -> float:
    """Return the certain digits of an estimate, relative to itself or to the least that its standard error may be.

    The nearest float64 is up to 2^-53 of it away, and the exact coefficient may be smaller by the noise.
    """
    return digits(relative(noise + abs(estimate) / 2**53, max(abs(estimate) - noise, error)), 1.0)


def _ratio(ratio: float, moved: float, off: float, degrees: int) -> dict[str, Pair]:
    """Return t and its p, whose rounding error is taken from p at both ends of the rounding interval of t."""
    low, high = max(abs(ratio) - moved, 0.0) / (1 + off), (abs(ratio) + moved) / (1 - off)
    p = _tail(lambda t: student.two_sided(t, degrees), low, abs(ratio), high)
    return {"t": (ratio, relative(moved, ratio) + off), "p": p}


def _is_known(rounding: float) -> bool:
    """Return whether six digits of a figure with this relative rounding error are certain."""
    return digits(rounding, 1.0) >= FEWEST_DIGITS


def relative(noise: N, value: N) -> float:
    """Return noise / |value|, at most 1; 0 without noise."""
    if not noise:
        return 0.0
    return float(noise / abs(value)) if noise < abs(value) else 1.0


def _tail(tail: Callable[[float], float], low: float, middle: float, high: float) -> Pair:
    """Return a decreasing tail probability, and its largest relative distance from those at both ends.

    A probability below the smallest normal float64 is given as 0, uncertain unless the one at `low` is as small.
    """
    p, most, least = tail(middle), tail(low), tail(high)
    if p < sys.float_info.min:
        return 0.0, float(most >= sys.float_info.min)
    return p, max(most - p, p - least, 0.0) / p


def held(value: Fraction) -> float | None:
    """Return the nearest float64; None for a value beyond its range, or so near 0 that float64 loses digits."""
    try:
        near = float(value)
    except OverflowError:
        return None
    return near if abs(near) >= sys.float_info.min or not value else None


def quality(moments: Moments, solved: Solved, output: int) -> tuple[Figures, Pair]:
    """Return the figures of one output, and its residual standard deviation.

    The log-likelihood of a weighted fit is that of normal errors with variance s^2 / weight, where s^2 is the
    maximum-likelihood estimate.
    """
    sums, degrees = _Sums.of(moments, solved, output), solved.solution.df_resid
    found: dict[str, Pair] = dict.fromkeys(Quality._fields)
    found["rmse"] = math.sqrt(sums.residual / solved.normal.weight), sums.lost / 2
    if sums.total > 0:
        found["r2"], found["adjr2"] = sums.r2(), sums.adjusted()
    if degrees > 0:
        found["residual_sd"] = math.sqrt(sums.residual / degrees), sums.lost / 2
    # Residuals that are 0 for certain have no F and no likelihood.
    if solved.solution.is_unbiased and degrees > 0 and (sums.residual or sums.off):
        found |= sums.f() | sums.likelihood(moments, sums.model + int(solved.normal.intercept))
    return Figures.of(found), found["residual_sd"]


@dataclass(frozen=True)
class _Sums:
    """The sums of squares of an output, their largest rounding errors, and their degrees of freedom.

    Attributes:
        residual: the residual sum;  off: its rounding error.
        explained: the explained sum;  away: its rounding error.
        total: the total sum.
        model: the degrees of freedom of the explained sum;  degrees: of the residual sum;  about: of the total sum.
    """

    residual: float
    off: float
    explained: float
    away: float
    total: float
    model: int
    degrees: int
    about: int

    @staticmethod
    def of(moments: Moments, solved: Solved, output: int) -> _Sums:
        solution, rounding = solved.solution, solved.solution.rounding
        residual, off = float(solution.ssr[output]), float(rounding.residual[output])
        return _Sums(
            residual=residual,
            off=off,
            explained=float(solution.ess[output]),
            away=float(rounding.explained[output]),
            total=float(solution.tss[output]),
            model=int(np.count_nonzero(solution.support)),
            degrees=solution.df_resid,
            about=moments.rows - int(solved.normal.intercept),
        )

    @property
    def lost(self) -> float:
        """The relative rounding error of the residual sum."""
        return relative(self.off, self.residual)

    def r2(self) -> tuple[float, float]:
        """Return R2: near 0 from the explained sum, near 1 from the residual sum, so that neither cancels."""
        if self.residual < self.explained:
            r2 = 1.0 - self.residual / self.total
            return r2, relative(self.off / self.total, r2)
        r2 = self.explained / self.total
        return r2, relative(self.away, self.explained)

    def adjusted(self) -> Pair:
        if self.degrees <= 0:
            return None
        r2, noise = self.r2()
        if self.residual < self.explained:
            adjusted = 1.0 - self.about / self.degrees * (self.residual / self.total)
        else:
            adjusted = (self.about * r2 - self.model) / self.degrees
        # The parts of the difference are rounded, too, and the difference may be near 0.
        moved = (self.about * abs(r2) * (noise + _ROUNDING) + self.model * _ROUNDING) / self.degrees
        return adjusted, relative(moved, adjusted)

    def f(self) -> dict[str, Pair]:
        """Return F and its p, whose rounding error is taken from p at both ends of the rounding interval of F."""
        if not self.model:
            return {}
        if not _is_known(self.lost):
            return {"f": _LOST, "f_p": _LOST}
        variance = self.residual / self.degrees * self.model
        low = max(self.explained - self.away, 0.0) / (variance * (1 + self.lost))
        high = (self.explained + self.away) / (variance * (1 - self.lost))
        p = _tail(lambda f: student.f_tail(f, self.model, self.degrees), low, self.explained / variance, high)
        return {"f": (self.explained / variance, self.lost + relative(self.away, self.explained)), "f_p": p}

    def likelihood(self, moments: Moments, parameters: int) -> dict[str, Pair]:
        """Return the log-likelihood, AIC and BIC of a fit with this number of parameters."""
        if not self.residual:
            return dict.fromkeys(("loglikelihood", "aic", "bic"), _LOST)
        rows, weight, logs = moments.rows, float(moments.weight), float(moments.log_weight)
        each = ln(2 * math.pi * self.residual / rows) + 1
        value = 0.5 * logs - rows / 2 * each
        # An upper bound of the sizes of the added logarithms of the weights: log w <= log(1 + w), which is concave.
        sizes = 2 * rows * ln(1 + weight / rows) + abs(logs) + rows * (abs(each) + 1)
        moved = rows / 2 * self.lost + _ROUNDING * sizes
        costs = {"aic": 2.0 * parameters, "bic": ln(rows) * parameters}
        criteria = {name: (cost - 2 * value, relative(2 * moved, cost - 2 * value)) for name, cost in costs.items()}
        return {"loglikelihood": (value, relative(moved, value)), **criteria}
