"""The losses of a descent, all of one family, so that one formula gives their value, slope, curvature and dual.

With e = prediction - y, in units of the target,

    rho(e) = max over low <= d <= high of  d e - softness d^2 / 2,    reached at d = rho'(e) = clamp(e / softness)

    squared    e^2 / 2                                  no bounds, softness 1
    huber      e^2 / 2, linear beyond delta             +-delta, softness 1 (Huber 1964)
    absolute   |e|                                      +-1, softness 0
    quantile   q (-e) where e < 0, (1 - q) e elsewhere  -q, 1 - q, softness 0 (Koenker and Bassett 1978)

A softness above 0 makes the last two smooth, at most softness / 2 max(low^2, high^2) below the loss itself (Nesterov
2005, "Smooth minimization of non-smooth functions").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.choices import LossName

MAD = 0.6744897501960817
"""The median absolute deviation of a standard normal variable."""


@dataclass(frozen=True)
class Loss:
    """A loss of the family.

    Attributes:
        low: float64 (outputs,), the least slope.
        high: float64 (outputs,), the largest.
        softness: the reciprocal of its curvature at 0; 0 for a loss with a corner there.
    """

    low: Array
    high: Array
    softness: float

    @staticmethod
    def named(name: LossName, outputs: int, *, delta: Array | None = None, quantile: float = 0.5) -> Loss:
        """Return the loss called `name`; `delta` (outputs,) is Huber's, `quantile` that of the quantile loss."""
        ones = np.ones(outputs)
        if name == "squared":
            return Loss(-np.inf * ones, np.inf * ones, 1.0)
        if name == "huber":
            assert delta is not None
            return Loss(-delta, delta, 1.0)
        q = quantile if name == "quantile" else 0.5
        unit = 1.0 if name == "quantile" else 2.0
        return Loss(-q * unit * ones, (1 - q) * unit * ones, 0.0)

    @property
    def has_corner(self) -> bool:
        """Whether the loss has no derivative at 0."""
        return self.softness == 0

    @property
    def steepest(self) -> float:
        """The largest slope that every output has, 1 at most: gradients are as small as a Huber loss's delta."""
        return float(np.minimum(1.0, np.maximum(-self.low, self.high)).min(initial=1.0))

    def softened(self, softness: float) -> Loss:
        """Return the Moreau-smoothed loss with smoothing parameter `softness`; one without a corner unchanged."""
        return replace(self, softness=softness) if self.has_corner else self

    def scaled(self, scale: Array) -> Loss:
        """Return the loss of errors in units of `scale` (outputs,): Huber's delta changes, a quantile does not."""
        return self if self.has_corner else replace(self, low=self.low / scale, high=self.high / scale)

    def slope(self, error: torch.Tensor) -> torch.Tensor:
        """Return rho'(error), float64 (rows, outputs); in a corner the middle of the slopes that it has there."""
        low, high = self._bounds(error)
        if self.has_corner:
            slopes: torch.Tensor = torch.sign(error).mul_((high - low) / 2).add_((high + low) / 2)
            return slopes
        scaled = error if self.softness == 1 else error / self.softness
        if np.isinf(self.high).all():
            return scaled
        return torch.clamp(scaled, low, high)

    def value(self, error: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """Return rho(error), float64 (rows, outputs), from the slope there."""
        return slope * (error - self.softness / 2 * slope)

    def change(self, error: torch.Tensor, start: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return rho(error) - rho(start) for error = start + step, without the cancellation of that difference."""
        slope, before = self.slope(error), self.slope(start)
        turn = slope - before
        return slope * step + turn * (start - self.softness / 2 * (slope + before))

    def curvature(self, error: torch.Tensor) -> torch.Tensor:
        """Return rho''(error), float64 (rows, outputs), of a smooth loss."""
        low, high = self._bounds(error)
        scaled = error / self.softness
        inside: torch.Tensor = (scaled > low) & (scaled < high)
        return inside.to(error.dtype) / self.softness

    def excess(self, slope: torch.Tensor) -> torch.Tensor:
        """Return the factors (outputs,), 1 or more, by which slopes d (rows, outputs) exceed the loss's bounds."""
        low, high = self._bounds(slope)
        return torch.where(slope > 0, slope / high, slope / low).amax(dim=0).clamp(min=1.0)

    def _bounds(self, like: torch.Tensor) -> tuple[Any, Any]:
        if (self.low == self.low[0]).all() and (self.high == self.high[0]).all():
            return float(self.low[0]), float(self.high[0])  # torch is faster with numbers than with tensors of them
        return torch.from_numpy(self.low).to(like.device), torch.from_numpy(self.high).to(like.device)
