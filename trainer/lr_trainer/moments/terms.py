"""The terms of a fit, from its columns and from what was seen of their values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import FitError, escaped
from lr_trainer.arithmetic.rounding import varies
from lr_trainer.model.design import Design, nearest_float32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lr_runtime.contract.terms.term import Term
    from lr_trainer.choices import MissingPolicy
    from lr_trainer.rows.roles import Roles
    from lr_trainer.rows.survey import Survey


def check_present(roles: Roles, seen: Survey) -> None:
    """Raise FitError where a column has no values."""
    for name, count in zip(roles.features, seen.count, strict=False):
        if not count:
            raise FitError(f"the column {escaped(name)} has no values. Leave it out with --ignore")


def design_of(
    roles: Roles,
    found: Mapping[str, tuple[str, ...]],
    seen: Survey | None,
    degree: int,
    missing: MissingPolicy,
    *,
    intercept: bool,
) -> Design:
    """Return the design of a fit, from the categories that were found and what was seen of the columns."""
    features = roles.features
    origin, scale, fill = np.zeros(len(features)), np.ones(len(features)), np.full(len(features), np.nan)
    terms: list[Term] = []
    for index, name in enumerate(features):
        if name in roles.categories:
            terms += [Level(index, level) for level in range(1, len(found[name]))]
            if missing == "indicator":
                fill[index] = 0.0
        else:
            powers = degree
            if seen is not None and degree > 1:
                if _is_rounded_constant(seen, index):
                    powers = 1
                else:
                    origin[index], scale[index] = basis_of(seen, index, intercept=intercept)
            if seen is not None and missing in {"mean", "indicator"}:
                fill[index] = seen.mean[index]
            terms += [Power(index, power) for power in range(1, powers + 1)]
        # A target is never missing, so the largest count is the number of rows.
        if missing == "indicator" and seen is not None and seen.count[index] < seen.count.max():
            terms.append(MissingIndicator(index))
    levels = np.array([len(found.get(name, ())) for name in features])
    return Design(tuple(terms), origin, scale, fill, levels)


def _is_rounded_constant(seen: Survey, column: int) -> bool:
    """Whether a column's values are one number but for rounding, all that its powers about their mean would hold."""
    low, high = seen.minimum[column], seen.maximum[column]
    return bool(low < high and not varies(low, high))


def basis_of(seen: Survey, column: int, *, intercept: bool) -> tuple[float, float]:
    """Return an origin in the middle of the data and a power of two near their reach: powers stay near 1.

    Without an intercept the origin is 0: powers about another point are no combination of those about 0.
    """
    mean, spread = float(seen.mean[column]), seen.maximum[column] - seen.minimum[column]
    origin = nearest_float32(mean) if intercept else 0.0
    if intercept and abs(origin - mean) > spread:  # float32 is too coarse there, as for microseconds of one second
        origin = mean
    reach = max(seen.maximum[column] - origin, origin - seen.minimum[column])
    return origin, math.ldexp(1.0, math.frexp(reach)[1] - 1) if reach > 0 else 1.0
