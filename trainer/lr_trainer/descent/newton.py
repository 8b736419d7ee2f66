"""Newton's method on a smooth objective: the step, no longer than a radius, and how much of it to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.objective import Objective

_TRIALS = 40
"""The most lengths that a line search tries: bisection alone would find the 40th binary digit of the length."""

_FLATTER = 0.9
"""The share of its first slope at which a line search ends: any clear decrease, as Newton's full step mostly gives."""


def newton_steps(gradient: Array, hessian: Array, radius: float) -> Array:
    """Return the Newton steps (outputs, size) for gradients (outputs, size) and Hessians (outputs, size, size).

    Each is at most `radius` long: where the curvature is too weak to give such a step, a multiple of the unit matrix
    is added to the Hessian, ten times as much from try to try (Levenberg 1944).
    """
    return np.stack([_step(g, h, radius) for g, h in zip(gradient, hessian, strict=True)])


def _step(gradient: Array, hessian: Array, radius: float) -> Array:
    size = len(gradient)
    damping = 0.0
    while True:
        try:
            factor = linalg.cho_factor(hessian + damping * np.eye(size))
            step = -linalg.cho_solve(factor, gradient)
            if np.linalg.norm(step) <= radius:
                return np.asarray(step)
        except linalg.LinAlgError:
            pass
        damping = max(10 * damping, 1e-12 * max(float(np.trace(hessian)) / size, 1e-6))


def line_search(objective: Objective, at: Array, softness: float, step: Array, gradient: Array) -> tuple[float, float]:
    """Return the share of a downhill step to take, and the gradient's norm at its end; 0 where all is rounding.

    The search looks at the objective's slope along the step alone, which keeps its digits where the differences of the
    objective have lost theirs.
    """
    low, slope_low = 0.0, float((gradient * step).sum())
    high: float | None = None
    slope_high, goal, length = 0.0, _FLATTER * abs(slope_low), 1.0
    for _ in range(_TRIALS):
        there = objective.gradient(at + length * step, softness)
        slope = float((there * step).sum())
        if abs(slope) <= goal:
            return length, float(np.linalg.norm(there))
        if slope > 0:
            high, slope_high = length, slope
        else:
            low, slope_low = length, slope
        if high is None:
            length *= 2
        else:
            share = slope_low / (slope_low - slope_high)
            length = low + (high - low) * min(max(share, 0.1), 0.9)
    return low, float(np.linalg.norm(gradient))
