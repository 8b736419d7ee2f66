"""The report of a fit: the figures of a statistics package, as JSON values. Definitions are those of statsmodels."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_trainer import student
from lr_trainer.design import raw_parts
from lr_trainer.rounding import FEWEST_DIGITS, digits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.design import Design
    from lr_trainer.extended import Extended
    from lr_trainer.moments import Moments
    from lr_trainer.solving import Solved

    Array = NDArray[np.float64]

_LEVEL = 0.95
_SMALLEST, _LARGEST = Fraction(sys.float_info.min), Fraction(sys.float_info.max)


def raw_estimates(design: Design, weight: Sequence[Fraction], bias: Fraction) -> list[Fraction]:
    """Return the intercept, then the weights on the raw columns.

    Args:
        design: the model's terms.
        weight: of each term, for one output, before rounding to the model's float64.
        bias: of the same output.
    """
    intercept, raw = bias, [Fraction(0)] * len(weight)
    for value, parts in zip(weight, raw_parts(design), strict=True):
        for place, share in parts.items():
            if place is None:
                intercept += value * share
            else:
                raw[place] += value * share
    return [intercept, *raw]


def raw_errors(solved: Solved) -> list[Fraction]:
    """Return the standard errors of the intercept and of the weights on the raw columns, per unit of residual sd.

    With C = L L' the inverse of the Gram matrix and m the parts of a raw weight in the model's terms, the root of
    m' C m; for the intercept, of 1 / sum of weights + v' C v with v = m - mean.
    """
    parts = raw_parts(solved.basis)
    by_place: dict[int | None, dict[int, Fraction]] = {place: {} for place in (None, *range(len(parts)))}
    for term, shares in enumerate(parts):
        for place, share in shares.items():
            by_place[place][term] = share
    origin = by_place.pop(None)
    offset = {term: origin.get(term, Fraction(0)) - solved.normal.mean.fraction(term) for term in range(len(parts))}
    squared = _exactly(solved.solution.inverse) if solved.is_extended else _by_factor(solved.solution.factor)
    constant = Fraction(1) / Fraction(solved.normal.weight)
    return [root(constant + squared(offset)), *(root(squared(parts)) for parts in by_place.values())]


def _exactly(inverse: Extended[Array]) -> Callable[[Mapping[int, Fraction]], Fraction]:
    """Return m -> m' C m in exact arithmetic: the parts of an intercept far from the data cancel to a small share."""

    def squared(vector: Mapping[int, Fraction]) -> Fraction:
        rows = (a * sum(b * inverse.fraction(i, j) for j, b in vector.items()) for i, a in vector.items())
        return sum(rows, Fraction(0))

    return squared


def _by_factor(factor: Array) -> Callable[[Mapping[int, Fraction]], Fraction]:
    """Return m -> |m' L|^2 in float64, for terms of any scale.

    A sum of squares: where the parts of m' L cancel, it still loses no more than kappa^2 of the digits, as L is that of
    a Gram matrix a rounding away (Higham 2002, Accuracy and Stability, 10.1). From C itself it would lose kappa^4.
    """
    exponents = np.frexp(np.abs(factor).max(axis=1, initial=0.0))[1].tolist()
    rows = np.ldexp(factor, -np.array(exponents, dtype=np.int64)[:, None])

    def squared(vector: Mapping[int, Fraction]) -> Fraction:
        shares = [share * Fraction(2) ** exponents[term] for term, share in vector.items()]
        largest = max(map(abs, shares), default=Fraction(0))
        if not largest:
            return Fraction(0)
        combined = np.array([float(share / largest) for share in shares]) @ rows[list(vector)]
        return Fraction(float(combined @ combined)) * largest**2

    return squared


def root(value: Fraction) -> Fraction:
    """Return the square root of a number, 0 of one below 0, to 60 bits or more at any scale."""
    shift = (128 - value.numerator.bit_length() + value.denominator.bit_length()) // 2 * 2
    return Fraction(math.isqrt(max(math.floor(value * Fraction(2) ** shift), 0))) / Fraction(2) ** (shift // 2)


def coefficient_rows(
    target: str,
    names: Sequence[str],
    estimates: Sequence[Fraction],
    errors: Sequence[Fraction | None],
    degrees: int,
) -> list[dict[str, Any]]:
    """Return a row a term: estimate, standard error, t, two-sided p, 95 % interval, each rounded once.

    None where it is not determined, or float64 does not hold it.
    """
    half = Fraction(student.quantile(0.5 + _LEVEL / 2, degrees)) if degrees > 0 else Fraction(0)
    rows = []
    for name, estimate, error in zip(names, estimates, errors, strict=True):
        ratio = held(estimate / error) if error else None
        rows.append(
            {
                "target": target,
                "term": name,
                "estimate": held(estimate),
                "standard_error": None if error is None else held(error),
                "t": ratio,
                "p": None if ratio is None else student.two_sided(ratio, degrees),
                "lower": None if error is None else held(estimate - half * error),
                "upper": None if error is None else held(estimate + half * error),
            }
        )
    return rows


def held(value: Fraction) -> float | None:
    """Return the nearest float64; None of what is beyond its range, or so near 0 that it would lose digits."""
    if value and not _SMALLEST <= abs(value) <= _LARGEST:
        return None
    return float(value)


def quality(moments: Moments, solved: Solved, output: int) -> dict[str, float | None]:
    """Return the figures of one output: R2, residual standard deviation, F, log-likelihood, AIC, BIC and their kin.

    The log-likelihood of a weighted fit is that of normal errors with variance s^2 / weight, s^2 its maximum-likelihood
    estimate. Figures of which rounding may have left fewer than 6 digits are None.
    """
    solution, noise = solved.solution, solved.noise[output] if solved.noise else 0.0
    rows, degrees = moments.rows, solution.degrees
    residual, total = float(solution.residual_sum[output]), float(solution.total_sum[output])
    model = int(np.count_nonzero(solution.kept))
    # The residuals' share of the total is taken from 1: it may be far below its noise, and R2 has all its digits.
    r2 = 1.0 - residual / total if total > 0 and digits(noise, total) >= FEWEST_DIGITS else None
    is_held = digits(noise, residual) >= FEWEST_DIGITS
    # With no degrees of freedom left the residuals are 0 but for rounding.
    is_spread = is_held and residual > 0 and degrees > 0
    f = ((total - residual) / model) / (residual / degrees) if model and is_spread else None
    likelihood = None
    if is_spread:
        likelihood = 0.5 * float(moments.log_weight) - rows / 2 * (math.log(2 * math.pi * residual / rows) + 1)
    if not solution.is_unbiased:
        f = likelihood = None
    parameters = model + int(solved.normal.intercept)
    about = rows - int(solved.normal.intercept)
    return {
        "r2": r2,
        "rmse": math.sqrt(residual / solved.normal.weight) if is_held else None,
        "adjusted_r2": None if r2 is None or degrees <= 0 else 1.0 - about / degrees * (1.0 - r2),
        "residual_sd": math.sqrt(residual / degrees) if is_held and degrees > 0 else None,
        "f": f,
        "f_p": None if f is None else student.f_tail(f, model, degrees),
        "log_likelihood": likelihood,
        "aic": None if likelihood is None else 2 * parameters - 2 * likelihood,
        "bic": None if likelihood is None else math.log(rows) * parameters - 2 * likelihood,
    }
