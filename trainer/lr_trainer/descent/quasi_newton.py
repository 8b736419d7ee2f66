"""Epochs of LBFGS and Newton's method; an objective with corners in stages, each less smooth than the one before.

    objective with corners                               smooth objective

    LBFGS, smoothing parameter 1                         LBFGS, at most 100 epochs
      |  small gradient                                    |       \\
    LBFGS, 0.1                                             |        |  small gradient
      |  small gradient                                  Newton     |
    LBFGS, 0.01                                            |        |
      |  small gradient                                    v       /
      v                                                  done <---
    duality gap  -- small, or no longer shrinking --> done
      |      ^
      |      |  minimum found
      v      |
    predictor step, then Newton, smoothing parameter * ratio
      ^      |  more than 15 steps
      |      v
    backtrack to the minimum before, ratio -> sqrt(ratio)

The more an objective looks like its corners, the worse the curvature becomes for LBFGS, which has to learn it; it is
piecewise quadratic, so Newton's steps end in the exact minimum of a stage after a few of them. The records and the
schedule of the stages are in `continuation.py`, Newton's step is in `newton.py`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lr_trainer.descent.continuation import LBFGS_STAGES, Iterate, Minimum, backtrack, next_stage
from lr_trainer.descent.epoch import Epoch
from lr_trainer.descent.first_order import TOLERANCE, put_back
from lr_trainer.descent.newton import line_search, newton_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.objective import Objective

_HISTORY = 20

_LBFGS_EPOCHS = 100
"""The most that LBFGS takes on a smooth objective; a Huber loss with a small delta is like one with a corner."""

_STAGE_TOLERANCE = 1e-4
"""The gradient norm at which a stage of LBFGS ends: the next one moves the minimum by more than is left."""

_NEWTON_STEPS = 15
"""The most steps in a stage: near enough to its minimum, Newton's method takes a few."""

_ROUNDING = 1e-9
"""The gradient norm below which steps that lead nowhere are a matter of rounding."""


class QuasiNewton:
    """A stepper whose epoch is one step on all rows, of LBFGS or of Newton's method, from a start (outputs, size)."""

    def __init__(self, objective: Objective, start: Array) -> None:
        self.objective = objective
        self._iterate = Iterate(start, 1.0 if objective.has_corners else 0.0)
        self._lbfgs = _Lbfgs(start)

    @property
    def at(self) -> Array:
        """The point, float64 (outputs, size)."""
        return self._iterate.at

    @property
    def is_done(self) -> bool:
        """Whether the descent has converged, or can come no nearer."""
        return self._iterate.is_done

    @property
    def softness(self) -> float:
        """The smoothing parameter at the point; 0 where the objective has no corners."""
        return self._iterate.softness

    @property
    def unrounded(self) -> Array:
        """The point before weights in the lasso's corner were set to 0, which turns the slopes of the loss."""
        best = self._iterate.best
        return self.at if best is None or not self.is_done else best.at

    def state(self) -> dict[str, object]:
        """Return all that decides the next steps."""
        return {"iterate": asdict(self._iterate), "lbfgs": self._lbfgs.optimizer.state_dict()["state"]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        origin, best = (each and Minimum(**each) for each in (state["iterate"]["origin"], state["iterate"]["best"]))
        self._iterate = Iterate(**{**state["iterate"], "origin": origin, "best": best})
        self._lbfgs = _Lbfgs(self.at)
        put_back(self._lbfgs.optimizer, state["lbfgs"])

    def epoch(self, number: int, pause: Callable[[], None]) -> Epoch:  # noqa: ARG002 - between epochs is enough
        """Take an epoch, calling `pause` wherever the state is whole."""
        has_corners = self.objective.has_corners
        if self._iterate.stage >= LBFGS_STAGES if has_corners else number >= _LBFGS_EPOCHS:
            self._iterate, norm = _newton(self.objective, self._iterate)
        else:
            norm = self._lbfgs_epoch()
        loss = float((self.objective.value(self.at) * self.objective.unit).sum())
        return Epoch(number, loss, gradient=norm)

    def _lbfgs_epoch(self) -> float:
        """Take a step of LBFGS, or go to the next stage; return the gradient's norm."""
        objective, start = self.objective, self.at
        at, norm = self._lbfgs.step(objective, self.softness)
        self._iterate = replace(self._iterate, at=at)
        tolerance = _STAGE_TOLERANCE if objective.has_corners else TOLERANCE
        if norm <= tolerance * objective.loss.steepest or bool((at == start).all()):
            self._iterate = next_stage(objective, self._iterate)
            self._lbfgs = _Lbfgs(self.at)
        return norm


def _newton(objective: Objective, iterate: Iterate) -> tuple[Iterate, float]:
    """Return what follows on a point: a step of Newton's method, or another stage; and the gradient's norm there."""
    at, softness, steepest = iterate.at, iterate.softness, objective.loss.steepest
    gradient, hessian, _ = objective.curvature(at, softness)
    norm = float(np.linalg.norm(gradient))
    # A smoothed corner is as steep as 1 / softness, and magnifies rounding by that; a smooth loss has none.
    rounding = 2.0**-52 / (min(1.0, softness) or 1.0) * 10 * steepest
    if norm <= rounding:
        return next_stage(objective, iterate), norm
    if iterate.steps >= _NEWTON_STEPS and objective.has_corners:
        return backtrack(objective, iterate), norm
    step = newton_steps(gradient, hessian, iterate.radius)
    share, after = line_search(objective, at, softness, step, gradient)
    taken = float(np.linalg.norm(share * step))
    radius = max(2 * taken, iterate.radius / 4) if share < 1 else max(iterate.radius, 2 * taken)
    if share == 0 or (after >= norm and norm <= _ROUNDING * steepest):
        return next_stage(objective, replace(iterate, radius=radius)), norm
    return replace(iterate, at=at + share * step, steps=iterate.steps + 1, radius=radius), norm


class _Lbfgs:
    """LBFGS of torch.optim with a strong Wolfe line search, one iteration a step.

    Where to stop is decided by the caller, which knows the gradient's scale.
    """

    def __init__(self, start: Array) -> None:
        self._weights = torch.from_numpy(start.copy())
        self.optimizer = torch.optim.LBFGS(
            [self._weights],
            lr=1,
            max_iter=1,
            max_eval=25,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def step(self, objective: Objective, softness: float) -> tuple[Array, float]:
        """Take a step; return the point, float64 (outputs, size), and the gradient's norm there."""
        start = self._weights.numpy().copy()
        found: dict[bytes, tuple[float, Array]] = {}

        def change() -> tuple[float, Array]:
            at = self._weights.numpy().copy()
            if (key := at.tobytes()) not in found:
                found[key] = objective.change(at, start, softness)
            return found[key]

        def closure() -> float:
            value, gradient = change()
            self._weights.grad = torch.from_numpy(gradient.copy())
            return value

        with torch.no_grad():
            self.optimizer.step(closure)  # type: ignore[no-untyped-call]
        return self._weights.numpy().copy(), float(np.linalg.norm(change()[1]))
