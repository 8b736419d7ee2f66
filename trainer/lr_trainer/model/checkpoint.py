"""The checkpoint of the trainer: it can be summarised and made a PyTorch model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import lr_runtime.contract.checkpoint
from lr_runtime.system.lazy import needs_extra
from lr_trainer.model.summary import summary

if TYPE_CHECKING:
    from lr_runtime.contract.fit_report import FitReport
    from lr_trainer.model.module import LinearModel


class Checkpoint(lr_runtime.contract.checkpoint.Checkpoint):
    """See `lr_runtime.contract.checkpoint.Checkpoint` for the fields.

    Example:
        >>> from lr_trainer import fit
        >>> checkpoint = fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y")
        >>> checkpoint.save("line.safetensors")
        >>> checkpoint.weight.tolist(), checkpoint.bias.tolist()
        ([[2.0]], [1.0])
    """

    def with_report(self, report: FitReport) -> Checkpoint:
        """Return the checkpoint with another report of the same fit."""
        return replace(self, fit=report.to_json(self.contract))

    def summary(self) -> str:
        """Return the table of coefficients and the figures of the fit, as `lr-train` prints them."""
        return summary(self.report, self.contract)

    def model(self) -> LinearModel:
        """Return the eager PyTorch model with these numbers.

        Raises:
            MissingExtraError: torch is not installed.
        """
        with needs_extra("torch"):
            from lr_trainer.model.module import LinearModel
        return LinearModel(self)
