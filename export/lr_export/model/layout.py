"""Where the terms of a model stand in the design matrix that its artefacts make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.model.terms import category, missing, power, product
from lr_runtime.contract.terms.term import factors_of
from lr_runtime.errors import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.model.terms.block import Block
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.derived import Derived

T = TypeVar("T", bound=np.generic)

_KINDS = (power, category, missing, product)
"""The kinds of terms that artefacts hold, in the order of their places."""


@dataclass(frozen=True)
class Layout:
    """The design matrix of an artefact: blocks of places, and the checkpoint's term at each place.

    A place that the model has no term for gets the weight 0.

    Attributes:
        columns: the number of input columns.
        derived: the variables behind them.
        numeric: the numeric variables: input columns first, and those that one function makes side by side.
        filled: for each of them, whether a missing value is filled in.
        blocks: the blocks of places, from left to right.
        sources: for each place the number of the checkpoint's term, None where it has none.
    """

    columns: int
    derived: tuple[Derived, ...]
    numeric: tuple[int, ...]
    filled: tuple[bool, ...]
    blocks: tuple[Block, ...]
    sources: tuple[int | None, ...]

    @staticmethod
    def of(checkpoint: Checkpoint) -> Layout:
        """Return the layout of a checkpoint's terms.
        Raises UnsupportedModelError where a term comes twice, or does not go with the kind of its column.
        """
        contract, terms = checkpoint.contract, checkpoint.terms
        variables, functions = contract.variables, ["" for _ in contract.columns]
        functions += [each.function for each in contract.derived]
        blocks = tuple(block for kind in _KINDS for block in kind.blocks_of(variables, terms))
        places = [term for block in blocks for term in block.terms]
        number_of, known = {term: number for number, term in enumerate(terms)}, set(places)
        strange = [
            term.name(variables)
            for number, term in enumerate(terms)
            if number_of[term] != number or not known.issuperset((term, *factors_of(term)))
        ]
        if strange:
            raise UnsupportedModelError(f"the checkpoint has terms that no artefact can hold: {listed(strange)}")
        numbers = [index for index, variable in enumerate(variables) if variable.kind == "number"]
        numeric = tuple(sorted(numbers, key=functions.__getitem__))
        return Layout(
            columns=len(contract.columns),
            derived=contract.derived,
            numeric=numeric,
            filled=tuple(variables[index].missing != "error" for index in numeric),
            blocks=blocks,
            sources=tuple(map(number_of.get, places)),
        )

    @property
    def given(self) -> tuple[int, ...]:
        """The numeric input columns: as many of the first numeric variables."""
        return tuple(number for number in self.numeric if number < self.columns)

    def function(self, variable: int) -> Derived:
        """Return a variable behind the input columns by its number."""
        return self.derived[variable - self.columns]

    @cached_property
    def bases(self) -> list[int]:
        """The input column that each variable is made of, (variables,)."""
        return [*range(self.columns), *(each.column for each in self.derived)]

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The places of each block."""
        ends = np.cumsum([0, *(len(block.terms) for block in self.blocks)]).tolist()
        return tuple(map(slice, ends[:-1], ends[1:]))

    @cached_property
    def marks(self) -> list[int]:
        """The places that are NaN where a column's value is one that the model does not take."""
        return [part.start + mark for block, part in zip(self.blocks, self.slices, strict=True) for mark in block.marks]

    @property
    def is_linear(self) -> bool:
        """Whether artefacts make x - origin without dividing by the scales, which weights are divided by instead."""
        return all(block.degree <= 1 for block in self.blocks) and not self.has_products

    @property
    def has_products(self) -> bool:
        """Whether some places are of several variables."""
        return any(-1 in block.columns for block in self.blocks)

    def degrees(self) -> NDArray[np.int64]:
        """Return the degree of each place, (places,)."""
        return np.repeat([block.degree for block in self.blocks], [len(block.terms) for block in self.blocks])

    def folded(self, scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scales (places,) that weights are divided by, of variables on scales (variables,)."""
        if not self.is_linear:
            return np.ones(len(self.sources))
        columns = [column for block in self.blocks for column in block.columns]
        return np.where(self.degrees() == 1, scale[columns], 1.0)

    def placed(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the checkpoint's weights (outputs, terms) at their places, (outputs, places)."""
        given = np.column_stack([weight, np.zeros(len(weight))])
        # Row-major, as the artefacts store it: picking columns gives them the order of columns.
        return np.ascontiguousarray(given[:, [-1 if source is None else source for source in self.sources]])

    def parts(self, placed: NDArray[T]) -> list[NDArray[T]]:
        """Return the part of each block of (rows, places)."""
        return [placed[:, part] for part in self.slices]
