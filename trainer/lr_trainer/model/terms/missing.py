"""Indicators of missing values, evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lr_trainer.model.terms.evaluation import Evaluation

if TYPE_CHECKING:
    from lr_trainer.model.terms.evaluation import Basis


class MissingEvaluation(Evaluation):
    """See `lr_runtime.contract.terms.missing`."""

    def value(self, x: torch.Tensor, u: torch.Tensor, basis: Basis) -> torch.Tensor:
        return torch.isnan(x[:, self.term.columns[0]]).to(x.dtype)
