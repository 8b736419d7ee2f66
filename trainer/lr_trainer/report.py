"""The report of a fit: the figures of a statistics package, as JSON values. Definitions are those of statsmodels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_trainer import student
from lr_trainer.design import raw_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_trainer.design import Design
    from lr_trainer.least_squares import Normal, Solution
    from lr_trainer.moments import Moments

_LEVEL = 0.95


def raw_estimates(design: Design, weight: Sequence[Fraction], bias: Fraction) -> tuple[float, list[float]]:
    """Return the intercept and the weights on the raw columns, each exact and rounded once.

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
    return float(intercept), [float(value) for value in raw]


def raw_variances(design: Design, normal: Normal, solution: Solution) -> tuple[float, list[float]]:
    """Return the variances of the intercept and of the weights on the raw columns, per unit of residual variance.

    With C the inverse of the Gram matrix and m the parts of a raw weight in the model's terms, m' C m; for the
    intercept, 1 / sum of weights + v' C v with v = m - mean. In exact arithmetic: the terms of an intercept far from
    the data cancel to a small share of their size.
    """
    parts = raw_parts(design)
    terms = range(len(parts))
    inverse = solution.inverse

    def variance(vector: dict[int, Fraction]) -> Fraction:
        return sum((a * b * inverse.fraction(i, j) for i, a in vector.items() for j, b in vector.items()), Fraction(0))

    by_place: dict[int | None, dict[int, Fraction]] = {place: {} for place in (None, *terms)}
    for term, shares in enumerate(parts):
        for place, share in shares.items():
            by_place[place][term] = share
    offset = {term: by_place[None].get(term, Fraction(0)) - normal.mean.fraction(term) for term in terms}
    intercept = Fraction(1) / Fraction(normal.weight) + variance(offset)
    return float(intercept), [float(variance(by_place[term])) for term in terms]


def fast_variances(normal: Normal, solution: Solution) -> tuple[float, list[float]]:
    """Return what `raw_variances` does, in float64, for normal equations of the raw columns themselves."""
    inverse = solution.inverse.rounded()
    mean = normal.mean.rounded()[: len(inverse)]
    return float(1.0 / normal.weight + mean @ inverse @ mean), np.diag(inverse).tolist()


def coefficient_rows(
    target: str,
    names: Sequence[str],
    estimates: Sequence[float],
    errors: Sequence[float | None],
    degrees: int,
) -> list[dict[str, Any]]:
    """Return a row a term: estimate, standard error, t, two-sided p, 95 % interval; null where not determined."""
    half = student.quantile(0.5 + _LEVEL / 2, degrees) if degrees > 0 else math.nan
    rows = []
    for name, estimate, error in zip(names, estimates, errors, strict=True):
        ratio = estimate / error if error else None
        rows.append(
            {
                "target": target,
                "term": name,
                "estimate": estimate,
                "standard_error": error,
                "t": ratio,
                "p": None if ratio is None else student.two_sided(ratio, degrees),
                "lower": None if error is None else estimate - half * error,
                "upper": None if error is None else estimate + half * error,
            }
        )
    return rows


def quality(moments: Moments, normal: Normal, solution: Solution, output: int) -> dict[str, float | None]:
    """Return the figures of one output: R2, residual standard deviation, F, log-likelihood, AIC, BIC and their kin.

    The log-likelihood of a weighted fit is that of normal errors with variance s^2 / weight, s^2 its maximum-likelihood
    estimate.
    """
    rows, degrees = moments.rows, solution.degrees
    residual, total = float(solution.residual_sum[output]), float(solution.total_sum[output])
    model = int(np.count_nonzero(solution.kept))
    r2 = 1.0 - residual / total if total > 0 else None
    f = ((total - residual) / model) / (residual / degrees) if degrees > 0 and model and residual > 0 else None
    likelihood = None
    if residual > 0:
        likelihood = 0.5 * float(moments.log_weight) - rows / 2 * (math.log(2 * math.pi * residual / rows) + 1)
    if not solution.is_unbiased:
        f = likelihood = None
    parameters = model + int(normal.intercept)
    about = rows - int(normal.intercept)
    return {
        "r2": r2,
        "rmse": math.sqrt(residual / normal.weight),
        "adjusted_r2": None if r2 is None or degrees <= 0 else 1.0 - about / degrees * (1.0 - r2),
        "residual_sd": math.sqrt(residual / degrees) if degrees > 0 else None,
        "f": f,
        "f_p": None if f is None else student.f_tail(f, model, degrees),
        "log_likelihood": likelihood,
        "aic": None if likelihood is None else 2 * parameters - 2 * likelihood,
        "bic": None if likelihood is None else math.log(rows) * parameters - 2 * likelihood,
    }
