"""Indicators of categories, evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from lr_runtime.contract.terms.category import Level
from lr_trainer.model.terms.evaluation import Evaluation

if TYPE_CHECKING:
    from lr_trainer.model.terms.evaluation import Basis


class LevelEvaluation(Evaluation):
    """See `lr_runtime.contract.terms.category`."""

    term: Level

    def value(self, x: torch.Tensor, u: torch.Tensor, basis: Basis) -> torch.Tensor:
        """Return float64 (rows,): NaN where x is no category, which must not pass for the reference level."""
        (column,) = self.term.columns
        given = x[:, column]
        known = (given >= 0) & (given < basis.levels[column]) & (given == given.round())
        if not np.isnan(basis.fill[column]):
            known = known | torch.isnan(given)
        return torch.where(known, (given == self.term.category).to(x.dtype), torch.nan)


def levels_of(column: int, levels: int) -> list[Level]:
    """Return the indicators of a column's levels; the first level is the reference and has none."""
    return [Level(column, level) for level in range(1, levels)]
