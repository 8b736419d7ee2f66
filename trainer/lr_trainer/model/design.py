"""The design matrix: what is made of the input columns before the weights come in.

The same expansion is in the fit, in the eager model and, in double-double, in the fits that need it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.model.terms.evaluation import Basis
from lr_trainer.model.terms.kinds import evaluation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.terms.term import Term
    from lr_trainer.model.terms.evaluation import Evaluation, Parts


@dataclass(frozen=True)
class Design(Basis):
    """How rows become a design matrix; its columns are the values of the terms.

    Attributes:
        terms: the terms, in order.
    """

    terms: tuple[Term, ...]

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
        """How each term is evaluated."""
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
        return torch.stack([each.value(x, u, self) for each in self.evaluations], dim=1)

    def expand_extended(self, x: torch.Tensor) -> Extended[torch.Tensor]:
        """Return `expand` in double-double: powers and differences without rounding to float64."""
        difference = Extended(*two_sum(self._filled(x), -self._on(x, self.origin)))
        u = difference.scaled(1.0 / self._on(x, self.scale))
        columns = [each.extended(x, u, self) for each in self.evaluations]
        return Extended(torch.stack([c.high for c in columns], dim=1), torch.stack([c.low for c in columns], dim=1))

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.isnan(x), self._on(x, self.fill), x)

    @staticmethod
    def _on(x: torch.Tensor, values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values)).to(x.device)


def raw_parts(design: Design) -> list[Parts]:
    """Return, for each term, what it is on the raw columns: the weight of each term there, None the intercept."""
    places = {term: place for place, term in enumerate(design.terms)}
    return [each.raw_parts(places, design) for each in design.evaluations]


def nearest_float32(value: float) -> float:
    """Return the nearest float32: exact in every precision of export, and x - origin then rounds nothing near it."""
    with np.errstate(over="ignore", under="ignore"):
        near = float(np.float32(value))
    return near if math.isfinite(near) and (near != 0 or value == 0) else float(value)
