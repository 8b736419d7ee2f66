"""The numbers as a PyTorch module: run eagerly it is the reference, scripted it is the TorchScript file."""

# No `from __future__ import annotations` here: torch.jit.script reads the annotations as types, not as text.

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from lr_export.numbers import Numbers


class LinearModel(nn.Module):
    """y = (x - origin) @ weight.T + bias in the weights' dtype; x and y (rows, columns) in the dtype of inputs.

    Args:
        numbers: become the buffers `weight`, `bias` and `origin`; an origin of zeros is left out.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    origin: torch.Tensor | None

    def __init__(self, numbers: "Numbers") -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(numbers.weight))
        self.register_buffer("bias", torch.tensor(numbers.bias))
        self.register_buffer("origin", None if numbers.origin is None else torch.tensor(numbers.origin))
        self.io = torch.float32 if numbers.io == "float32" else torch.float64

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (rows, outputs) for x (rows, columns)."""
        inputs = x.to(self.weight.dtype)
        origin = self.origin
        if origin is not None:
            inputs = inputs - origin
        return nn.functional.linear(inputs, self.weight, self.bias).to(self.io)
