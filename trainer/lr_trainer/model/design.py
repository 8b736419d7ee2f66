"""The design matrix: the terms, which the weights multiply, at rows of the input columns.

The fit and the eager model share this expansion; fits that need more digits compute it in double-double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.model.terms.evaluation import evaluation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.terms.term import Term
    from lr_trainer.model.terms.evaluation import Evaluation, Parts


@dataclass(frozen=True)
class Design:
    """The expansion of rows into a design matrix.

    Attributes:
        terms: the columns of the design matrix.
        origin: float64 (columns,), subtracted from numeric columns.
        scale: float64 (columns,), powers of two by which numeric columns are divided afterwards.
        fill: float64 (columns,), the value in place of a missing one; NaN for a column without a fill.
        levels: int64 (columns,), the number of categories of a column, 0 of a numeric one.
    """

    terms: tuple[Term, ...]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    fill: NDArray[np.float64]
    levels: NDArray[np.int64]

    @staticmethod
    def of(checkpoint: Checkpoint) -> Design:
        """Return the design of a fitted model."""
        columns = checkpoint.contract.columns
        has_policy = np.array([column.missing != "error" for column in columns])
        return Design(
            terms=checkpoint.terms,
            origin=checkpoint.origin,
            scale=checkpoint.scale,
            fill=np.where(has_policy, checkpoint.fill, np.nan),
            levels=np.array([len(column.categories) for column in columns]),
        )

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The evaluation of each term."""
        return tuple(map(evaluation_of, self.terms))

    @cached_property
    def is_plain(self) -> bool:
        """Whether the design matrix is the input columns as they are."""
        return (
            [term.raw_column for term in self.terms] == list(range(len(self.origin)))
            and not self.origin.any()
            and bool((self.scale == 1).all() and np.isnan(self.fill).all())
        )

    def expand(self, x: torch.Tensor) -> torch.Tensor:
        """Return float64 (rows, terms) for float64 x (rows, columns); NaN is a missing value."""
        if self.is_plain:
            return x
        u = (self._filled(x) - self._on(x, self.origin)) / self._on(x, self.scale)
        columns = x.unbind(dim=1), u.unbind(dim=1)
        values = torch.stack([torch.as_tensor(term.value(*columns)).to(x.dtype) for term in self.terms], dim=1)
        if not self.levels.any():
            return values
        return torch.where(self._known(x)[:, [term.columns[0] for term in self.terms]], values, torch.nan)

    def expand_extended(self, x: torch.Tensor) -> Extended[torch.Tensor]:
        """Return `expand` in double-double: powers and differences without rounding to float64."""
        difference = Extended(*two_sum(self._filled(x), -self._on(x, self.origin)))
        u = difference.scaled(1.0 / self._on(x, self.scale))
        scaled = [u[:, column] for column in range(x.shape[1])]
        found = [term.value(x.unbind(dim=1), scaled) for term in self.terms]
        pairs = [
            each if isinstance(each, Extended) else Extended.of(torch.as_tensor(each).to(x.dtype)) for each in found
        ]
        return Extended(torch.stack([c.high for c in pairs], dim=1), torch.stack([c.low for c in pairs], dim=1))

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.isnan(x), self._on(x, self.fill), x)

    def _known(self, x: torch.Tensor) -> torch.Tensor:
        """Return bool (rows, columns), False for an index that is no category, whose terms have to be NaN."""
        levels, has_policy = self._on(x, self.levels), ~torch.isnan(self._on(x, self.fill))
        is_level = (x >= 0) & (x < levels) & (x == x.round())
        return is_level | (levels == 0) | (torch.isnan(x) & has_policy)

    @staticmethod
    def _on(x: torch.Tensor, values: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values)).to(x.device)


def raw_parts(design: Design) -> list[Parts]:
    """Return each term as a sum of terms on the raw columns: the weight of each by its place, None the intercept."""
    places = {term: place for place, term in enumerate(design.terms)}
    return [each.raw_parts(places, design.origin, design.scale) for each in design.evaluations]


def nearest_float32(value: float) -> float:
    """Return the nearest float32: every precision of export has it, and x - origin is exact near it."""
    with np.errstate(over="ignore", under="ignore"):
        near = float(np.float32(value))
    return near if math.isfinite(near) and (near != 0 or value == 0) else float(value)
