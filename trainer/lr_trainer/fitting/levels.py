"""Categories whose levels differ from part to part: moments on the union of the levels, without the rows.

The indicators of a column's levels, the reference level among them, and of its missing values add up to 1 in every row.
So the last of them follows from the others: the moments of an absent level are 0, and the indicator of a reference
level that another level replaces is 1 less all others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.errors import FitError, escaped
from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.preconditioned import Preconditioned
from lr_trainer.rows.reading import MOST_LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.design import Design
    from lr_trainer.moments.training_data import TrainingData

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
        if column.categories == after.categories:
            continue
        others = [term for term in design.terms if len(term.columns) > 1 and place in term.columns]
        if others or Level(place, 0) in design.terms:
            raise FitError(
                f"the categories of {escaped(column.name)} differ, and it is in a product or has a term for every "
                "level. Fit all rows at once"
            )


def on_levels(
    parts: Sequence[TrainingData], design: Design, columns: tuple[Column, ...]
) -> tuple[list[Moments], Array]:
    """Return the moments of each part on the levels of all.

    And what makes these columns of a part's own, float64 (parts, columns, columns), as `moments.joined` takes it: a
    level that a part lacks is 0 there, and a part's reference level that another replaces is 1 less all its others.
    """
    named = {_named(term, columns): place for place, term in enumerate(design.terms)}
    width = len(named) + len(parts[0].targets)
    matrix, found = np.zeros((len(parts), width, width)), list[Moments]()
    constant = np.zeros((len(parts), width))
    for number, part in enumerate(parts):
        own = [named[_named(term, part.columns)] for term in part.design.terms]
        places = np.array([*own, *range(len(named), width)])
        found.append(_spread(part.moments, places, width, len(own)))
        matrix[number, places, places] = 1.0
        for column, each in enumerate(part.columns):
            place = named.get((column, each.categories[0])) if each.categories else None
            if place is not None and place not in own:
                terms = zip(own, part.design.terms, strict=True)
                beside = [other for other, term in terms if term.columns == (column,)]
                found[-1] = _told(found[-1], place, beside)
                matrix[number, beside, place], constant[number, place] = -1.0, 1.0
        if (exact := part.moments.exact) is not None:
            of_own = np.hstack([matrix[number, places], np.zeros((len(places), 1))])
            known = np.vstack([of_own, [*constant[number], 1.0]])
            found[-1] = replace(found[-1], exact=exact.mapped(known, found[-1].minimum, found[-1].maximum))
    return found, matrix


def _named(term: Term, columns: tuple[Column, ...]) -> Term | tuple[int, str]:
    """Return a term, or a level's column and name: the number of a level depends on the other levels."""
    level = term.level(columns)
    return term if level is None else (term.columns[0], level)


def _spread(moments: Moments, places: NDArray[np.int64], width: int, terms: int) -> Moments:
    """Return the moments with each column at its place among `width`, and zeros elsewhere."""
    fine, transform = moments.fine or Preconditioned.plain(moments.comoment, terms), np.eye(width)
    transform[np.ix_(places, places)] = fine.transform

    def each(values: Array) -> Array:
        whole = np.zeros((width,) * values.ndim)
        whole[np.ix_(*[places] * values.ndim)] = values
        return whole

    return replace(
        moments,
        mean=each(moments.mean),
        mean_low=each(moments.mean_low),
        minimum=each(moments.minimum),
        maximum=each(moments.maximum),
        comoment=each(moments.comoment),
        fine=Preconditioned(transform, each(fine.comoment), each(fine.error), each(fine.off), fine.extended),
    )


def _told(moments: Moments, place: int, beside: list[int]) -> Moments:
    """Return the moments with those of the indicator at `place` derived from the others of its column, `beside`."""
    mean, low, comoment = moments.mean.copy(), moments.mean_low.copy(), moments.comoment.copy()
    others = sum_of(Extended(mean[beside], low[beside]))
    share = Extended.of(np.array(1.0)) - others
    mean[place], low[place] = share.high, share.low
    comoment[place] = -comoment[beside].sum(axis=0)
    # Two indicators of one column are never 1 in the same row, so their means give their products to the last digit.
    comoment[place, beside] = -moments.weight * share.high * mean[beside]
    comoment[place, place] = moments.weight * share.high * others.high
    comoment[:, place] = comoment[place]
    maximum = moments.maximum.copy()
    maximum[place] = 1.0  # in other parts it is 0, or the column has no second level
    return replace(moments, mean=mean, mean_low=low, comoment=comoment, maximum=maximum)
