"""Categories whose levels differ from part to part: moments on the union of the levels, without the rows.

The indicators of a column's levels, the reference level among them, and of its missing values add up to 1 in every row.
So the last of them follows from the others: the moments of an absent level are 0, and the indicator of a reference
level that another level replaces is 1 less all others.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.errors import FitError, escaped
from lr_trainer.moments.preconditioned import Preconditioned
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.reading import MOST_LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term
    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments

Levels = dict[str, tuple[str, ...]]


def levels_of(columns: tuple[Column, ...]) -> Levels:
    """Return the levels of the categories by column, the reference level first."""
    return {column.name: column.categories for column in columns if column.kind == "category"}


def union(*parts: Mapping[str, tuple[str, ...]]) -> Levels:
    """Return the levels of all parts, sorted as those of a fit of all rows are.

    Raises:
        FitError: a column has more than MOST_LEVELS.
    """
    found = {name: tuple(sorted(set().union(*(part.get(name, ()) for part in parts)))) for name in parts[0]}
    if many := [name for name, levels in found.items() if len(levels) > MOST_LEVELS]:
        raise FitError(
            f"the column {escaped(many[0])} has over {MOST_LEVELS:,} different texts together, too many for categories"
        )
    return found


def with_levels(columns: tuple[Column, ...], levels: Levels) -> tuple[Column, ...]:
    """Return the columns with these levels."""
    return tuple(
        column._replace(categories=levels[column.name], maximum=float(max(len(levels[column.name]) - 1, 0)))
        if column.name in levels
        else column
        for column in columns
    )


def design_with(design: Design, columns: tuple[Column, ...]) -> Design:
    """Return a design with the terms of the levels of `columns`, the others as they are."""
    terms: list[Term] = []
    levels = np.zeros_like(design.levels)
    levels[: len(columns)] = [len(column.categories) for column in columns]
    for place, count in enumerate(levels.tolist()):
        terms += [Level(place, level) for level in range(1, count)]
        terms += [term for term in design.terms if term.columns[0] == place and term.level(columns) is None]
    return replace(design, terms=tuple(terms), levels=levels)


def check_levels_apart(design: Design, old: tuple[Column, ...], new: tuple[Column, ...]) -> None:
    """Raise FitError where levels differ of a category whose terms are more than those of the levels but the first."""
    for place, (column, after) in enumerate(zip(old, new, strict=True)):
        others = [term for term in design.terms if len(term.columns) > 1 and place in term.columns]
        if column != after and (others or Level(place, 0) in design.terms):
            raise FitError(
                f"the categories of {escaped(column.name)} differ, and it is in a product or has a term for every "
                "level. Fit all rows at once"
            )


@one_thread()
def relevelled(moments: Moments, old: tuple[Column, ...], before: Design, new: tuple[Column, ...]) -> Moments:
    """Return the moments of a part, of the columns `old` and the design `before`, on the levels of all parts, `new`."""
    after = design_with(before, new)
    places = {_named(term, old): place for place, term in enumerate(before.terms)}
    source = [places.get(_named(term, new)) for term in after.terms]
    targets = range(len(before.terms), len(moments.mean))
    taken = np.array([-1 if place is None else place for place in [*source, *targets]])
    found, matrix = _taken(moments, taken), (np.arange(len(moments.mean))[:, None] == taken).astype(np.float64)
    constant = np.zeros(len(taken))
    for place, term in enumerate(after.terms):
        if (level := term.level(new)) is not None and level == old[term.columns[0]].categories[0]:
            beside = [
                other
                for other, each in enumerate(after.terms)
                if each.columns == term.columns and other != place and source[other] is not None
            ]
            found = _told(found, place, beside)
            matrix[:, place] = -matrix[:, beside].sum(axis=1)
            constant[place] = 1.0
    if moments.exact is not None:
        both = np.block([[matrix, np.zeros((len(matrix), 1))], [constant[None, :], np.ones((1, 1))]])
        found = replace(found, exact=moments.exact.mapped(both, found.minimum, found.maximum))
    fine = moments.fine or Preconditioned.plain(moments.comoment, len(before.terms))
    own, lengths = (np.sqrt(np.maximum(each.own, 0.0)) for each in (moments, found))
    return replace(found, fine=fine.mapped(matrix, len(after.terms), own, lengths))


def _named(term: Term, columns: tuple[Column, ...]) -> Term | tuple[int, str]:
    """Return a term, or a level's column and name: the number of a level depends on the other levels."""
    level = term.level(columns)
    return term if level is None else (term.columns[0], level)


def _taken(moments: Moments, places: NDArray[np.int64]) -> Moments:
    """Return the moments of some of the columns, and zeros where a place is -1."""
    there = places >= 0

    def each(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(there, values[places], 0.0)

    return replace(
        moments,
        mean=each(moments.mean),
        mean_low=each(moments.mean_low),
        comoment=np.where(np.outer(there, there), moments.comoment[np.ix_(places, places)], 0.0),
        minimum=each(moments.minimum),
        maximum=each(moments.maximum),
    )


def _told(moments: Moments, place: int, beside: list[int]) -> Moments:
    """Return the moments with those of the indicator at `place` derived from the others of its column, `beside`."""
    means = {other: Fraction(moments.mean[other]) + Fraction(moments.mean_low[other]) for other in beside}
    mean, low, comoment = moments.mean.copy(), moments.mean_low.copy(), moments.comoment.copy()
    share = 1 - sum(means.values(), Fraction(0))
    mean[place] = float(share)
    low[place] = float(share - Fraction(mean[place]))
    comoment[place] = -comoment[beside].sum(axis=0)
    # Two indicators of one column are never 1 in the same row, so their means give their products to the last digit.
    weight = Fraction(float(moments.weight))
    for other in beside:
        comoment[place, other] = float(-weight * share * means[other])
    comoment[place, place] = float(weight * share * (1 - share))
    comoment[:, place] = comoment[place]
    maximum = moments.maximum.copy()
    maximum[place] = 1.0  # in other parts it is 0, or the column has no second level
    return replace(moments, mean=mean, mean_low=low, comoment=comoment, maximum=maximum)
