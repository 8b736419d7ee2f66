"""The checkpoint's numbers as a PyTorch module: the same model, for further work in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lr_trainer.arithmetic.functions import on_own_scale, with_functions
from lr_trainer.model.design import Design

if TYPE_CHECKING:
    from lr_runtime.contract.checkpoint import Checkpoint


class LinearModel(nn.Module):
    """y = expand(x) @ weight.T + bias, in float64; where a function of an output was fitted, its inverse of that.

    Args:
        checkpoint: the numbers; `weight` (outputs, terms) and `bias` (outputs,) become parameters, the rest the design.

    Example:
        >>> from lr_trainer import fit
        >>> model = LinearModel(fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y"))
        >>> model(torch.tensor([[4.5]]))
        tensor([[10.]], dtype=torch.float64, grad_fn=<AddmmBackward0>)
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(checkpoint.weight))
        self.bias = nn.Parameter(torch.tensor(checkpoint.bias))
        self.design = Design.of(checkpoint)
        self.functions = tuple(output.function for output in checkpoint.contract.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return float64 (rows, outputs) for `x` (rows, columns) of any floating dtype, categories as their index."""
        variables = with_functions(x.to(torch.float64), self.design.derived)
        eta = nn.functional.linear(self.design.expand(variables), self.weight, self.bias)
        return on_own_scale(eta, self.functions)
