"""The checkpoint's numbers as a PyTorch module: the same model, for those who want to go on in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from lr_runtime.checkpoint import Checkpoint


class LinearModel(nn.Module):
    """y = ((x - origin) / scale) @ weight.T + bias, in float64.

    Args:
        checkpoint: the numbers; `weight` (outputs, columns) and `bias` (outputs,) become parameters, `origin` and
            `scale` (columns,) buffers.
    """

    origin: torch.Tensor
    scale: torch.Tensor

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(checkpoint.weight))
        self.bias = nn.Parameter(torch.tensor(checkpoint.bias))
        self.register_buffer("origin", torch.tensor(checkpoint.origin))
        self.register_buffer("scale", torch.tensor(checkpoint.scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return float64 (rows, outputs) for `x` (rows, columns) of any floating dtype."""
        return nn.functional.linear((x.to(torch.float64) - self.origin) / self.scale, self.weight, self.bias)
