"""Modules that hold the right numbers and compute with them wrongly: what a certificate must find in TorchScript."""

# No `from __future__ import annotations` here: torch.jit.script reads the annotations as types, not as text.

import torch
from torch import nn

from lr_export.module import LinearModel


class InFloat32(LinearModel):
    """The casts to float64 are lost."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        origin = self.origin
        if origin is not None:
            x = x - origin.to(torch.float32)
        return nn.functional.linear(x, self.weight.to(torch.float32), self.bias.to(torch.float32))


class Reversed(LinearModel):
    """The columns are taken in the wrong order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inputs = x.to(self.weight.dtype).flip(1)
        origin = self.origin
        if origin is not None:
            inputs = inputs - origin
        return nn.functional.linear(inputs, self.weight, self.bias).to(self.io)


class WithoutOrigin(LinearModel):
    """The origin is stored and not used."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x.to(self.weight.dtype), self.weight, self.bias).to(self.io)


class Clipped(LinearModel):
    """Negative outputs become 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inputs = x.to(self.weight.dtype)
        origin = self.origin
        if origin is not None:
            inputs = inputs - origin
        return nn.functional.linear(inputs, self.weight, self.bias).clamp(min=0.0).to(self.io)
