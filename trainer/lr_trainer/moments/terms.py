"""The terms of a fit, from its columns and from what was seen of their values."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, columns_on_basis
from lr_runtime.errors import FitError, escaped
from lr_trainer.arithmetic.rounding import varies
from lr_trainer.formula.coding import Coded, coded_terms
from lr_trainer.model.design import Design, nearest_float32
from lr_trainer.model.terms.evaluation import Evaluation, evaluation_of
from lr_trainer.model.terms.product import product_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.derived import FunctionName
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.choices import MissingPolicy
    from lr_trainer.formula.specification import Specification
    from lr_trainer.rows.roles import Roles
    from lr_trainer.rows.survey import Survey


def check_present(roles: Roles, seen: Survey) -> None:
    """Raise FitError where a column has no values."""
    for name, count in zip(roles.features, seen.count, strict=False):
        if not count:
            raise FitError(f"the column {escaped(name)} has no values. Leave it out with --ignore")


def needs_survey(specification: Specification, missing: MissingPolicy) -> bool:
    """Whether a mean is filled in, or some term is made of more than a column as it is, or indicators of categories."""
    return missing in {"mean", "indicator"} or any(
        len(term) > 1 or factor.power > 1 or factor.function is not None
        for term in specification.terms
        for factor in term
        if not factor.is_category
    )


def design_of(
    roles: Roles,
    found: Mapping[str, tuple[str, ...]],
    seen: Survey | None,
    missing: MissingPolicy,
    *,
    shifts: bool = True,
) -> Design:
    """Return the design of a fit, from the categories that were found and what was seen of the variables.

    Unless it `shifts` them, all variables have the origin 0.
    """
    levels = np.array([len(found.get(name, ())) for name in roles.variables])
    fill = np.full(len(levels), np.nan)
    if seen is not None and missing in {"mean", "indicator"}:
        # A missing category has the indicators of no level, as the first level has.
        first = 0.0 if missing == "indicator" else np.nan
        fill = np.where([name in roles.categories for name in roles.variables], first, seen.mean[: len(levels)])
    # A target is never missing, so the largest count is the number of rows.
    gaps = seen.count < seen.count.max() if seen is not None and missing == "indicator" else np.zeros_like(levels)
    terms = tuple(_terms(roles, levels, seen, gaps))
    shifts = shifts and roles.specification.intercept
    return Design(terms, *_basis(terms, seen, len(levels), intercept=shifts), fill, levels, roles.derived)


def _terms(roles: Roles, levels: NDArray[np.int64], seen: Survey | None, gaps: NDArray[np.generic]) -> Iterator[Term]:
    """Yield the terms; the indicator of a column's missing values comes behind the last of those of it alone."""
    specification = roles.specification
    places: dict[tuple[str, FunctionName | None, float | None], int] = {
        **{(name, None, None): place for place, name in enumerate(roles.features)},
        **{(roles.features[c], f, k): place for place, (c, f, k) in enumerate(roles.derived, len(roles.features))},
    }
    alone = {term[0].column for term in specification.terms if len(term) == 1}
    last = {
        factor.column: number
        for number, term in enumerate(specification.terms)
        for factor in term
        if len(term) == 1 or factor.column not in alone
    }
    behind: dict[int, list[int]] = {}
    for column in np.flatnonzero(gaps[: len(roles.features)]).tolist():
        behind.setdefault(last[roles.features[column]], []).append(column)
    for number, coded in enumerate(coded_terms(specification)):
        for parts in coded:
            factors = [(places[part.factor[:3]], part) for part in parts]
            if not any(part.factor.power > 1 and _is_rounded_constant(seen, place) for place, part in factors):
                yield from _products([_of_factor(place, part, levels[place]) for place, part in factors])
        yield from map(MissingIndicator, behind.get(number, ()))


def _of_factor(place: int, coded: Coded, levels: int) -> list[Term]:
    if coded.factor.is_category:
        return [Level(place, level) for level in range(coded.from_level, levels)]
    return [Power(place, coded.factor.power)]


def _products(factors: Sequence[Sequence[Term]]) -> Iterator[Term]:
    """Yield the product of every choice of a term from each factor; the first one's change fastest, as in R."""
    for chosen in product(*reversed(factors)):
        term = product_of(chosen[::-1])
        assert term is not None
        yield term


def _basis(terms: Sequence[Term], seen: Survey | None, variables: int, *, intercept: bool) -> tuple[Array, Array]:
    """Return the origins and scales, float64 (variables,), of those that are raised to a power or multiplied."""
    origin, scale, known = np.zeros(variables), np.ones(variables), {None, *terms}
    own: dict[int, list[Evaluation]] = {variable: [] for variable in columns_on_basis(terms)}
    for term in terms:
        for variable in own.keys() & set(term.columns):
            own[variable].append(evaluation_of(term))
    for variable, evaluations in own.items():
        if seen is not None and not _is_rounded_constant(seen, variable):
            moved = np.zeros(variables)
            moved[variable] = 1.0
            # A shift leaves the model as it is where it makes of the terms sums of terms.
            is_closed = all(known.issuperset(each.on_raw(moved, np.ones(variables))) for each in evaluations)
            origin[variable], scale[variable] = basis_of(seen, variable, shifts=intercept and is_closed)
    return origin, scale


def _is_rounded_constant(seen: Survey | None, column: int) -> bool:
    """Whether a column's values are one number but for rounding, all that its powers about their mean would hold."""
    if seen is None:
        return False
    low, high = seen.minimum[column], seen.maximum[column]
    return bool(low < high and not varies(low, high))


def basis_of(seen: Survey, column: int, *, shifts: bool) -> tuple[float, float]:
    """Return an origin in the middle of the data and a power of two near their reach: powers stay near 1.

    Unless the column may be shifted the origin is 0: powers about another point are no combination of those about 0.
    """
    spread = seen.maximum[column] - seen.minimum[column]
    mean = float(seen.mean[column] if spread else seen.minimum[column])  # a constant less itself is 0, a product, too
    origin = nearest_float32(mean) if shifts else 0.0
    if shifts and abs(origin - mean) > spread:  # float32 is too coarse there, as for microseconds of one second
        origin = mean
    reach = max(seen.maximum[column] - origin, origin - seen.minimum[column])
    return origin, math.ldexp(1.0, math.frexp(reach)[1] - 1) if reach > 0 else 1.0
