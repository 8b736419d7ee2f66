"""Epochs of torch.optim's LBFGS, and for objectives with corners, or nearly so, Newton's method to the end.

A loss or a penalty with corners is made smooth first, and less so from stage to stage (Nesterov 2005; Chen 2007, "A
finite smoothing algorithm for quantile regression"). LBFGS takes the first stages. The more it looks like its corners,
the worse the curvature becomes for any method that has to learn it; it is piecewise quadratic, so Newton's steps end in
the exact minimum of each later stage after a few of them. The last stage is the one whose duality gap is small enough.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import linalg

from lr_trainer.descent.cycle import Epoch
from lr_trainer.descent.first_order import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_trainer.descent.objective import Objective

    Array = NDArray[np.float64]

GAP = 1e-9
"""The duality gap, as a share of the objective, at which one with corners has converged."""

_HISTORY = 20
_STRIDE = 0.1
"""The softness of a stage as a share of that before it, where nothing speaks against it."""

_LBFGS_EPOCHS = 100
"""The most that LBFGS takes on a smooth objective; a Huber loss with a small delta is like one with a corner."""

_LBFGS_STAGES = 3
_STAGE_TOLERANCE = 1e-4
"""The gradient norm at which LBFGS goes on to the next stage."""

_ROUNDING = 1e-9
"""The gradient norm below which steps that lead nowhere are a matter of rounding."""

_LEAST = 1e-12
"""The least softness: below, the slopes of a clamp are rounding."""

_GOOD_GAP = 1e-6
"""A gap that may grow again without another try."""

_NEWTON_STEPS = 15
"""The most steps in a stage; if there are more, the stage before it is left again with a smaller stride."""

_SMALLEST_STRIDE = 0.95
"""The stride at which that ends."""

_STATE = (
    *("is_done", "stage", "softness", "stride", "taken", "steps", "radius"),
    *("_best", "_best_softness", "_least_gap", "_anchor", "_anchor_softness"),
)


class QuasiNewton:
    """Every epoch is one step on all rows: LBFGS with a strong Wolfe line search, or Newton's.

    Attributes:
        softness: how soft corners are in this stage; 0 where there are none.
    """

    def __init__(self, objective: Objective, start: Array) -> None:
        self.objective = objective
        self.is_done = False
        self.stage = 0
        self.softness = 1.0 if objective.has_corners else 0.0
        self.stride = _STRIDE
        self.taken = 0
        self.steps = 0
        self.radius = 1.0
        self._weights = torch.from_numpy(start.copy())
        self._optimizer = self._lbfgs()
        self._best: Array | None = None
        self._best_softness = self._anchor_softness = self.softness
        self._anchor: Array | None = None
        self._least_gap = np.inf

    @property
    def at(self) -> Array:
        """Where it stands, float64 (outputs, size)."""
        return self._weights.numpy().copy()

    @property
    def unrounded(self) -> Array:
        """Where it stood before the weights in the lasso's corner were set to 0, which turns the slopes of the loss."""
        return self.at if self._best is None or not self.is_done else self._best

    def state(self) -> dict[str, Any]:
        """See `lr_trainer.descent.cycle.Stepper`."""
        own = {name: getattr(self, name) for name in _STATE}
        return {**own, "weights": self._weights, "optimizer": self._optimizer.state_dict()["state"]}

    def restore(self, state: dict[str, Any]) -> None:
        """See `lr_trainer.descent.cycle.Stepper`."""
        for name in _STATE:
            setattr(self, name, state[name])
        self._weights.copy_(state["weights"])
        groups = self._optimizer.state_dict()["param_groups"]
        found = {int(key): value for key, value in state["optimizer"].items()}
        self._optimizer.load_state_dict({"state": found, "param_groups": groups})

    def epoch(self, number: int, pause: Callable[[], None]) -> Epoch:  # noqa: ARG002 - between epochs is enough
        """See `lr_trainer.descent.cycle.Stepper`."""
        self.taken += 1
        late = self.stage >= _LBFGS_STAGES if self.objective.has_corners else self.taken > _LBFGS_EPOCHS
        norm = self._newton() if late else self._quasi_newton()
        loss = float((self.objective.value(self.at) * self.objective.unit).sum())
        return Epoch(number, loss, gradient=norm)

    def _lbfgs(self) -> torch.optim.LBFGS:
        # One iteration a step; when to stop is decided here, where the gradient's scale is known.
        return torch.optim.LBFGS(
            [self._weights],
            lr=1,
            max_iter=1,
            max_eval=25,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def _quasi_newton(self) -> float:
        start = self.at
        found: dict[bytes, tuple[float, Array]] = {}

        def closure() -> float:
            at = self.at
            key = at.tobytes()
            if key not in found:
                found[key] = self.objective.change(at, start, self.softness)
            change, gradient = found[key]
            self._weights.grad = torch.from_numpy(gradient.copy())
            return change

        with torch.no_grad():
            self._optimizer.step(closure)  # type: ignore[no-untyped-call]
        _, gradient = found.get(self._weights.numpy().tobytes()) or self.objective.change(self.at, start, self.softness)
        norm = float(np.linalg.norm(gradient))
        stands = bool((self.at == start).all())
        tolerance = _STAGE_TOLERANCE if self.objective.has_corners else TOLERANCE
        if norm <= tolerance * self.objective.loss.steepest or stands:
            self._next_stage()
        return norm

    def _newton(self) -> float:
        at = self.at
        gradient, hessian, _ = self.objective.curvature(at, self.softness)
        norm = float(np.linalg.norm(gradient))
        # A softened corner is as steep as 1 / softness, and magnifies rounding by that; a smooth loss has none.
        rounding = 2.0**-52 / (min(1.0, self.softness) or 1.0) * 10 * self.objective.loss.steepest
        if norm <= rounding:
            self._next_stage()
            return norm
        if self.steps >= _NEWTON_STEPS and self.objective.has_corners and self._go_back():
            return norm
        direction = np.stack([self._direction(g, h) for g, h in zip(gradient, hessian, strict=True)])
        length, after = self._search(at, direction, gradient)
        taken = float(np.linalg.norm(length * direction))
        self.radius = max(2 * taken, self.radius / 4) if length < 1 else max(self.radius, 2 * taken)
        if length == 0 or (after >= norm and norm <= _ROUNDING * self.objective.loss.steepest):
            self._next_stage()
            return norm
        self._weights.copy_(torch.from_numpy(at + length * direction))
        self.steps += 1
        return norm

    def _direction(self, gradient: Array, hessian: Array) -> Array:
        """Return the Newton step, no longer than the radius where the curvature is too weak to say (Levenberg 1944)."""
        size = len(gradient)
        more = 0.0
        while True:
            try:
                factor = linalg.cho_factor(hessian + more * np.eye(size))
                step = -linalg.cho_solve(factor, gradient)
                if np.linalg.norm(step) <= self.radius:
                    return np.asarray(step)
            except linalg.LinAlgError:
                pass
            more = max(10 * more, 1e-12 * max(float(np.trace(hessian)) / size, 1e-6))

    def _search(self, at: Array, direction: Array, gradient: Array) -> tuple[float, float]:
        """Return how far to go, and the gradient's norm there: where the objective's slope along it is near 0.

        By the slope alone, which keeps its digits where the objective's differences have lost theirs.
        """
        low, slope_low = 0.0, float((gradient * direction).sum())
        high: float | None = None
        slope_high, goal, length = 0.0, 0.9 * abs(slope_low), 1.0
        for _ in range(40):
            there = self.objective.gradient(at + length * direction, self.softness)
            slope = float((there * direction).sum())
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

    def _next_stage(self) -> None:
        if not self.objective.has_corners:
            self.is_done = True
            return
        if self.stage >= _LBFGS_STAGES - 1:
            self._judge()
        if self.is_done:
            return
        self.stage += 1
        if self.stage < _LBFGS_STAGES:
            self.softness *= _STRIDE
            self._optimizer = self._lbfgs()
        else:
            self.stride = max(_STRIDE, self.stride**2)
            self._anchor, self._anchor_softness = self.at, self.softness
            self._lead_on()

    def _go_back(self) -> bool:
        """Leave the stage before this one again, with a smaller stride; return whether there is one."""
        stride = math.sqrt(self.stride)
        if self._anchor is None or stride > _SMALLEST_STRIDE:
            self.steps = 0
            self._next_stage()
            return False
        self.stride, self.softness = stride, self._anchor_softness
        self._weights.copy_(torch.from_numpy(self._anchor))
        self._lead_on()
        return True

    def _lead_on(self) -> None:
        """Go where the next stage's minimum lies if the same rows stand in its corners: the path there is straight.

        Where they stand in it, errors are softness times slopes that stay, so with H the Hessian and g what bends of
        the gradient, the minimum moves by (next softness / softness - 1) H^-1 g.
        """
        at = self.at
        _, hessian, bent = self.objective.curvature(at, self.softness)
        self.steps, self.radius = 0, 1.0
        steps = [self._direction(g, h) for g, h in zip((1 - self.stride) * bent, hessian, strict=True)]
        self.softness *= self.stride
        there = at + np.stack(steps)
        ends = [np.linalg.norm(self.objective.gradient(each, self.softness)) for each in (there, at)]
        self.radius = max(4 * float(np.linalg.norm(there - at)), self.softness)
        if ends[0] < ends[1]:
            self._weights.copy_(torch.from_numpy(there))

    def _judge(self) -> None:
        """Be done where the duality gap is small enough, or grows because the softness has come near rounding."""
        gap = self.objective.gap(self.at, self.softness)
        grows = gap >= self._least_gap
        if not grows:
            self._best, self._least_gap, self._best_softness = self.at, gap, self.softness
        self.is_done = gap <= GAP or self.softness < _LEAST or (grows and self._least_gap <= _GOOD_GAP)
        if self.is_done and self._best is not None:
            self.softness = self._best_softness
            self._weights.copy_(torch.from_numpy(self.objective.in_corners(self._best, self.softness)))
