"""Where the terms of a model stand in the design matrix that its artefacts make: powers, categories, missing values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_runtime.contract.terms import Term
from lr_runtime.errors import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint


@dataclass(frozen=True)
class CategoryColumn:
    """An input column of kind category: the indices 0 to `levels` - 1, and NaN where `missing` has a policy."""

    column: int
    levels: int
    missing: bool


@dataclass(frozen=True)
class Layout:
    """The design matrix of an artefact, from left to right, and the checkpoint's term at each of its places.

    First the first powers of all numeric columns, then the second powers of those that have one or a higher one, and so
    on; then the indicators of each category column, one a level (the reference level too, so that they add up to 1
    where the index is one of them) and one for a missing value where that has a policy; then the indicators of missing
    values of numeric columns. A place that the model has no term for gets the weight 0.

    Attributes:
        columns: the number of input columns.
        numeric: the numeric input columns.
        filled: for each of them, whether a missing value is filled in.
        powers: for each power from 1 on, the places within `numeric` that are raised to it.
        categories: the category columns.
        flagged: the places within `numeric` whose missing values have an indicator.
        sources: for each place the number of the checkpoint's term, None where it has none.
    """

    columns: int
    numeric: tuple[int, ...]
    filled: tuple[bool, ...]
    powers: tuple[tuple[int, ...], ...]
    categories: tuple[CategoryColumn, ...]
    flagged: tuple[int, ...]
    sources: tuple[int | None, ...]

    @staticmethod
    def of(checkpoint: Checkpoint) -> Layout:
        """Return the layout of a checkpoint's terms.

        Raises:
            UnsupportedModelError: a term comes twice, or does not go with the kind of its column.
        """
        columns, terms = checkpoint.contract.columns, checkpoint.terms
        numeric = tuple(index for index, column in enumerate(columns) if column.kind == "number")
        number_of = {term: number for number, term in enumerate(terms)}
        highest = dict.fromkeys(numeric, 1)
        for term in terms:
            highest[term.column] = max(term.power, highest.get(term.column, 1))
        powers = tuple(
            tuple(place for place, index in enumerate(numeric) if highest[index] >= power)
            for power in range(1, max((highest[index] for index in numeric), default=0) + 1)
        )
        categories = tuple(
            CategoryColumn(index, len(column.categories), column.missing != "error")
            for index, column in enumerate(columns)
            if column.kind == "category"
        )
        flagged = tuple(place for place, index in enumerate(numeric) if Term(index, missing=True) in number_of)
        places = [
            *(Term(numeric[place], power=power) for power, raised in enumerate(powers, 1) for place in raised),
            *(term for category in categories for term in _indicators(category)),
            *(Term(numeric[place], missing=True) for place in flagged),
        ]
        strange = [terms[number].name(columns) for number in _strange(terms, number_of, set(places))]
        if strange:
            raise UnsupportedModelError(f"the checkpoint has terms that no artefact can hold: {listed(strange)}")
        return Layout(
            columns=len(columns),
            numeric=numeric,
            filled=tuple(columns[index].missing != "error" for index in numeric),
            powers=powers,
            categories=categories,
            flagged=flagged,
            sources=tuple(map(number_of.get, places)),
        )

    @cached_property
    def raised(self) -> tuple[tuple[int, int], ...]:
        """The (place within `numeric`, power) of the first places of the design matrix: those of powers."""
        return tuple((place, power) for power, places in enumerate(self.powers, 1) for place in places)

    @property
    def is_folded(self) -> bool:
        """Whether artefacts make x - origin without dividing by the scales, which weights are divided by instead."""
        return len(self.powers) <= 1

    def placed(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the checkpoint's weights (outputs, terms) at their places, (outputs, places)."""
        placed = np.zeros((len(weight), len(self.sources)))
        for place, source in enumerate(self.sources):
            if source is not None:
                placed[:, place] = weight[:, source]
        return placed

    def by_power(self, placed: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return what stands at the places of powers as one (outputs, numeric columns) a power, 0 elsewhere."""
        dense = [np.zeros((len(placed), len(self.numeric))) for _ in self.powers]
        for place, (column, power) in enumerate(self.raised):
            dense[power - 1][:, column] = placed[:, place]
        return dense

    def indicators(self, x: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return the indicators (rows, indicators) at rows (rows, columns)."""
        blocks = [np.zeros((len(x), 0), dtype=np.bool_)]
        for category in self.categories:
            given = x[:, [category.column]]
            blocks += [given == np.arange(category.levels), *([np.isnan(given)] if category.missing else [])]
        blocks.append(np.isnan(x[:, [self.numeric[place] for place in self.flagged]]))
        return np.concatenate(blocks, axis=1)

    @cached_property
    def groups(self) -> tuple[slice, ...]:
        """Which of the indicators belong to each category column; the rest are those of missing values."""
        ends = np.cumsum([0, *(category.levels + category.missing for category in self.categories)]).tolist()
        return tuple(map(slice, ends[:-1], ends[1:]))


def _strange(terms: tuple[Term, ...], number_of: dict[Term, int], places: set[Term]) -> list[int]:
    """Return the numbers of the terms that come twice or have no place."""
    return [number for number, term in enumerate(terms) if number_of[term] != number or term not in places]


def _indicators(category: CategoryColumn) -> list[Term]:
    levels = [Term(category.column, category=level) for level in range(category.levels)]
    return [*levels, *([Term(category.column, missing=True)] if category.missing else [])]
