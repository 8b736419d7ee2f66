"""Modules that hold the right numbers and compute with them wrongly: what a certificate must find in TorchScript."""

from __future__ import annotations

import torch
from torch import nn

from lr_export.formats.torch_module import ProgramModule


class InFloat32(ProgramModule):
    """The casts to float64 are lost."""

    weight: torch.Tensor
    bias: torch.Tensor
    origin: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - self.origin.to(torch.float32)
        return nn.functional.linear(centred, self.weight.to(torch.float32), self.bias.to(torch.float32))


class Reversed(ProgramModule):
    """The columns are taken in the wrong order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        return super().forward(x.flip(1))


class WithoutOrigin(ProgramModule):
    """The origin is stored and not used."""

    weight: torch.Tensor
    bias: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x.to(torch.float64), self.weight, self.bias).to(torch.float32)


class Clipped(ProgramModule):
    """Negative outputs become 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        assert isinstance(y, torch.Tensor)
        return y.clamp(min=0.0)
